"""What answers are written as: JSON when whole, an event stream otherwise."""

from __future__ import annotations

from onevault.core.faults import Fault


class JsonAndEventStream:
    """Mixed into the writers of dialects that answer in JSON and stream server-sent events."""

    whole_type: str | None = "application/json"
    stream_type: str | None = "text/event-stream; charset=utf-8"

    def comment(self, text: str) -> bytes:
        """A line that clients of server-sent events skip."""
        return f": {text}\n\n".encode()

    def error_frame(self, fault: Fault) -> bytes | None:
        """None: the dialect says in an event what went wrong."""
        return None
