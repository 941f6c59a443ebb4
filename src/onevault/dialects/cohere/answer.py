"""Decodes Cohere v2 chat answers, whole or streamed, into events.

Tokens are counted as Cohere bills them (`billed_units`): its own prompt around a caller's, which `tokens` and `cached_tokens` count
too, is not charged. A tool plan is text that the model says before its calls.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Cited,
    Event,
    Finished,
    LogprobsAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import FaultKind
from onevault.core.usage import Usage
from onevault.dialects.cohere.names import COHERE_CHAT
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import ABSENT, present
from onevault.dialects.wire.provider_faults import broken_off, malformed
from onevault.dialects.wire.sse import frame_data

STOP_REASONS = {
    "COMPLETE": StopReason.END,
    "STOP_SEQUENCE": StopReason.STOP_SEQUENCE,
    "MAX_TOKENS": StopReason.LENGTH,
    "TOOL_CALL": StopReason.TOOL_CALLS,
    "ERROR_TOXIC": StopReason.CONTENT_FILTER,
    "ERROR_LIMIT": StopReason.CONTEXT_LENGTH,
}
_FAILED = {"ERROR": FaultKind.PROVIDER_ERROR, "TIMEOUT": FaultKind.PROVIDER_TIMEOUT}


class Count(msgspec.Struct, frozen=True, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None


class CohereUsage(msgspec.Struct, frozen=True, gc=False):
    billed_units: Count | None = None
    tokens: Count | None = None


class Part(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class Function(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, frozen=True, gc=False):
    id: str | None = None
    function: Function | None = None


class CitationIn(msgspec.Struct, frozen=True, gc=False):
    start: int | None = None
    end: int | None = None
    text: str | None = None
    content_index: int | None = None
    sources: list[dict[str, Any]] | None = None


class MessageIn(msgspec.Struct, frozen=True):
    content: list[Part] | None = None
    tool_plan: str | None = None
    tool_calls: list[Call] | None = None
    citations: list[Raw] | None = None


class Answer(msgspec.Struct, frozen=True):
    id: str | None = None
    message: MessageIn | None = None
    finish_reason: str | None = None
    usage: CohereUsage | None = None
    logprobs: Raw = ABSENT


class DeltaMessage(msgspec.Struct, frozen=True, gc=False):
    content: Part | list[Part] | None = None
    tool_plan: str | None = None
    tool_calls: Call | list[Call] | None = None
    citations: Raw = ABSENT


class Delta(msgspec.Struct, frozen=True, gc=False):
    message: DeltaMessage | None = None
    finish_reason: str | None = None
    usage: CohereUsage | None = None


class Frame(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    id: str | None = None
    index: int = 0
    delta: Delta | None = None
    logprobs: Raw = ABSENT


_ANSWER = msgspec.json.Decoder(Answer).decode
_FRAME = msgspec.json.Decoder(Frame).decode
_CITATION = msgspec.json.Decoder(CitationIn).decode
_LOGPROBS = msgspec.json.Decoder(list[dict[str, Any]] | dict[str, Any]).decode
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def usage_of(usage: CohereUsage) -> Usage:
    """In the shared convention."""
    count = usage.billed_units or usage.tokens or Count()
    return Usage(input_tokens=max(0, int(count.input_tokens or 0)), output_tokens=max(0, int(count.output_tokens or 0)))


class CanonicalWhole(WholeDecoder):
    """Decodes a whole answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            answer = _ANSWER(body)
        except _DECODE_ERRORS:
            raise malformed("an answer that is not in its dialect", body) from None
        if answer.message is None or not answer.finish_reason:
            raise malformed("an answer without a message", body)
        events: list[Event] = [AnswerStarted(answer.id or "", "")]
        message, part = answer.message, 0
        if message.tool_plan:
            events.append(TextAdded(message.tool_plan, part))
            part += 1
        for content in message.content or ():
            _add_content(content, part, events)
            part += 1
        first = 1 if message.tool_plan else 0
        events += [_citation(cited, first=first) for cited in message.citations or ()]
        for ordinal, call in enumerate(message.tool_calls or ()):
            _start_call(call, ordinal, part + ordinal, events)
        _add_logprobs(answer.logprobs, events)
        _end(answer.finish_reason, answer.usage, events)
        return events


class CanonicalStream(StreamDecoder):
    """Decodes a stream: complete with `message-end`."""

    __slots__ = ("_calls", "_content", "_part", "_planned")

    def __init__(self) -> None:
        super().__init__()
        self._part = -1
        self._content: dict[int, int] = {}
        self._calls: dict[int, tuple[int, int]] = {}
        self._planned = False

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None or data.startswith(b"[DONE]"):
            return
        try:
            told = _FRAME(data)
        except _DECODE_ERRORS:
            raise malformed("an event that is not in its dialect", data) from None
        kind, delta = told.type, told.delta
        message = delta.message if delta is not None else None
        if kind == "content-delta" and message is not None and isinstance(message.content, Part):
            _add_content(message.content, self._content.get(told.index, self._part), events)
            _add_logprobs(told.logprobs, events)
        elif kind == "tool-call-delta" and message is not None and isinstance(message.tool_calls, Call):
            self._add_arguments(told.index, message.tool_calls, events)
        elif kind == "tool-plan-delta" and message is not None and message.tool_plan:
            if not self._planned:
                self._planned = True
                self._part += 1
            events.append(TextAdded(message.tool_plan, self._part))
        elif kind == "content-start" and message is not None and isinstance(message.content, Part):
            self._part += 1
            self._content[told.index] = self._part
            _add_content(message.content, self._part, events)
        elif kind == "tool-call-start" and message is not None and isinstance(message.tool_calls, Call):
            self._part += 1
            self._calls[told.index] = (len(self._calls), self._part)
            _start_call(message.tool_calls, *self._calls[told.index], events)
        elif kind == "citation-start" and message is not None and present(message.citations) is not None:
            events.append(_citation(message.citations, first=1 if self._planned else 0))
        elif kind == "message-start":
            events.append(AnswerStarted(told.id or "", ""))
        elif kind == "message-end":
            if delta is None or not delta.finish_reason:
                raise malformed("an end without a reason", data)
            _end(delta.finish_reason, delta.usage, events)
            self._done = True

    def _add_arguments(self, index: int, call: Call, events: list[Event]) -> None:
        known = self._calls.get(index)
        if known is None:
            raise malformed("arguments of a tool call that never began")
        if call.function is not None and call.function.arguments:
            events.append(ToolArgumentsAdded(known[0], call.function.arguments, known[1]))


def _add_content(content: Part, part: int, events: list[Event]) -> None:
    if content.thinking:
        events.append(ThinkingAdded(content.thinking, part))
    if content.text:
        events.append(TextAdded(content.text, part))


def _start_call(call: Call, ordinal: int, part: int, events: list[Event]) -> None:
    function = call.function
    if function is None or not function.name:
        raise malformed("a tool call without a name")
    events.append(ToolCallStarted(ordinal, call.id or f"call_{ordinal}", function.name, part))
    if function.arguments:
        events.append(ToolArgumentsAdded(ordinal, function.arguments, part))


def _citation(raw: Raw, *, first: int) -> CitationAdded:
    """`first` is the part of the first block of content."""
    try:
        cited = _CITATION(raw)
    except _DECODE_ERRORS:
        raise malformed("a citation that is not in its dialect") from None
    source = cited.sources[0] if cited.sources else {}
    document = source.get("document") or source.get("tool_output") or {}
    said = document if isinstance(document, dict) else {}
    url, title = said.get("url"), said.get("title")
    told = Cited(
        url=url if isinstance(url, str) else None,
        title=title if isinstance(title, str) else None,
        text=cited.text,
        start=cited.start,
        end=cited.end,
    )
    return CitationAdded(COHERE_CHAT, raw, first + (cited.content_index or 0), cited=told)


def _add_logprobs(raw: Raw, events: list[Event]) -> None:
    """Cohere's `[{text, token_ids, logprobs}]` in OpenAI's shape."""
    if present(raw) is None:
        return
    try:
        told = _LOGPROBS(raw)
    except _DECODE_ERRORS:
        raise malformed("log probabilities that are not in its dialect") from None
    content: list[dict[str, Any]] = [
        {"token": str(entry.get("text", "")), "logprob": number, "bytes": None, "top_logprobs": []}
        for entry in (told if isinstance(told, list) else [told])
        for number in entry.get("logprobs") or ()
        if isinstance(number, int | float)
    ]
    events.append(LogprobsAdded(Raw(msgspec.json.encode({"content": content, "refusal": None}))))


def _end(reason: str, usage: CohereUsage | None, events: list[Event]) -> None:
    if reason in _FAILED:
        raise broken_off(_FAILED[reason], reason)
    events.append(ChoiceEnded(STOP_REASONS.get(reason, StopReason.END)))
    if usage is not None:
        events.append(UsageReported(usage_of(usage)))
    events.append(Finished())
