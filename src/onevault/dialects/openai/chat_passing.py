"""Watches an OpenAI chat answer go by untouched: usage, ends and errors are read, the bytes stay as they came."""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.events import ChoiceEnded, Event, Finished, Passed, StopReason, UsageReported
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai.usage import GroqExtra, OpenAIUsage, usage_of
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.sse import frame_data

DONE = b"[DONE]"

STOP_REASONS = {
    "stop": StopReason.END,
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "model_length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.CONTENT_FILTER,
}
"""A word that is not here (`eos`, …) is some server's way to say `stop`."""


class SeenFunction(msgspec.Struct, frozen=True, gc=False):
    arguments: str | None = None


class SeenCall(msgspec.Struct, frozen=True, gc=False):
    function: SeenFunction | None = None


class SeenContent(msgspec.Struct, frozen=True, gc=False):
    """A `delta` or `message`, only as far as it can be counted."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[SeenCall] | None = None


class SeenChoice(msgspec.Struct, frozen=True, gc=False):
    """One of a chat's choices, or of the older completions', which have a `text`."""

    index: int = 0
    delta: SeenContent | None = None
    message: SeenContent | None = None
    text: str | None = None
    finish_reason: str | None = None


class SeenAnswer(msgspec.Struct, frozen=True, gc=False):
    choices: list[SeenChoice] | None = None
    usage: OpenAIUsage | None = None
    service_tier: str | None = None
    x_groq: GroqExtra | None = None
    error: Any = None


_SEEN = msgspec.json.Decoder(SeenAnswer).decode


def _seen(data: bytes) -> SeenAnswer:
    try:
        seen = _SEEN(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed("an answer that is not in its dialect", data) from None
    if seen.error is not None:
        raise fault_in_stream(seen.error)
    return seen


def _text_bytes(text: str | None) -> int:
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _output_bytes(seen: SeenContent) -> int:
    content = seen.content
    counted = len(msgspec.json.encode(content)) if isinstance(content, list) else _text_bytes(content)
    if seen.reasoning_content or seen.reasoning or seen.refusal:
        counted += _text_bytes(seen.reasoning_content or seen.reasoning) + _text_bytes(seen.refusal)
    if seen.tool_calls:
        for call in seen.tool_calls:
            if call.function is not None:
                counted += _text_bytes(call.function.arguments)
    return counted


def _ended(choice: SeenChoice) -> ChoiceEnded:
    return ChoiceEnded(STOP_REASONS.get(choice.finish_reason or "stop", StopReason.END), None, choice.index)


class PassingStream(StreamDecoder):
    """Passes a stream. The chunk with the usage alone is held back where the caller did not ask for it.

    `[DONE]` ends the stream. Some compatible servers leave it out: their stream is complete if it ends between two frames, every
    choice that appeared has its finish_reason, and there are as many as were asked for.
    """

    __slots__ = ("_choices_asked", "_ended", "_open", "_usage_asked")

    def __init__(self, *, usage_asked: bool, choices_asked: int) -> None:
        super().__init__()
        self._usage_asked = usage_asked
        self._choices_asked = choices_asked
        self._open: set[int] = set()
        self._ended: set[int] = set()

    def unterminated(self, events: list[Event]) -> None:
        if self._open or len(self._ended) < self._choices_asked:
            raise cut_short()
        events.append(Finished())

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None:
            events.append(Passed(frame))
            return
        if data.startswith(DONE):
            if not self._ended and not self._open:
                raise cut_short()  # an end of nothing
            self._done = True
            events.append(Finished(frame))
            return
        seen = _seen(data)
        choices = seen.choices
        if not choices:
            if seen.usage is None or self._usage_asked:
                events.append(Passed(frame))
            if seen.usage is not None:
                events.append(UsageReported(usage_of(seen.usage, seen.service_tier)))
            return
        output_bytes = 0
        ended: list[Event] = []
        for choice in choices:
            if choice.delta is not None:
                output_bytes += _output_bytes(choice.delta)
            elif choice.text is not None:
                output_bytes += _text_bytes(choice.text)
            if choice.finish_reason:
                self._open.discard(choice.index)
                if choice.index not in self._ended:
                    self._ended.add(choice.index)
                    ended.append(_ended(choice))
            elif choice.index not in self._ended:
                self._open.add(choice.index)
        events.append(Passed(frame, output_bytes))
        events += ended
        if seen.usage is not None:
            events.append(UsageReported(usage_of(seen.usage, seen.service_tier)))
        elif seen.x_groq is not None and seen.x_groq.usage is not None:
            events.append(UsageReported(usage_of(seen.x_groq.usage, seen.service_tier)))


class PassingWhole(WholeDecoder):
    """Passes a whole answer once it has come and is one."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        seen = _seen(body)
        if seen.choices is None:
            raise malformed("an answer without choices", body)
        output_bytes = 0
        events: list[Event] = []
        for choice in seen.choices:
            if choice.message is not None:
                output_bytes += _output_bytes(choice.message)
            elif choice.text is not None:
                output_bytes += _text_bytes(choice.text)
            events.append(_ended(choice))
        events.insert(0, Passed(body, output_bytes))
        if seen.usage is not None:
            events.append(UsageReported(usage_of(seen.usage, seen.service_tier)))
        events.append(Finished())
        return events
