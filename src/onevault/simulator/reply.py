"""An answer before it is sent: status, headers, and a body or the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

JSON: Final = b"application/json"
SSE: Final = b"text/event-stream; charset=utf-8"


@dataclass(slots=True)
class Reply:
    """`headers` are whole lines, each with its end. `error_event` is what `malformed=status_in_stream` sends."""

    status: int
    body: bytes = b""
    events: Iterator[bytes] | None = None
    headers: bytes = b""
    content_type: bytes = JSON
    output_tokens: int = 0
    error_event: bytes = b""
