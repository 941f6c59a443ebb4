"""Decodes an Anthropic answer, whole or streamed, into events that every dialect can write.

A whole answer is read as the stream that would have brought it, block by block, so the two cannot differ.
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
    OpaqueAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.dialects.anthropic.faults import fault_in_stream
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.anthropic.passing import STOP_REASONS
from onevault.dialects.anthropic.usage import AnthropicUsage, updated, usage_of
from onevault.dialects.wire.decoders import StreamDecoder, WholeDecoder
from onevault.dialects.wire.json_body import ABSENT, present
from onevault.dialects.wire.provider_faults import cut_short, malformed
from onevault.dialects.wire.sse import frame_data


class Delta(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Raw = ABSENT
    stop_reason: str | None = None
    stop_sequence: str | None = None


class Block(msgspec.Struct, frozen=True, gc=False):
    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    citations: list[Raw] | None = None


class MessageHead(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    model: str = ""
    usage: AnthropicUsage | None = None


class StreamEvent(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Raw = ABSENT
    message: MessageHead | None = None
    usage: AnthropicUsage | None = None


class WholeAnswer(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    id: str = ""
    model: str = ""
    content: list[Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: AnthropicUsage | None = None


class Location(msgspec.Struct, frozen=True, gc=False):
    """Any citation: of a page (`url`), a search result of the caller's (`source`), or a document."""

    cited_text: str | None = None
    url: str | None = None
    source: str | None = None
    title: str | None = None
    document_title: str | None = None


_LOCATION = msgspec.json.Decoder(Location)
_EVENT = msgspec.json.Decoder(StreamEvent).decode
_BLOCK = msgspec.json.Decoder(Block).decode
_WHOLE = msgspec.json.Decoder(WholeAnswer).decode
_FIELDS = msgspec.json.Decoder(dict[str, Raw]).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NO_INPUT = (b"{}", b"null", b"")


class _Opaque:
    """A block under way that only this dialect can say."""

    __slots__ = ("input", "kind", "raw")

    def __init__(self, kind: str, raw: Raw) -> None:
        self.kind = kind
        self.raw = raw
        self.input = ""


class BlockReader:
    """Turns blocks and their deltas into events; `part` is the block's index."""

    __slots__ = ("_calls", "_opaque", "_silent", "_usage", "ended")

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}
        self._silent: set[int] = set()  # calls that have no arguments yet
        self._opaque: dict[int, _Opaque] = {}
        self._usage: AnthropicUsage | None = None
        self.ended = False

    def begin(self, head: MessageHead | WholeAnswer, events: list[Event]) -> None:
        tier = head.usage.service_tier if head.usage is not None else None
        events.append(AnswerStarted(id=head.id, model=head.model, service_tier=tier))
        if head.usage is not None:
            self.report(head.usage, events)

    def start(self, index: int, raw: Raw, events: list[Event]) -> None:
        block = _BLOCK(raw)
        kind = block.type
        if kind == "text":
            if block.text:
                events.append(TextAdded(block.text, index))
            events += [_citation(cited, index) for cited in block.citations or ()]
        elif kind == "thinking":
            if block.thinking:
                events.append(ThinkingAdded(block.thinking, index))
            if block.signature:
                events.append(ThinkingSigned(block.signature, index, by=ANTHROPIC_MESSAGES))
        elif kind == "redacted_thinking":
            events.append(ThinkingRedacted(block.data or "", index, by=ANTHROPIC_MESSAGES))
        elif kind == "tool_use":
            call = self._calls[index] = len(self._calls)
            events.append(ToolCallStarted(call, block.id or "", block.name or "", index))
            self._silent.add(index)
            if bytes(block.input) not in _NO_INPUT:
                self._silent.discard(index)
                events.append(ToolArgumentsAdded(call, bytes(block.input).decode(), index))
        else:
            self._opaque[index] = _Opaque(kind, raw)

    def add(self, index: int, delta: Delta, events: list[Event]) -> None:
        kind = delta.type
        if kind == "text_delta":
            if delta.text:
                events.append(TextAdded(delta.text, index))
        elif kind == "input_json_delta":
            opaque = self._opaque.get(index)
            if opaque is not None:
                opaque.input += delta.partial_json or ""
            elif index not in self._calls:
                raise malformed("arguments without a tool call")
            elif delta.partial_json:
                self._silent.discard(index)
                events.append(ToolArgumentsAdded(self._calls[index], delta.partial_json, index))
        elif kind == "thinking_delta":
            if delta.thinking:
                events.append(ThinkingAdded(delta.thinking, index))
        elif kind == "signature_delta":
            if delta.signature:
                events.append(ThinkingSigned(delta.signature, index, by=ANTHROPIC_MESSAGES))
        elif kind == "citations_delta":
            if present(delta.citation) is not None:
                events.append(_citation(delta.citation, index))
        elif index not in self._opaque:
            raise malformed("a kind of content that is not known")

    def stop(self, index: int, events: list[Event]) -> None:
        if index in self._silent:  # a call without arguments is called with none, not with no JSON
            self._silent.discard(index)
            events.append(ToolArgumentsAdded(self._calls[index], "{}", index))
        opaque = self._opaque.pop(index, None)
        if opaque is None:
            return
        raw = opaque.raw
        if opaque.input:
            fields: dict[str, Any] = _FIELDS(raw)
            fields["input"] = Raw(msgspec.json.encode(msgspec.json.decode(opaque.input)))
            raw = Raw(msgspec.json.encode(fields))
        events.append(OpaqueAdded(ANTHROPIC_MESSAGES, opaque.kind, raw, index))

    def report(self, usage: AnthropicUsage, events: list[Event]) -> None:
        self._usage = updated(self._usage, usage)
        events.append(UsageReported(usage_of(self._usage)))

    def end(self, reason: str | None, sequence: str | None, events: list[Event]) -> None:
        if reason and not self.ended:
            self.ended = True
            events.append(ChoiceEnded(STOP_REASONS.get(reason, StopReason.END), sequence))


def _citation(raw: Raw, index: int) -> CitationAdded:
    """A citation is of the whole text of its block; what it quotes is the source's words."""
    try:
        place = _LOCATION.decode(raw)
    except msgspec.DecodeError:
        return CitationAdded(ANTHROPIC_MESSAGES, raw, index)
    url = place.url or place.source
    cited = Cited(
        url=url if url is not None and url.startswith(("http://", "https://")) else None,
        title=place.title or place.document_title,
        text=place.cited_text,
    )
    return CitationAdded(ANTHROPIC_MESSAGES, raw, index, cited=cited)


class CanonicalStream(StreamDecoder):
    """Decodes a stream, which `message_stop` ends after a stop reason was given."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        super().__init__()
        self._reader = BlockReader()

    def read(self, frame: bytes, events: list[Event]) -> None:
        data = frame_data(frame)
        if data is None:
            return
        try:
            event = _EVENT(data)
            self._apply(event, data, events)
        except _NOT_JSON:
            raise malformed("an event that is not in its dialect", data) from None

    def _apply(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        kind = event.type
        if kind == "content_block_delta" and event.delta is not None:
            self._reader.add(event.index, event.delta, events)
        elif kind == "content_block_start" and present(event.content_block) is not None:
            self._reader.start(event.index, event.content_block, events)
        elif kind == "content_block_stop":
            self._reader.stop(event.index, events)
        elif kind == "message_start" and event.message is not None:
            self._reader.begin(event.message, events)
        elif kind == "message_delta":
            if event.usage is not None:
                self._reader.report(event.usage, events)
            if event.delta is not None:
                self._reader.end(event.delta.stop_reason, event.delta.stop_sequence, events)
        elif kind == "message_stop":
            if not self._reader.ended:
                raise cut_short()
            self._done = True
            events.append(Finished())
        elif kind == "error":
            raise fault_in_stream(data)


class CanonicalWhole(WholeDecoder):
    """Decodes a whole answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        events: list[Event] = []
        reader = BlockReader()
        try:
            answer = _WHOLE(body)
            if answer.type == "error":
                raise fault_in_stream(body)
            if answer.content is None or not answer.stop_reason:
                raise malformed("an answer without content", body)
            reader.begin(answer, events)
            for index, raw in enumerate(answer.content):
                reader.start(index, raw, events)
                reader.stop(index, events)
        except _NOT_JSON:
            raise malformed("an answer that is not in its dialect", body) from None
        reader.end(answer.stop_reason, answer.stop_sequence, events)
        events.append(Finished())
        return events
