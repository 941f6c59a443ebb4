"""Watches a Gemini answer go by untouched: usage, ends and errors are read, the bytes stay as they came."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import ChoiceEnded, Event, Finished, Passed, StopReason, TokensCounted, UsageReported
from onevault.core.usage import NO_USAGE
from onevault.dialects.gemini.faults import fault_in_stream
from onevault.dialects.gemini.finish import stop_reason_of
from onevault.dialects.gemini.searches import SearchCounter
from onevault.dialects.gemini.usage import GeminiUsage, usage_of
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import ABSENT
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.sse import frame_data


class SeenPart(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A part, only as far as it can be counted."""

    text: str | None = None
    function_call: Raw = ABSENT
    executable_code: Raw = ABSENT


class SeenContent(msgspec.Struct, frozen=True, gc=False):
    parts: list[SeenPart] | None = None


class SeenGrounding(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    web_search_queries: list[str] | None = None


class SeenCandidate(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    index: int = 0
    content: SeenContent | None = None
    finish_reason: str | None = None
    grounding_metadata: SeenGrounding | None = None


class PromptFeedback(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    block_reason: str | None = None


class SeenAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    candidates: list[SeenCandidate] | None = None
    usage_metadata: GeminiUsage | None = None
    prompt_feedback: PromptFeedback | None = None
    error: Any = None


class Counted(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    total_tokens: int | None = None
    error: Any = None


_SEEN = msgspec.json.Decoder(SeenAnswer).decode
_COUNTED = msgspec.json.Decoder(Counted).decode
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class AnswerWatch:
    """What was seen of one answer so far."""

    __slots__ = ("_called", "_ended", "_open", "_searches", "_usage")

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._ended: set[int] = set()
        self._called: set[int] = set()
        self._searches = SearchCounter()
        self._usage: GeminiUsage | None = None

    @property
    def complete(self) -> bool:
        return bool(self._ended) and not self._open

    def see(self, data: bytes, events: list[Event]) -> int:
        """Adds ends and usage of one object of the answer; gives back how much text it generated, in bytes."""
        try:
            seen = _SEEN(data)
        except NOT_JSON:
            raise malformed("an answer that is not in its dialect", data) from None
        if seen.error is not None:
            raise fault_in_stream(seen.error)
        output_bytes = 0
        found = False
        for candidate in seen.candidates or ():
            if candidate.content is not None:
                for part in candidate.content.parts or ():
                    output_bytes += _text_bytes(part.text) + len(part.function_call) + len(part.executable_code)
                    if part.function_call:
                        self._called.add(candidate.index)
            if candidate.grounding_metadata is not None and candidate.grounding_metadata.web_search_queries:
                found |= self._searches.add(candidate.grounding_metadata.web_search_queries)
            if candidate.finish_reason:
                reason = stop_reason_of(candidate.finish_reason, called=candidate.index in self._called)
                self._end(candidate.index, reason, events)
            elif candidate.index not in self._ended:
                self._open.add(candidate.index)
        if seen.prompt_feedback is not None and seen.prompt_feedback.block_reason and not seen.candidates:
            self._end(0, StopReason.CONTENT_FILTER, events)
        if seen.usage_metadata is not None:
            self._usage = seen.usage_metadata
        if self._usage is not None and (found or seen.usage_metadata is not None):
            events.append(UsageReported(usage_of(self._usage, searches=self._searches.count)))
        return output_bytes

    def _end(self, index: int, reason: StopReason, events: list[Event]) -> None:
        self._open.discard(index)
        if index not in self._ended:
            self._ended.add(index)
            events.append(ChoiceEnded(reason, None, index))


def _text_bytes(text: str | None) -> int:
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


class PassingStream(StreamDecoder):
    """Passes a stream. The protocol has no terminator: it is complete if every candidate that appeared has its finish reason
    when it ends between two events. To a caller who wants an array, each event's data is an entry of it."""

    __slots__ = ("_array", "_begun", "_watch")

    def __init__(self, *, array: bool) -> None:
        super().__init__()
        self._array = array
        self._begun = False
        self._watch = AnswerWatch()

    def unterminated(self, events: list[Event]) -> None:
        if not self._watch.complete:
            raise cut_short()
        events.append(Finished(b"]" if self._array else b""))

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None:
            if not self._array:
                events.append(Passed(frame))
            return
        seen: list[Event] = []
        output_bytes = self._watch.see(data, seen)
        if self._array:
            frame = (b",\r\n" if self._begun else b"[") + data
            self._begun = True
        events.append(Passed(frame, output_bytes))
        events += seen


class PassingWhole(WholeDecoder):
    """Passes a whole answer once it has come and is one."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        watch = AnswerWatch()
        events: list[Event] = []
        output_bytes = watch.see(body, events)
        if not watch.complete:
            raise malformed("an answer without candidates that ended", body)
        return [Passed(body, output_bytes), *events, Finished()]


class PassingCount(WholeDecoder):
    """Passes the answer of countTokens. Counting costs nothing, so no usage is reported but none."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        count_in(body)
        return [Passed(body), UsageReported(NO_USAGE), Finished()]


class CanonicalCount(WholeDecoder):
    """The answer of countTokens for callers of another dialect."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        return [TokensCounted(count_in(body)), UsageReported(NO_USAGE), Finished()]


def count_in(body: bytes) -> int:
    try:
        counted = _COUNTED(body)
    except NOT_JSON:
        raise malformed("an answer that is not in its dialect", body) from None
    if counted.error is not None:
        raise fault_in_stream(counted.error)
    if counted.total_tokens is None or counted.total_tokens < 0:
        raise malformed("an answer without a count", body)
    return counted.total_tokens
