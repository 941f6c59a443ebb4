"""Writes to standard output and error so that no call ever fails for a disk that is full or a reader that is gone."""

from __future__ import annotations

import sys
from typing import Protocol


class _Sink(Protocol):
    def write(self, data: bytes | memoryview, /) -> int | None: ...


class Output:
    """A stream as loggers want one. What it does not take is lost; the calls themselves are in the journal.

    Nothing is kept in a buffer: Python would try to write it when the process ends, and end with an error if that failed.
    """

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink

    def write(self, text: str | bytes) -> int:
        data = text.encode(errors="replace") if isinstance(text, str) else text
        left = memoryview(data)
        try:
            while left:
                left = left[self._sink.write(left) or len(left) :]
        except OSError:
            pass
        return len(text)

    def flush(self) -> None:
        """Everything is written at once."""


def standard_error() -> Output:
    """Standard error, past Python's buffer."""
    return Output(getattr(sys.stderr.buffer, "raw", sys.stderr.buffer))


def standard_output() -> Output:
    """Standard output, past Python's buffer."""
    return Output(getattr(sys.stdout.buffer, "raw", sys.stdout.buffer))
