"""Remembers responses and what was said up to them, as many as fit; the oldest are forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec


class Conversations:
    """By the response's id. Kept as JSON, so that `bytes_max` counts what they take."""

    def __init__(self, *, kept_max: int, bytes_max: int) -> None:
        self._kept_max = kept_max
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._bytes = 0

    def keep(self, identity: str, items: list[dict[str, Any]], response: bytes) -> None:
        """`items` are the whole conversation, the response's own output last. One that is too large is not kept."""
        self.forget(identity)
        kept = (msgspec.json.encode(items), response)
        self._kept[identity] = kept
        self._bytes += len(kept[0]) + len(kept[1])
        while len(self._kept) > self._kept_max or self._bytes > self._bytes_max:
            self.forget(next(iter(self._kept)))

    def forget(self, identity: str) -> bool:
        """Whether there was one."""
        kept = self._kept.pop(identity, None)
        if kept is not None:
            self._bytes -= len(kept[0]) + len(kept[1])
        return kept is not None

    def items(self, identity: str) -> list[dict[str, Any]] | None:
        kept = self._kept.get(identity)
        return None if kept is None else msgspec.json.decode(kept[0], type=list[dict[str, Any]])

    def response(self, identity: str) -> bytes | None:
        kept = self._kept.get(identity)
        return None if kept is None else kept[1]
