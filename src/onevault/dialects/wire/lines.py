"""Cuts newline-delimited JSON into lines, whatever the split of the bytes."""

from __future__ import annotations

from onevault.core.faults import Fault, FaultKind

LINE_BYTES_MAX = 16 * 1024 * 1024
"""A line longer than this is not an answer but a mistake or an attack."""


class LineCutter:
    """Gathers bytes and gives back whole lines without their ends."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes. Raises Fault PROVIDER_ERROR for a line over LINE_BYTES_MAX."""
        *lines, rest = data.split(b"\n")
        if lines and self._pieces:
            self._pieces.append(lines[0])
            lines[0] = b"".join(self._pieces)
        if lines:
            self._pieces, self._size = [], 0
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
            if self._size > LINE_BYTES_MAX:
                raise Fault(FaultKind.PROVIDER_ERROR, "The provider sent a line that is too long.")
        return lines

    def close(self) -> bytes:
        """What is left without a line end; b"" if nothing."""
        rest = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return rest
