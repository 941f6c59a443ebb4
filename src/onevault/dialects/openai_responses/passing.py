"""Watches a responses answer go by untouched: usage, ends and errors are read, the bytes stay as they came."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import ChoiceEnded, Event, Finished, Passed, UsageReported
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai_responses.seen import TERMINAL, UNDER_WAY, Answer, failure, reason_of, usage_event
from onevault.dialects.openai_responses.usage import is_search
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import ABSENT
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.sse import frame_data

DONE = b"[DONE]"

TRAILING_BYTES_MAX = 64 * 1024
"""What comes after this much behind the end of a stream is no part of the answer."""

BACKGROUND_OUTPUT_TOKENS = 128_000
"""What an answer that goes on in the background is counted for where the caller set no limit: as much as models write at most."""
_BYTES_PER_TOKEN = 4


class SeenItem(msgspec.Struct, frozen=True, gc=False):
    """An output item of any kind, only as far as it can be counted."""

    type: str = ""
    content: Any = None
    summary: Any = None
    action: Any = None
    arguments: Raw = ABSENT
    input: Raw = ABSENT
    code: Raw = ABSENT


class SeenAnswer(Answer, frozen=True):
    output: list[SeenItem] | None = None


class SeenEvent(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    delta: Any = None
    error: Any = None
    response: Raw = ABSENT


_EVENT = msgspec.json.Decoder(SeenEvent).decode
_ANSWER = msgspec.json.Decoder(SeenAnswer).decode
_FIELDS = msgspec.json.Decoder(dict[str, Any]).decode
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _text_bytes(text: object) -> int:
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _output_bytes(item: SeenItem) -> int:
    counted = len(item.arguments) + len(item.input) + len(item.code)
    for part in (*_parts(item.content), *_parts(item.summary)):
        counted += _text_bytes(part.get("text")) + _text_bytes(part.get("refusal"))
    return counted


def _parts(content: Any) -> list[dict[str, Any]]:
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _usage(answer: SeenAnswer) -> list[UsageReported]:
    return usage_event(answer, searches=sum(is_search(item.type, item.action) for item in answer.output or ()))


def _ended(answer: SeenAnswer) -> ChoiceEnded:
    calls = any(item.type == "function_call" for item in answer.output or ())
    refused = any(part.get("refusal") for item in answer.output or () for part in _parts(item.content))
    return ChoiceEnded(reason_of(answer, calls=calls, refused=refused))


class PassingStream(StreamDecoder):
    """Passes a stream. Its last event is held back until the bytes end, with what some servers send after it (`[DONE]`)."""

    __slots__ = ("_closing", "_trailing_bytes")

    def __init__(self) -> None:
        super().__init__()
        self._closing = b""
        self._trailing_bytes = 0

    def unterminated(self, events: list[Event]) -> None:
        if not self._closing:
            raise cut_short()
        events.append(Finished(self._closing))

    def read(self, frame: bytes, events: list[Event]) -> None:
        if self._closing:
            self._trailing_bytes += len(frame)
            if self._trailing_bytes <= TRAILING_BYTES_MAX:
                self._closing += frame
            return
        data = frame_data(frame)
        if data is None:
            events.append(Passed(frame))
            return
        if data.startswith(DONE):
            raise cut_short()  # an end without the event that says so
        try:
            seen = _EVENT(data)
        except NOT_JSON:
            raise malformed("an event that is not in its dialect", data) from None
        kind = seen.type
        if kind in TERMINAL:
            self._end(frame, seen.response, events)
            return
        if kind == "error" or (not kind and seen.error is not None):
            raise stream_fault(data, seen.error)
        events.append(Passed(frame, _text_bytes(seen.delta)))

    def _end(self, frame: bytes, response: Raw, events: list[Event]) -> None:
        try:
            answer = _ANSWER(response)
        except NOT_JSON:
            raise malformed("an event that is not in its dialect", frame) from None
        events.append(_ended(answer))
        events += _usage(answer)
        self._closing = frame


def stream_fault(data: bytes, error: Any) -> Exception:
    """An `error` event, whose fields are its own or in an `error` object."""
    return fault_in_stream(error if error is not None else _FIELDS(data))


class PassingWhole(WholeDecoder):
    """Passes a whole answer once it has come and is one.

    An answer that failed is a fault, so that another target may be tried. One that goes on in the background reports no usage ever:
    it counts for all that it may become.
    """

    __slots__ = ("_output_tokens_asked",)

    def __init__(self, *, output_tokens_asked: int | None) -> None:
        super().__init__()
        self._output_tokens_asked = output_tokens_asked

    def decoded(self, body: bytes) -> list[Event]:
        try:
            answer = _ANSWER(body)
        except NOT_JSON:
            raise malformed("an answer that is not in its dialect", body) from None
        if answer.error is not None or answer.status in ("failed", "cancelled"):
            raise failure(answer)
        if answer.output is None:
            raise malformed("an answer without output", body)
        if answer.status in UNDER_WAY and answer.usage is None:
            tokens = self._output_tokens_asked or BACKGROUND_OUTPUT_TOKENS
            return [Passed(body, tokens * _BYTES_PER_TOKEN), Finished()]
        output_bytes = sum(_output_bytes(item) for item in answer.output)
        return [Passed(body, output_bytes), _ended(answer), *_usage(answer), Finished()]
