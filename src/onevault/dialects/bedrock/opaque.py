"""Puts together the blocks that only Bedrock can say (calls of its own tools, and their answers) from the pieces of a stream."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from onevault.dialects.wire.json_body import fields_of
from onevault.dialects.wire.provider_faults import malformed

OPAQUE_BYTES_MAX: Final = 16 * 1024 * 1024


class OpaqueBlock:
    """A block under way: its `field` (`toolUse`, `toolResult`), its kind, and what it began with."""

    __slots__ = ("bytes", "field", "kind", "pieces", "raw")

    def __init__(self, field: str, kind: str, raw: Raw) -> None:
        self.field = field
        self.kind = kind
        self.raw = raw
        self.pieces: list[str | Raw] = []
        self.bytes = 0

    def add(self, piece: str | Raw) -> None:
        """A piece of a call's arguments, or a part of an answer. Raises Fault PROVIDER_ERROR beyond OPAQUE_BYTES_MAX."""
        self.bytes += len(piece) if isinstance(piece, str) else len(bytes(piece))
        if self.bytes > OPAQUE_BYTES_MAX:
            raise malformed("a block that is too long")
        self.pieces.append(piece)

    def whole(self) -> Raw:
        """The block as a whole answer would have it. Raises msgspec.DecodeError where the pieces are no JSON."""
        fields: dict[str, Any] = dict(fields_of(self.raw))
        if self.field == "toolUse":
            text = "".join(piece for piece in self.pieces if isinstance(piece, str))
            fields["input"] = msgspec.json.decode(text or "{}")
        else:
            fields["content"] = list(self.pieces)
        return Raw(msgspec.json.encode({self.field: fields}))
