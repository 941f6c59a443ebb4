"""What all decoders have in common: gathering a whole body, or cutting a stream into frames until it says that it is complete."""

from __future__ import annotations

from onevault.core.events import Event
from onevault.core.faults import Fault
from onevault.dialects.wire.provider_faults import cut_short
from onevault.dialects.wire.sse import FrameCutter


class WholeDecoder:
    """Gathers the body; a dialect says in `decoded` what is in it."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        self._chunks.append(data)
        return []

    def close(self) -> list[Event]:
        return self.decoded(self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))

    def decoded(self, body: bytes) -> list[Event]:
        """The events of a whole body. Raises Fault PROVIDER_ERROR for one that is not the dialect's."""
        raise NotImplementedError


class StreamDecoder:
    """Hands the frames of an event stream to the dialect's `read` until that sets `_done`."""

    __slots__ = ("_cutter", "_done")

    def __init__(self) -> None:
        self._cutter = FrameCutter()
        self._done = False

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self._done:
            return events  # what follows the end is nothing
        try:
            for frame in self._cutter.feed(data):
                if not self._done:
                    self.read(frame, events)
        except Fault as fault:
            fault.read_before = events
            raise
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        rest = self._cutter.close()
        if rest.strip() and not self._done:
            self.read(rest, events)
        if not self._done:
            self.unterminated(events)
        return events

    def read(self, frame: bytes, events: list[Event]) -> None:
        """Adds the events of one frame; sets `_done` at the dialect's terminator."""
        raise NotImplementedError

    def unterminated(self, events: list[Event]) -> None:
        """The stream ended without its terminator: cut short, unless the dialect knows better."""
        raise cut_short()
