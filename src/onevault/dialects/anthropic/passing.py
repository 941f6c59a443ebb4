"""Watches an Anthropic answer go by untouched: usage, ends and errors are read, the bytes stay as they came."""

from __future__ import annotations

import msgspec

from onevault.core.events import ChoiceEnded, Event, Finished, Passed, StopReason, TokensCounted, UsageReported
from onevault.core.usage import NO_USAGE
from onevault.dialects.anthropic.faults import fault_in_stream
from onevault.dialects.anthropic.usage import AnthropicUsage, updated, usage_of
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import ABSENT
from onevault.dialects.wire.provider_faults import malformed
from onevault.dialects.wire.sse import frame_data

STOP_REASONS = {
    "end_turn": StopReason.END,
    "max_tokens": StopReason.LENGTH,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "tool_use": StopReason.TOOL_CALLS,
    "pause_turn": StopReason.PAUSE,
    "refusal": StopReason.REFUSAL,
    "model_context_window_exceeded": StopReason.CONTEXT_LENGTH,
}


class SeenDelta(msgspec.Struct, frozen=True, gc=False):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class SeenMessage(msgspec.Struct, frozen=True, gc=False):
    usage: AnthropicUsage | None = None


class SeenEvent(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    delta: SeenDelta | None = None
    message: SeenMessage | None = None
    usage: AnthropicUsage | None = None


class SeenBlock(msgspec.Struct, frozen=True, gc=False):
    type: str
    text: str | None = None
    thinking: str | None = None
    input: msgspec.Raw = ABSENT


class SeenAnswer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer; `content` is missing in an error document and in what is no message."""

    type: str = ""
    content: list[SeenBlock] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: AnthropicUsage | None = None


class Counted(msgspec.Struct, frozen=True, gc=False):
    input_tokens: int | None = None
    type: str = ""


_EVENT = msgspec.json.Decoder(SeenEvent).decode
_ANSWER = msgspec.json.Decoder(SeenAnswer).decode
_COUNTED = msgspec.json.Decoder(Counted).decode


def _text_bytes(text: str | None) -> int:
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


class PassingStream(StreamDecoder):
    """Passes a stream, which `message_stop` ends."""

    __slots__ = ("_ended", "_usage")

    def __init__(self) -> None:
        super().__init__()
        self._usage: AnthropicUsage | None = None
        self._ended = False

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None:
            events.append(Passed(frame))
            return
        try:
            seen = _EVENT(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an event that is not in its dialect", data) from None
        kind, delta = seen.type, seen.delta
        if kind == "content_block_delta" and delta is not None:
            written = delta.text or delta.thinking or delta.partial_json
            events.append(Passed(frame, _text_bytes(written)))
            return
        if kind == "message_stop":
            self._done = True
            events.append(Finished(frame))
            return
        if kind == "error":
            raise fault_in_stream(data)
        events.append(Passed(frame))
        if kind == "message_start" and seen.message is not None and seen.message.usage is not None:
            self._report(seen.message.usage, events)
        elif kind == "message_delta":
            if seen.usage is not None:
                self._report(seen.usage, events)
            if delta is not None and delta.stop_reason and not self._ended:
                self._ended = True
                reason = STOP_REASONS.get(delta.stop_reason, StopReason.END)
                events.append(ChoiceEnded(reason, delta.stop_sequence))

    def _report(self, usage: AnthropicUsage, events: list[Event]) -> None:
        self._usage = updated(self._usage, usage)
        events.append(UsageReported(usage_of(self._usage)))


class PassingWhole(WholeDecoder):
    """Passes a whole answer once it has come and is one."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            seen = _ANSWER(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
        if seen.type == "error":
            raise fault_in_stream(body)
        if seen.content is None:
            raise malformed("an answer without content", body)
        output_bytes = 0
        for block in seen.content:
            output_bytes += _text_bytes(block.text) + _text_bytes(block.thinking)
            output_bytes += len(block.input)
        events: list[Event] = [Passed(body, output_bytes)]
        reason = STOP_REASONS.get(seen.stop_reason or "end_turn", StopReason.END)
        events.append(ChoiceEnded(reason, seen.stop_sequence))
        if seen.usage is not None:
            events.append(UsageReported(usage_of(seen.usage)))
        events.append(Finished())
        return events


class PassingCount(WholeDecoder):
    """Passes the answer of count_tokens. Counting costs nothing, so no usage is reported but none."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        _count(body)
        return [Passed(body), UsageReported(NO_USAGE), Finished()]


class CanonicalCount(WholeDecoder):
    """The answer of count_tokens for callers of another dialect."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        return [TokensCounted(_count(body)), UsageReported(NO_USAGE), Finished()]


def _count(body: bytes) -> int:
    try:
        counted = _COUNTED(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed("an answer that is not in its dialect", body) from None
    if counted.type == "error":
        raise fault_in_stream(body)
    if counted.input_tokens is None:
        raise malformed("an answer without a count", body)
    return counted.input_tokens
