"""Cuts a server-sent event stream into frames, whatever the split of the bytes, and reads a frame's fields.

Follows the WHATWG HTML standard, 9.2 (server-sent events): lines end in LF, CRLF or CR, a blank line ends a frame, a leading byte
order mark and comments are skipped. Frames keep their bytes, their blank line included, so that they can be passed on untouched.
"""

from __future__ import annotations

import re

from onevault.core.faults import Fault, FaultKind

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""A frame longer than this is not an answer but a mistake or an attack."""

_BOM = b"\xef\xbb\xbf"
# Possessive, so that CRLF is never taken for two line ends.
_BLANK_LINE = re.compile(rb"(?:\r\n?+|\n){2}")
_LINE_END = re.compile(rb"\r\n?+|\n")


class FrameCutter:
    """Gathers bytes and gives back whole frames. The frames, joined, are the bytes that came."""

    __slots__ = ("_buffer", "_scanned")

    def __init__(self) -> None:
        self._buffer = b""
        self._scanned = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, each with the blank line that ends it.

        Raises Fault PROVIDER_ERROR for a frame over FRAME_BYTES_MAX.
        """
        buffer = self._buffer + data if self._buffer else data
        if b"\r" not in buffer:
            return self._cut(buffer, b"\n\n", self._scanned)
        line_ends = buffer.count(b"\r\n")
        if line_ends == buffer.count(b"\r") == buffer.count(b"\n"):
            return self._cut(buffer, b"\r\n\r\n", max(self._scanned - 2, 0))
        return self._feed_any_line_end(buffer)

    def _cut(self, buffer: bytes, blank: bytes, scanned: int) -> list[bytes]:
        """Where all line ends are of one kind: the expression for all kinds takes ten times as long."""
        frames: list[bytes] = []
        start = 0
        end = buffer.find(blank, scanned)
        while end >= 0:
            end += len(blank)
            frames.append(buffer[start:end])
            start = end
            end = buffer.find(blank, start)
        self._keep(buffer[start:] if start else buffer)
        return frames

    def _feed_any_line_end(self, buffer: bytes) -> list[bytes]:
        frames: list[bytes] = []
        start = 0
        # A line end may be cut anywhere: look again at the last three bytes (of four, in CRLF CRLF).
        for blank in _BLANK_LINE.finditer(buffer, max(self._scanned - 2, 0)):
            if blank.end() == len(buffer) and buffer[-1] == 0x0D:
                break  # an LF that belongs to this CR may follow
            frames.append(buffer[start : blank.end()])
            start = blank.end()
        self._keep(buffer[start:])
        return frames

    def _keep(self, rest: bytes) -> None:
        if len(rest) > FRAME_BYTES_MAX:
            raise Fault(FaultKind.PROVIDER_ERROR, "The provider sent an event that is too long.")
        self._buffer = rest
        self._scanned = max(len(rest) - 1, 0)

    def close(self) -> bytes:
        """What is left without a blank line to end it; b"" if nothing."""
        rest, self._buffer, self._scanned = self._buffer, b"", 0
        return rest


def frame_data(frame: bytes) -> bytes | None:
    """The `data` of a frame, its lines joined by LF; None if it has none (comments, `event` or `id` alone, blank lines)."""
    if frame.startswith(b"data: ") and frame.find(b"\n") >= len(frame) - 2 and b"\r" not in frame:
        return frame[6:].rstrip(b"\n")
    if frame.startswith(b"data: ") and frame.find(b"\r") == len(frame) - 4 and frame.find(b"\n") == len(frame) - 3:
        return frame[6:-4]  # lines ended by CRLF, as Google does
    if frame.startswith(b"event: ") and b"\r" not in frame:
        first = frame.find(b"\n")
        if frame.startswith(b"data: ", first + 1) and frame.find(b"\n", first + 1) >= len(frame) - 2:
            return frame[first + 7 :].rstrip(b"\n")
    return _data_of_any_frame(frame)


def _data_of_any_frame(frame: bytes) -> bytes | None:
    lines: list[bytes] = []
    for line in _lines(frame):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None


def frame_event(frame: bytes) -> bytes:
    """The name in a frame's last `event` field; b"" if it has none."""
    name = b""
    for line in _lines(frame):
        if line.startswith(b"event:"):
            name = line[6:].strip(b" ")
    return name


def _lines(frame: bytes) -> list[bytes]:
    return _LINE_END.split(frame.removeprefix(_BOM))
