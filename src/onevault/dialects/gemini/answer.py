"""Decodes a Gemini answer, whole or streamed, into events that every dialect can write.

A whole answer is a stream of one object, so the two go the same way. The protocol has no terminator: an answer is complete if every
candidate that appeared has its finish reason when the bytes end. A prompt that Google blocks is a fault, as it is at other providers.

A signature is a block of its own: before the function call, image or code that it came with, and after a text, whose end it comes with.
"""

from __future__ import annotations

import re
import zlib

import msgspec
from msgspec import Raw

from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    Event,
    Finished,
    LogprobsAdded,
    MediaAdded,
    OpaqueAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import FaultKind
from onevault.dialects.gemini.answer_body import Answer, Candidate, FunctionCall, Part
from onevault.dialects.gemini.faults import fault_in_stream
from onevault.dialects.gemini.finish import stop_reason_of
from onevault.dialects.gemini.grounding import SUPPORTS_MAX, citations_of, grounding_of
from onevault.dialects.gemini.logprobs import openai_logprobs
from onevault.dialects.gemini.names import GEMINI
from onevault.dialects.gemini.passing import NOT_JSON
from onevault.dialects.gemini.searches import SearchCounter
from onevault.dialects.gemini.usage import GeminiUsage, usage_of
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import present
from onevault.dialects.wire.provider_faults import broken_off, cut_short, malformed
from onevault.dialects.wire.sse import frame_data

CITED_TEXT_LENGTH_MAX = 4 << 20
"""Characters of a text that are kept so that places in it can be found."""


_ANSWER = msgspec.json.Decoder(Answer).decode
_PART = msgspec.json.Decoder(Part).decode
_FIELDS = msgspec.json.Decoder(dict[str, Raw]).decode
_NO_DATA = frozenset({"thought", "thoughtSignature", "text", "partMetadata"})
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_ID_LENGTH_MAX = 40


class _ChoiceState:
    """Where one candidate stands: which block is being written, its calls, its text, how it ended."""

    __slots__ = ("calls", "index", "kept", "kind", "part", "reason", "said", "text", "text_part")

    def __init__(self, index: int) -> None:
        self.index = index
        self.part = -1
        self.kind = ""
        self.calls = 0
        self.reason: str | None = None
        self.text: list[str] = []
        self.kept = 0
        self.text_part = 0
        self.said: set[bytes] = set()

    def part_of(self, kind: str) -> int:
        """The ordinal of the block that this goes to: a change of kind begins another; only text and thoughts go on."""
        if kind != self.kind or kind not in ("text", "thought"):
            self.kind = kind
            self.part += 1
            if kind == "text":
                self.text, self.kept = [], 0
                self.text_part = self.part
        return self.part

    def keep(self, text: str) -> None:
        if self.kept <= CITED_TEXT_LENGTH_MAX:
            self.text.append(text)
            self.kept += len(text)

    def is_new(self, raw: Raw) -> bool:
        """Whether this was not said of the text before."""
        said = bytes(raw)
        if said in self.said or len(self.said) >= SUPPORTS_MAX:
            return False
        self.said.add(said)
        return True


class AnswerReader:
    """Turns the objects of an answer into events."""

    __slots__ = ("_choices", "_id", "_searches", "_usage")

    def __init__(self) -> None:
        self._choices: dict[int, _ChoiceState] = {}
        self._id: str | None = None
        self._searches = SearchCounter()
        self._usage: GeminiUsage | None = None

    def read(self, data: bytes, events: list[Event]) -> None:
        try:
            self._read(_ANSWER(data), events)
        except NOT_JSON:
            raise malformed("an answer that is not in its dialect", data) from None

    def _read(self, answer: Answer, events: list[Event]) -> None:
        if answer.error is not None:
            raise fault_in_stream(answer.error)
        if not answer.candidates and answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            raise broken_off(FaultKind.SAFETY_VIOLATION, answer.prompt_feedback.block_reason)
        usage = answer.usage_metadata
        if self._id is None:
            self._id = answer.response_id or ""
            tier = usage.tier if usage is not None else None
            events.append(AnswerStarted(id=self._id, model=answer.model_version or "", service_tier=tier))
        found = False
        for candidate in answer.candidates or ():
            state = self._choices.get(candidate.index)
            if state is None:
                state = self._choices[candidate.index] = _ChoiceState(candidate.index)
            if candidate.content is not None:
                for raw in candidate.content.parts or ():
                    self._read_part(raw, state, events)
            found |= self._read_about(candidate, state, events)
            if candidate.finish_reason:
                state.reason = candidate.finish_reason
        if usage is not None:
            self._usage = usage
        if self._usage is not None and (found or usage is not None):
            events.append(UsageReported(usage_of(self._usage, searches=self._searches.count)))

    def _read_part(self, raw: Raw, state: _ChoiceState, events: list[Event]) -> None:
        part = _PART(raw)
        if part.text is not None:
            if part.text:
                if part.thought:
                    events.append(ThinkingAdded(part.text, state.part_of("thought"), state.index))
                else:
                    events.append(TextAdded(part.text, state.part_of("text"), state.index))
                    state.keep(part.text)
            if part.thought_signature:
                kind = "thought" if part.thought and state.kind == "thought" else "signature"
                self._sign(part.thought_signature, kind, state, events)
        elif part.function_call is not None:
            if part.thought_signature:
                self._sign(part.thought_signature, "signature", state, events)
            self._read_call(part.function_call, state, events)
        elif not part.thought and (part.inline_data is not None or part.file_data is not None):
            if part.thought_signature:
                self._sign(part.thought_signature, "signature", state, events)
            self._read_media(part, state, events)
        else:
            self._read_opaque(raw, part, state, events)

    def _sign(self, signature: str, kind: str, state: _ChoiceState, events: list[Event]) -> None:
        events.append(ThinkingSigned(signature, state.part_of(kind), state.index, GEMINI))
        state.kind = "signature"  # a block ends with its signature

    def _read_call(self, call: FunctionCall, state: _ChoiceState, events: list[Event]) -> None:
        ordinal, part = state.calls, state.part_of("call")
        state.calls += 1
        args = present(call.args)
        arguments = "{}" if args is None else bytes(args).decode()
        id = call.id or self._call_id(call.name, arguments, state.index, ordinal)
        events.append(ToolCallStarted(ordinal, id, call.name, part, state.index))
        events.append(ToolArgumentsAdded(ordinal, arguments, part, state.index))

    def _call_id(self, name: str, arguments: str, choice: int, ordinal: int) -> str:
        """The same at every reading of the answer, and another in every other answer."""
        answer = _NOT_IN_IDS.sub("", self._id or "")[:_ID_LENGTH_MAX]
        if not answer:
            answer = f"{zlib.crc32(f'{name}{arguments}'.encode(errors='replace')):08x}"
        return f"call_{answer}_{choice}_{ordinal}"

    def _read_media(self, part: Part, state: _ChoiceState, events: list[Event]) -> None:
        at = state.part_of("media")
        if part.inline_data is not None:
            blob = part.inline_data
            events.append(MediaAdded(blob.mime_type, blob.data, part=at, choice=state.index))
        elif part.file_data is not None:
            file = part.file_data
            events.append(MediaAdded(file.mime_type, url=file.file_uri, part=at, choice=state.index))

    def _read_opaque(self, raw: Raw, part: Part, state: _ChoiceState, events: list[Event]) -> None:
        kind = next((name for name in _FIELDS(raw) if name not in _NO_DATA), None)
        if kind is not None:
            events.append(OpaqueAdded(GEMINI, kind, raw, state.part_of("opaque"), state.index))
        elif part.thought_signature:
            self._sign(part.thought_signature, "signature", state, events)

    def _read_about(self, candidate: Candidate, state: _ChoiceState, events: list[Event]) -> bool:
        """What is said about the text; a stream says it again with every piece. Whether there were new searches."""
        found = False
        grounding = present(candidate.grounding_metadata)
        if grounding is not None and bytes(grounding) != b"{}" and state.is_new(grounding):
            citations, queries = grounding_of(grounding, "".join(state.text), state.text_part, state.index)
            events += [event for event in citations if state.is_new(event.raw)]
            found = self._searches.add(queries)
        recited = present(candidate.citation_metadata)
        if recited is not None and state.is_new(recited):
            citations = citations_of(recited, "".join(state.text), state.text_part, state.index)
            events += [event for event in citations if state.is_new(event.raw)]
        if present(candidate.logprobs_result) is not None:
            logprobs = openai_logprobs(candidate.logprobs_result)
            if logprobs is not None:
                events.append(LogprobsAdded(logprobs, state.index))
        return found

    def finish(self, events: list[Event]) -> None:
        """The ends of all choices. Raises Fault PROVIDER_ERROR if one has none, or there is no choice."""
        if not self._choices or any(state.reason is None for state in self._choices.values()):
            raise cut_short()
        for state in self._choices.values():
            reason = stop_reason_of(state.reason or "", called=state.calls > 0)
            events.append(ChoiceEnded(reason, None, state.index))
        events.append(Finished())


class CanonicalStream(StreamDecoder):
    """Decodes a stream of server-sent events."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        super().__init__()
        self._reader = AnswerReader()

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is not None:
            self._reader.read(data, events)

    def unterminated(self, events: list[Event]) -> None:
        self._reader.finish(events)


class CanonicalWhole(WholeDecoder):
    """Decodes a whole answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        events: list[Event] = []
        reader = AnswerReader()
        reader.read(body, events)
        reader.finish(events)
        return events
