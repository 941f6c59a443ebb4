"""Passes the answers to relayed requests, byte by byte, and takes their usage off them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from onevault.core.codec import Codec, Decoder
from onevault.core.events import (
    Event,
    Finished,
    Passed,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ToolArgumentsAdded,
    UsageReported,
)
from onevault.core.faults import Fault
from onevault.core.relay import RelayedIncoming

METERED_BYTES_MAX: Final = 64 << 20
"""How much of one answer is looked at for its usage; what is longer passes all the same and is estimated."""


class RelayDecoder:
    """Passes every byte, and reports what a decoder of the dialect reads in them. What it cannot read is no fault here, but
    counts as output byte by byte: nobody pays less for asking in a form that is not understood."""

    __slots__ = ("_bytes", "_counted", "_meter")

    def __init__(self, meter: Decoder | None) -> None:
        self._meter = meter
        self._bytes = self._counted = 0

    def feed(self, data: bytes) -> list[Event]:
        self._bytes += len(data)
        if self._bytes > METERED_BYTES_MAX:
            self._meter = None
        read = self._read(lambda meter: meter.feed(data))
        return [Passed(data, self._output_bytes(read)), *_usage(read)]

    def close(self) -> list[Event]:
        read = self._read(lambda meter: meter.close())
        return [Passed(b"", self._output_bytes(read)), *_usage(read), Finished()]

    def _read(self, verb: Callable[[Decoder], list[Event]]) -> list[Event]:
        if self._meter is None:
            return []
        try:
            return verb(self._meter)
        except Fault:
            self._meter = None
            return []

    def _output_bytes(self, read: list[Event]) -> int:
        """Bytes of output since the last time: those of the events, or all that came where there is nothing to read them."""
        new = sum(map(_output_bytes, read)) if self._meter is not None else self._bytes - self._counted
        self._counted += new
        return new


def relay_decoder(codec: Codec | None, incoming: RelayedIncoming, content_type: str) -> RelayDecoder:
    """What reads the usage off an answer of this content type. `codec` None: nothing."""
    if codec is None:
        return RelayDecoder(None)
    return RelayDecoder(_meter(codec, incoming, stream=_is_stream(content_type)))


def _meter(codec: Codec, incoming: RelayedIncoming, *, stream: bool) -> Decoder | None:
    try:
        return codec.decoder(stream=stream, passing=incoming.understood)
    except Fault:
        return None


def _is_stream(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in ("text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream")


def _output_bytes(event: Event) -> int:
    if isinstance(event, Passed):
        return event.output_bytes
    if isinstance(event, TextAdded | ThinkingAdded | RefusalAdded):
        return len(event.text)
    return len(event.json_text) if isinstance(event, ToolArgumentsAdded) else 0


def _usage(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, UsageReported)]
