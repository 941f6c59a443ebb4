"""Decodes Ollama's chat answers: one JSON object, or a stream of them, a line each, of which the last says `done`."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    EmbeddingsMade,
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
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import ABSENT, present
from onevault.dialects.wire.lines import LineCutter
from onevault.dialects.wire.provider_faults import broken_off, cut_short, malformed

STOP_REASONS = {"stop": StopReason.END, "length": StopReason.LENGTH}
_NO_ANSWER = frozenset({"load", "unload"})
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Function(msgspec.Struct, frozen=True, gc=False):
    name: str
    arguments: Raw = ABSENT


class Call(msgspec.Struct, frozen=True, gc=False):
    function: Function
    id: str | None = None


class Message(msgspec.Struct, frozen=True):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Call] | None = None


class Chunk(msgspec.Struct, frozen=True):
    model: str | None = None
    created_at: str | None = None
    message: Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: Raw = ABSENT
    error: str | None = None


class Embedded(msgspec.Struct, frozen=True):
    embeddings: tuple[tuple[float, ...], ...]
    model: str = ""
    prompt_eval_count: int | None = None


_CHUNK = msgspec.json.Decoder(Chunk).decode
_EMBEDDED = msgspec.json.Decoder(Embedded).decode


class AnswerReader:
    """Turns chunks into events; a whole answer is one chunk."""

    __slots__ = ("_calls", "_kind", "_moment", "_part", "_started", "done")

    def __init__(self) -> None:
        self._started = False
        self._kind = ""
        self._part = -1
        self._calls = 0
        self._moment = ""
        self.done = False

    def read(self, data: bytes, events: list[Event]) -> None:
        try:
            chunk = _CHUNK(data)
        except _DECODE_ERRORS:
            raise malformed("an answer that is not in its dialect", data) from None
        if chunk.error is not None:
            raise broken_off(FaultKind.PROVIDER_ERROR, "error")
        if not self._started:
            self._started = True
            self._moment = "".join(filter(str.isdigit, (chunk.created_at or "")[:40]))
            events.append(AnswerStarted("", chunk.model or ""))
        message = chunk.message
        if message is not None:
            if message.thinking:
                events.append(ThinkingAdded(message.thinking, self._part_of("thinking")))
            if message.content:
                events.append(TextAdded(message.content, self._part_of("text")))
            for call in message.tool_calls or ():
                self._add_call(call, events)
        if present(chunk.logprobs) is not None:
            events.append(LogprobsAdded(Raw(b'{"content":' + bytes(chunk.logprobs) + b',"refusal":null}')))
        if chunk.done:
            self._finish(chunk, events)

    def _part_of(self, kind: str) -> int:
        if kind != self._kind:
            self._kind = kind
            self._part += 1
        return self._part

    def _add_call(self, call: Call, events: list[Event]) -> None:
        """Ollama gives a call whole, its arguments as an object, and older versions give it no id: then it gets one of the
        answer's moment, so that calls of several turns differ."""
        self._kind = ""
        self._part += 1
        ordinal, self._calls = self._calls, self._calls + 1
        call_id = call.id or f"call_{self._moment}_{ordinal}"
        events.append(ToolCallStarted(ordinal, call_id, call.function.name, self._part))
        arguments = bytes(call.function.arguments).decode(errors="replace")
        events.append(ToolArgumentsAdded(ordinal, arguments if present(call.function.arguments) else "{}", self._part))

    def _finish(self, chunk: Chunk, events: list[Event]) -> None:
        if chunk.done_reason in _NO_ANSWER:
            raise malformed("no answer: it only loaded the model")
        reason = STOP_REASONS.get(chunk.done_reason or "stop", StopReason.END)
        if reason is StopReason.END and self._calls:
            reason = StopReason.TOOL_CALLS
        events.append(ChoiceEnded(reason))
        if chunk.prompt_eval_count is not None and chunk.eval_count is not None:
            # Of a prompt that is cached whole, older versions leave the count out: then there is no usage, but an estimate.
            counted = Usage(input_tokens=max(0, chunk.prompt_eval_count), output_tokens=max(0, chunk.eval_count))
            events.append(UsageReported(counted))
        events.append(Finished())
        self.done = True


class CanonicalStream:
    """Decodes a stream: complete with the line that says `done`."""

    __slots__ = ("_cutter", "_reader")

    def __init__(self) -> None:
        self._cutter = LineCutter()
        self._reader = AnswerReader()

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for line in self._cutter.feed(data):
                if line.strip() and not self._reader.done:
                    self._reader.read(line, events)
        except Fault as fault:
            fault.read_before = events
            raise
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        rest = self._cutter.close()
        if rest.strip() and not self._reader.done:
            self._reader.read(rest, events)
        if not self._reader.done:
            raise cut_short()
        return events


class CanonicalWhole(WholeDecoder):
    """Decodes a whole answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        events: list[Event] = []
        reader = AnswerReader()
        reader.read(body, events)
        if not reader.done:
            raise cut_short()
        return events


class CanonicalEmbeddings(WholeDecoder):
    """Decodes the answer of `/api/embed`."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            answer = _EMBEDDED(body)
        except _DECODE_ERRORS:
            raise malformed("an answer that is not in its dialect", body) from None
        events: list[Event] = [EmbeddingsMade(answer.embeddings, answer.model)]
        if answer.prompt_eval_count is not None:
            events.append(UsageReported(Usage(input_tokens=max(0, answer.prompt_eval_count))))
        events.append(Finished())
        return events
