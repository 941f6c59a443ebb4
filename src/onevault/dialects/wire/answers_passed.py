"""Passes answers that come whole or as events, whichever the provider sent: some models ignore the ask for a stream."""

from __future__ import annotations

from onevault.core.events import Event, Finished, Passed
from onevault.dialects.wire.decoders import StreamDecoder
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.sse import FRAME_BYTES_MAX, frame_data

DONE = b"[DONE]"
_WHOLE_BYTES_MAX = 4 * FRAME_BYTES_MAX


class EventsOrWhole(StreamDecoder):
    """Hands the data of events to `seen`, or all that came to `whole` where it begins as a JSON object does.

    A stream is complete once a dialect's last event was seen (`_complete`); `[DONE]`, which some servers add, ends it.
    """

    __slots__ = ("_chunks", "_complete", "_length")

    def __init__(self) -> None:
        super().__init__()
        self._complete = False
        self._chunks: list[bytes] | None = None
        self._length = -1  # nothing came yet

    def feed(self, data: bytes) -> list[Event]:
        if self._length < 0:
            if not data.strip():
                return []
            self._length = 0
            self._chunks = [] if data.lstrip().startswith(b"{") else None
        if self._chunks is None:
            return super().feed(data)
        self._length += len(data)
        if self._length > _WHOLE_BYTES_MAX:
            raise malformed("an answer that is too long")
        self._chunks.append(data)
        return []

    def close(self) -> list[Event]:
        return super().close() if self._chunks is None else self.whole(b"".join(self._chunks))

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None:
            events.append(Passed(frame))
        elif data.startswith(DONE):
            if not self._complete:
                raise cut_short()
            self._done = True
            events.append(Finished(frame))
        else:
            events.append(Passed(frame, self.seen(data, events)))

    def unterminated(self, events: list[Event]) -> None:
        if not self._complete:
            raise cut_short()
        events.append(Finished())

    def seen(self, data: bytes, events: list[Event]) -> int:
        """Reads one event before it is passed: adds what it reports, sets `_complete` at the dialect's last one. Gives back how
        much generated text it carries, in bytes."""
        raise NotImplementedError

    def whole(self, body: bytes) -> list[Event]:
        """The events of an answer that is no stream."""
        raise NotImplementedError
