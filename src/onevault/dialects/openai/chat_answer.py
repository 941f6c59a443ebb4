"""Decodes an OpenAI chat answer, whole or streamed, into events that every dialect can write.

A whole answer is one chunk whose `message` is the `delta`, so the two go the same way.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Event,
    Finished,
    LogprobsAdded,
    RefusalAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.dialects.openai.chat_passing import DONE, STOP_REASONS
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai.names import OPENAI_CHAT
from onevault.dialects.openai.usage import GroqExtra, OpenAIUsage, usage_of
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import ABSENT, present
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.sse import frame_data


class FunctionDelta(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | None = None


class CallDelta(msgspec.Struct, frozen=True, gc=False):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None


class ThinkingBlock(msgspec.Struct, frozen=True, gc=False):
    type: str
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class Delta(msgspec.Struct, frozen=True, gc=False):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None
    annotations: list[Raw] | None = None
    audio: Any = None


class Choice(msgspec.Struct, frozen=True, gc=False):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    logprobs: Raw = ABSENT


class Chunk(msgspec.Struct, frozen=True, gc=False):
    id: str | None = None
    model: str | None = None
    created: float | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    choices: list[Choice] | None = None
    usage: OpenAIUsage | None = None
    x_groq: GroqExtra | None = None
    error: Any = None


_CHUNK = msgspec.json.Decoder(Chunk).decode
_FAILED = frozenset({"error", "insufficient_system_resource"})


class _Call:
    """A tool call under way; it starts for the reader when its name is known."""

    __slots__ = ("held", "id", "name", "ordinal", "part")

    def __init__(self, *, id: str, ordinal: int, part: int) -> None:
        self.id = id
        self.name = ""
        self.ordinal = ordinal
        self.part = part
        self.held = ""


class _ChoiceState:
    """Where one choice stands: which block is being written, which calls there are, how it ended."""

    __slots__ = ("by_index", "calls", "index", "kind", "part", "reason", "refused")

    def __init__(self, index: int) -> None:
        self.index = index
        self.part = -1
        self.kind = ""
        self.calls: list[_Call] = []
        self.by_index: dict[int, _Call] = {}
        self.reason: str | None = None
        self.refused = False

    def part_of(self, kind: str) -> int:
        """The ordinal of the block that text of this kind goes to: a change of kind begins another."""
        if kind != self.kind:
            self.kind = kind
            self.part += 1
        return self.part

    def call_of(self, delta: CallDelta, answer_id: str) -> _Call:
        """The call that a delta belongs to. Servers leave out `index`, or `id`, or give every call the index 0."""
        known = self.by_index.get(delta.index) if delta.index is not None else None
        if delta.index is None and not delta.id and self.calls:
            known = self.calls[-1]
        if delta.index is None and delta.id:
            known = next((call for call in self.calls if call.id == delta.id), None)
        if known is not None and (not delta.id or delta.id == known.id):
            return known
        ordinal = len(self.calls)
        call = _Call(id=delta.id or f"call_{answer_id}_{self.index}_{ordinal}", ordinal=ordinal, part=self.part + 1)
        self.part += 1
        self.kind = "call"
        self.calls.append(call)
        if delta.index is not None:
            self.by_index[delta.index] = call
        return call


class AnswerReader:
    """Turns chunks into events. A choice's end is told with the last frame: its usage comes after it anyway, and servers that
    finish with `stop` after calling tools are put right."""

    __slots__ = ("_choices", "_started")

    def __init__(self) -> None:
        self._choices: dict[int, _ChoiceState] = {}
        self._started = ""

    @property
    def complete(self) -> bool:
        """Whether every choice that appeared has ended."""
        return bool(self._choices) and all(state.reason is not None for state in self._choices.values())

    def read(self, data: bytes, events: list[Event]) -> None:
        try:
            chunk = _CHUNK(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", data) from None
        if chunk.error is not None:
            raise fault_in_stream(chunk.error)
        if not self._started and (chunk.choices or chunk.id):
            self._started = chunk.id or "answer"
            events.append(
                AnswerStarted(
                    id=chunk.id or "",
                    model=chunk.model or "",
                    created_s=None if chunk.created is None else int(chunk.created),
                    service_tier=chunk.service_tier,
                    fingerprint=chunk.system_fingerprint,
                )
            )
        for choice in chunk.choices or ():
            state = self._choices.get(choice.index)
            if state is None:
                state = self._choices[choice.index] = _ChoiceState(choice.index)
            delta = choice.delta or choice.message
            if delta is not None:
                self._read_delta(delta, state, events)
            if present(choice.logprobs) is not None:
                events.append(LogprobsAdded(choice.logprobs, choice.index))
            if choice.finish_reason:
                if choice.finish_reason in _FAILED:
                    raise malformed("an answer that failed on the way", data)
                state.reason = choice.finish_reason
        usage = chunk.usage or (chunk.x_groq.usage if chunk.x_groq is not None else None)
        if usage is not None:
            events.append(UsageReported(usage_of(usage)))

    def _read_delta(self, delta: Delta, state: _ChoiceState, events: list[Event]) -> None:
        thought = delta.reasoning_content or delta.reasoning
        if delta.thinking_blocks:
            for block in delta.thinking_blocks:
                self._read_thinking_block(block, state, events)
        elif thought:
            events.append(ThinkingAdded(thought, state.part_of("thinking"), state.index))
        content = delta.content
        if content:
            if isinstance(content, str):
                events.append(TextAdded(content, state.part_of("text"), state.index))
            else:
                self._read_parts(content, state, events)
        if delta.refusal:
            state.refused = True
            events.append(RefusalAdded(delta.refusal, state.part_of("refusal"), state.index))
        if delta.annotations:
            part = state.part_of("text")
            events += [CitationAdded(OPENAI_CHAT, raw, part, state.index) for raw in delta.annotations]
        for call in delta.tool_calls or ():
            self._read_call(call, state, events)
        if delta.function_call is not None or delta.audio is not None:
            raise malformed("content that the caller's dialect cannot carry")

    def _read_parts(self, content: list[Any], state: _ChoiceState, events: list[Event]) -> None:
        """Content as parts, as Mistral writes it when its models think."""
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text" and isinstance(part.get("text"), str):
                events.append(TextAdded(part["text"], state.part_of("text"), state.index))
            elif kind == "thinking" and isinstance(part.get("thinking"), list):
                for inner in part["thinking"]:
                    text = inner.get("text") if isinstance(inner, dict) else None
                    if isinstance(text, str) and text:
                        events.append(ThinkingAdded(text, state.part_of("thinking"), state.index))
            else:
                raise malformed("content that the caller's dialect cannot carry")

    def _read_thinking_block(self, block: ThinkingBlock, state: _ChoiceState, events: list[Event]) -> None:
        if block.type == "redacted_thinking":
            state.kind = ""
            events.append(ThinkingRedacted(block.data or "", state.part_of("redacted"), state.index))
            return
        if block.thinking:
            events.append(ThinkingAdded(block.thinking, state.part_of("thinking"), state.index))
        if block.signature:
            events.append(ThinkingSigned(block.signature, state.part_of("thinking"), state.index))
            state.kind = ""  # a block ends with its signature

    def _read_call(self, delta: CallDelta, state: _ChoiceState, events: list[Event]) -> None:
        if delta.type not in (None, "", "function"):
            raise malformed("a kind of tool call that the caller's dialect cannot carry")
        call = state.call_of(delta, self._started)
        function = delta.function
        if function is None:
            return
        arguments = function.arguments or ""
        if not call.name:
            if not function.name:
                call.held += arguments
                return
            call.name = function.name
            events.append(ToolCallStarted(call.ordinal, call.id, call.name, call.part, state.index))
            arguments = call.held + arguments
        if arguments:
            events.append(ToolArgumentsAdded(call.ordinal, arguments, call.part, state.index))

    def finish(self, events: list[Event]) -> None:
        """The ends of all choices. Raises Fault PROVIDER_ERROR if one has none, or there is no choice."""
        if not self.complete:
            raise cut_short()
        for state in self._choices.values():
            if any(not call.name for call in state.calls):
                raise malformed("a tool call without a name")
            reason = STOP_REASONS.get(state.reason or "", StopReason.END)
            if reason is StopReason.END:
                reason = (
                    StopReason.TOOL_CALLS if state.calls else StopReason.REFUSAL if state.refused else StopReason.END
                )
            events.append(ChoiceEnded(reason, None, state.index))


class CanonicalStream(StreamDecoder):
    """Decodes a stream. As for a passed one, `[DONE]` may be missing if every choice has ended between two frames."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        super().__init__()
        self._reader = AnswerReader()

    def unterminated(self, events: list[Event]) -> None:
        self._finish(events)

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None:
            return
        if data.startswith(DONE):
            self._finish(events)
            return
        self._reader.read(data, events)

    def _finish(self, events: list[Event]) -> None:
        self._reader.finish(events)
        events.append(Finished())
        self._done = True


class CanonicalWhole(WholeDecoder):
    """Decodes a whole answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        events: list[Event] = []
        reader = AnswerReader()
        reader.read(body, events)
        reader.finish(events)
        events.append(Finished())
        return events
