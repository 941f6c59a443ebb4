"""Decodes a responses answer, whole or streamed, into events that every dialect can write.

A whole answer is read as the stream that would have brought each of its items complete, so the two cannot differ.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import Event
from onevault.dialects.openai_responses.item_reader import ItemReader, WholeAnswer
from onevault.dialects.openai_responses.passing import DONE, NOT_JSON, stream_fault
from onevault.dialects.openai_responses.seen import TERMINAL, Answer
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import ABSENT
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.sse import frame_data


class StreamEvent(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: Any = None
    logprobs: Raw = ABSENT
    annotation: Raw = ABSENT
    item: Raw = ABSENT
    response: Raw = ABSENT
    error: Any = None


_EVENT = msgspec.json.Decoder(StreamEvent).decode
_ANSWER = msgspec.json.Decoder(WholeAnswer).decode


class CanonicalStream(StreamDecoder):
    """Decodes a stream, which `response.completed`, `.incomplete` or `.failed` ends."""

    __slots__ = ("_begun", "_reader")

    def __init__(self) -> None:
        super().__init__()
        self._reader = ItemReader()
        self._begun = False

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None:
            return
        if data.startswith(DONE):
            raise cut_short()
        try:
            event = _EVENT(data)
            self._apply(event, data, events)
        except NOT_JSON:
            raise malformed("an event that is not in its dialect", data) from None

    def _apply(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        kind, reader = event.type, self._reader
        delta = event.delta if isinstance(event.delta, str) else ""
        if kind == "response.output_text.delta":
            reader.text(event.output_index, event.content_index, delta, event.logprobs, events)
        elif kind == "response.function_call_arguments.delta":
            reader.arguments(event.output_index, delta, events)
        elif kind == "response.reasoning_summary_text.delta":
            reader.thought(event.output_index, ("summary", event.summary_index), delta, events)
        elif kind == "response.reasoning_text.delta":
            reader.thought(event.output_index, ("content", event.content_index), delta, events)
        elif kind == "response.refusal.delta":
            reader.refusal(event.output_index, event.content_index, delta, events)
        elif kind == "response.output_text.annotation.added":
            reader.cited(event.output_index, event.content_index, event.annotation, events)
        elif kind == "response.output_item.added" and event.item:
            reader.added(event.output_index, event.item, events)
        elif kind == "response.output_item.done" and event.item:
            reader.done(event.output_index, event.item, events)
        elif kind in TERMINAL:
            answer = _ANSWER(event.response)
            self._begin(answer, events)
            reader.end(answer, events)
            self._done = True
        elif kind == "error" or (not kind and event.error is not None):
            raise stream_fault(data, event.error)
        elif event.response and not self._begun:
            self._begin(_ANSWER(event.response), events)

    def _begin(self, answer: Answer, events: list[Event]) -> None:
        if not self._begun:
            self._begun = True
            self._reader.begin(answer, events)


class CanonicalWhole(WholeDecoder):
    """Decodes a whole answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        events: list[Event] = []
        reader = ItemReader()
        try:
            answer = _ANSWER(body)
            reader.begin(answer, events)
            reader.end(answer, events)
        except NOT_JSON:
            raise malformed("an answer that is not in its dialect", body) from None
        return events
