"""Numbers and writes the frames of a stream in the responses dialect."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw


class Frames:
    """The frames written and not yet taken, numbered in order."""

    __slots__ = ("_sequence", "out")

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self._sequence = 0

    def add(self, kind: str, fields: bytes) -> None:
        """An event with these fields (`"item_id":"…","delta":"…"`)."""
        name = kind.encode()
        self.out.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n' % (name, name, self._sequence, fields)
        )
        self._sequence += 1

    def taken(self) -> bytes:
        out, self.out = self.out, []
        return out[0] if len(out) == 1 else b"".join(out)


def fields_written(fields: dict[str, Any]) -> bytes:
    """An object's fields without its braces."""
    return msgspec.json.encode(fields)[1:-1]


def begin_item(frames: Frames, output: int, item: dict[str, Any] | Raw) -> None:
    frames.add("response.output_item.added", fields_written({"output_index": output, "item": item}))


def end_item(frames: Frames, output: int, item: dict[str, Any] | Raw) -> None:
    frames.add("response.output_item.done", fields_written({"output_index": output, "item": item}))


def whole_item(frames: Frames, output: int, item: dict[str, Any] | Raw) -> None:
    """An item that comes complete."""
    begin_item(frames, output, item)
    end_item(frames, output, item)
