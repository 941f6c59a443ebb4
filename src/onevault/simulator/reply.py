"""An answer before it is sent: status, headers, and a body or the events of a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

JSON: Final = b"application/json"
SSE: Final = b"text/event-stream; charset=utf-8"
NDJSON: Final = b"application/x-ndjson"


def half_an_event(event: bytes) -> bytes:
    """A server-sent event whose data ends too early, but which ends as an event does."""
    return event[: len(event) * 2 // 3].rstrip(b"\n") + b"\n\n"


def half_a_line(event: bytes) -> bytes:
    """A line of NDJSON that ends too early, but with its line end."""
    return event[: len(event) * 2 // 3].rstrip(b"\n") + b"\n"


def half(event: bytes) -> bytes:
    """The beginning of a piece of a body that has no framing of its own."""
    return event[: len(event) // 2] or event


@dataclass(slots=True)
class Reply:
    """`headers` are whole lines, each with its end. `error_event` is what `malformed=status_in_stream` sends, `broken` makes
    of a sound event what `malformed=frame` sends.
    """

    status: int
    body: bytes = b""
    events: Iterator[bytes] | None = None
    headers: bytes = b""
    content_type: bytes = JSON
    output_tokens: int = 0
    error_event: bytes = b""
    broken: Callable[[bytes], bytes] = half_an_event
