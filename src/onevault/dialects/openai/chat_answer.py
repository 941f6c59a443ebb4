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
    Cited,
    Event,
    Finished,
    LogprobsAdded,
    MediaAdded,
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
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.openai.chat_chunk import (
    AnnotationIn,
    AudioMade,
    CallDelta,
    ChoiceState,
    Chunk,
    Delta,
    ImageMade,
    ThinkingBlock,
)
from onevault.dialects.openai.chat_passing import DONE, STOP_REASONS
from onevault.dialects.openai.chat_signatures import GEMINI, google_signature, reasoning_details
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai.names import OPENAI_CHAT
from onevault.dialects.openai.usage import usage_of
from onevault.dialects.wire.data_url import audio_type, split_data_url
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import present
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.signatures import untagged
from onevault.dialects.wire.sse import frame_data

_CHUNK = msgspec.json.Decoder(Chunk).decode
_ANNOTATION = msgspec.json.Decoder(AnnotationIn)
_FAILED = frozenset({"error", "insufficient_system_resource"})


class AnswerReader:
    """Turns chunks into events. A choice's end is told with the last frame: its usage comes after it anyway, and servers that
    finish with `stop` after calling tools are put right."""

    __slots__ = ("_choices", "_started")

    def __init__(self) -> None:
        self._choices: dict[int, ChoiceState] = {}
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
                state = self._choices[choice.index] = ChoiceState(choice.index)
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
            events.append(UsageReported(usage_of(usage, chunk.service_tier)))

    def _read_delta(self, delta: Delta, state: ChoiceState, events: list[Event]) -> None:
        thought = delta.reasoning_content or delta.reasoning
        if delta.thinking_blocks:
            for block in delta.thinking_blocks:
                self._read_thinking_block(block, state, events)
        elif thought:
            events.append(ThinkingAdded(thought, state.part_of("thinking"), state.index))
        if delta.reasoning_details:
            self._read_details(delta, state, events)
        content = delta.content
        if content:
            if isinstance(content, str):
                events.append(TextAdded(content, state.part_of("text"), state.index))
                state.length += len(content)
            else:
                self._read_parts(content, state, events)
        if delta.refusal:
            state.refused = True
            events.append(RefusalAdded(delta.refusal, state.part_of("refusal"), state.index))
        if delta.annotations:
            part = state.part_of("text")
            events += [
                CitationAdded(OPENAI_CHAT, raw, part, state.index, _cited(raw, state.began))
                for raw in delta.annotations
            ]
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._read_call(call, state, events)
        if delta.function_call is not None:  # the older interface: one call, without an id
            self._read_call(CallDelta(index=-1, function=delta.function_call), state, events)
        if delta.images:
            events += [_image(made, state) for made in delta.images]
        if delta.audio is not None:
            events.append(_audio(delta.audio, state))
        if delta.extra_content:
            signature = google_signature(delta.extra_content)
            if signature is not None:
                events.append(ThinkingSigned(signature, state.alone(), state.index, GEMINI))

    def _read_parts(self, content: list[Any], state: ChoiceState, events: list[Event]) -> None:
        """Content as parts, as Mistral writes it when its models think or refer to sources."""
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text" and isinstance(part.get("text"), str):
                events.append(TextAdded(part["text"], state.part_of("text"), state.index))
                state.length += len(part["text"])
            elif kind == "thinking" and isinstance(part.get("thinking"), list):
                for inner in part["thinking"]:
                    text = inner.get("text") if isinstance(inner, dict) else None
                    if isinstance(text, str) and text:
                        events.append(ThinkingAdded(text, state.part_of("thinking"), state.index))
            elif kind == "reference":
                raw = Raw(msgspec.json.encode(part))
                events.append(CitationAdded(OPENAI_CHAT, raw, state.part_of("text"), state.index))
            else:
                raise malformed("content that the caller's dialect cannot carry")

    def _read_thinking_block(self, block: ThinkingBlock, state: ChoiceState, events: list[Event]) -> None:
        if block.type == "redacted_thinking":
            data, by = untagged(block.data or "", ANTHROPIC_MESSAGES)
            events.append(ThinkingRedacted(data, state.alone(), state.index, by))
            return
        if block.thinking:
            events.append(ThinkingAdded(block.thinking, state.part_of("thinking"), state.index))
        if block.signature:
            signature, by = untagged(block.signature, ANTHROPIC_MESSAGES)
            events.append(ThinkingSigned(signature, state.part_of("thinking"), state.index, by))
            state.kind = ""  # a block ends with its signature

    def _read_details(self, delta: Delta, state: ChoiceState, events: list[Event]) -> None:
        """OpenRouter's details: their text came as `reasoning`, if that is there; the rest is signatures and what is encrypted."""
        for detail in reasoning_details(delta.reasoning_details):
            text = detail.text or detail.summary
            if text and not (delta.reasoning or delta.reasoning_content or delta.thinking_blocks):
                events.append(ThinkingAdded(text, state.part_of("thinking"), state.index))
            if detail.type == "reasoning.encrypted" and detail.data:
                if detail.by == GEMINI:
                    events.append(ThinkingSigned(detail.data, state.alone(), state.index, GEMINI))
                else:
                    events.append(ThinkingRedacted(detail.data, state.alone(), state.index, detail.by))
                state.kind = ""
            elif detail.signature and not delta.thinking_blocks:
                events.append(ThinkingSigned(detail.signature, state.part_of("thinking"), state.index, detail.by))
                state.kind = ""

    def _read_call(self, delta: CallDelta, state: ChoiceState, events: list[Event]) -> None:
        if delta.type not in (None, "", "function"):
            raise malformed("a kind of tool call that the caller's dialect cannot carry")
        signature = google_signature(delta.extra_content) if delta.extra_content else None
        call = state.call_of(delta, self._started, signed=signature is not None)
        if signature is not None and not call.name:
            events.append(ThinkingSigned(signature, call.part - 1, state.index, GEMINI))
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


def _cited(raw: Raw, began: int) -> Cited | None:
    """A page cited: OpenAI counts characters of the whole answer, here they are those of the block that `began` there."""
    try:
        page = _ANNOTATION.decode(raw).url_citation
    except msgspec.DecodeError:
        return None
    if page is None or page.url is None:
        return None
    start, end = page.start_index, page.end_index
    if start is None or end is None or not began <= start <= end:
        return Cited(url=page.url, title=page.title)
    return Cited(url=page.url, title=page.title, start=start - began, end=end - began)


def _image(made: ImageMade, state: ChoiceState) -> MediaAdded:
    url = made.image_url.url if made.image_url is not None else ""
    data = split_data_url(url)
    if data is not None:
        return MediaAdded(data.media_type, data.base64, part=state.alone(), choice=state.index)
    if not url.startswith(("http://", "https://")):
        raise malformed("an image that is nowhere")
    return MediaAdded("image/*", url=url, part=state.alone(), choice=state.index)


def _audio(made: AudioMade, state: ChoiceState) -> MediaAdded:
    """A stream's audio comes in pieces of one part; only the first tells of what kind it is."""
    if made.data and not state.audio_type:
        state.audio_type = audio_type(made.data)
    return MediaAdded(
        state.audio_type or "audio/pcm",
        made.data or "",
        transcript=made.transcript or "",
        id=made.id,
        expires_s=made.expires_at,
        part=state.part_of("audio"),
        choice=state.index,
    )


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
