"""Turns Converse's blocks and their deltas into events; `part` is the block's index.

What only Bedrock can say (calls of its own tools and their answers) becomes opaque blocks, assembled where they come in pieces.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from onevault.core.events import (
    ChoiceEnded,
    CitationAdded,
    Cited,
    Event,
    MediaAdded,
    OpaqueAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
)
from onevault.core.faults import Fault
from onevault.dialects.bedrock.frames import (
    AdditionalFields,
    Block,
    Citation,
    Delta,
    Media,
    MediaSource,
    Reasoning,
    Start,
    ToolResult,
    ToolUse,
)
from onevault.dialects.bedrock.names import BEDROCK_CONVERSE
from onevault.dialects.bedrock.opaque import OpaqueBlock
from onevault.dialects.wire.json_body import fields_of, present
from onevault.dialects.wire.provider_faults import malformed

STOP_REASONS: Final = {
    "end_turn": StopReason.END,
    "tool_use": StopReason.TOOL_CALLS,
    "max_tokens": StopReason.LENGTH,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "guardrail_intervened": StopReason.CONTENT_FILTER,
    "content_filtered": StopReason.CONTENT_FILTER,
    "refusal": StopReason.REFUSAL,
    "pause_turn": StopReason.PAUSE,
    "model_context_window_exceeded": StopReason.CONTEXT_LENGTH,
}
_SPOILED: Final = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Ends of an answer that the model spoiled: nothing can be done with it but ask again."""

_SERVER_TOOL: Final = "server_tool_use"
_NO_INPUT: Final = (b"{}", b"null", b"")

_BLOCK = msgspec.json.Decoder(Block).decode
_TOOL_USE = msgspec.json.Decoder(ToolUse).decode
_TOOL_RESULT = msgspec.json.Decoder(ToolResult).decode
_CITATION = msgspec.json.Decoder(Citation).decode
_ADDITIONAL = msgspec.json.Decoder(AdditionalFields).decode


class BlockReader:
    """Reads one answer's blocks, in whichever form they come."""

    __slots__ = ("_calls", "_calls_begun", "_formats", "_opaque", "_silent", "ended", "spoiled")

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}
        self._calls_begun = 0
        self._silent: set[int] = set()  # calls that have no arguments yet
        self._opaque: dict[int, OpaqueBlock] = {}
        self._formats: dict[int, str] = {}
        self.ended = False
        self.spoiled: Fault | None = None

    def block(self, index: int, raw: Raw, events: list[Event]) -> None:
        """A block of a whole answer."""
        block = _BLOCK(raw)
        if block.text is not None:
            if block.text:
                events.append(TextAdded(block.text, index))
        elif block.tool_use is not None and block.tool_use.type != _SERVER_TOOL:
            self._call(index, block.tool_use, events)
            if bytes(block.tool_use.input) not in _NO_INPUT:
                self._silent.discard(index)
                events.append(ToolArgumentsAdded(self._calls[index], bytes(block.tool_use.input).decode(), index))
            self.stop(index, events)
        elif block.reasoning_content is not None:
            _add_reasoning(index, block.reasoning_content, events)
        elif block.citations_content is not None:
            cited = block.citations_content
            text = "".join(written.text or "" for written in cited.content or ())
            if text:
                events.append(TextAdded(text, index))
            events += [_citation(index, citation) for citation in cited.citations or ()]
        elif block.image is not None:
            _add_media(index, f"image/{block.image.format}", block.image.source, events)
        elif block.audio is not None:
            _add_media(index, f"audio/{block.audio.format}", block.audio.source, events)
        else:
            events.append(OpaqueAdded(BEDROCK_CONVERSE, _kind_of(block, raw), _sound(raw), index))

    def start(self, index: int, start: Start, events: list[Event]) -> None:
        if present(start.tool_use) is not None:
            call = _TOOL_USE(start.tool_use)
            if call.type == _SERVER_TOOL:
                self._opaque[index] = OpaqueBlock("toolUse", _SERVER_TOOL, start.tool_use)
            else:
                self._call(index, call, events)
        elif present(start.tool_result) is not None:
            kind = _TOOL_RESULT(start.tool_result).type
            self._opaque[index] = OpaqueBlock("toolResult", kind or "tool_result", start.tool_result)
        elif start.image is not None:
            self._formats[index] = f"image/{start.image.format}"

    def add(self, index: int, delta: Delta, events: list[Event]) -> None:
        if delta.text is not None:
            if delta.text:
                events.append(TextAdded(delta.text, index))
        elif delta.tool_use is not None:
            self._add_input(index, delta.tool_use.input, events)
        elif delta.reasoning_content is not None:
            _add_reasoning(index, delta.reasoning_content, events)
        elif present(delta.citation) is not None:
            events.append(_citation(index, delta.citation))
        elif delta.tool_result is not None and index in self._opaque:
            for piece in delta.tool_result:
                self._opaque[index].add(piece)
        elif delta.image is not None:
            self._add_image(index, delta.image, events)
        else:
            raise malformed("a kind of content that is not known")

    def stop(self, index: int, events: list[Event]) -> None:
        if index in self._silent:  # a call without arguments is called with none, not with no JSON
            self._silent.discard(index)
            events.append(ToolArgumentsAdded(self._calls[index], "{}", index))
        self._calls.pop(index, None)
        self._formats.pop(index, None)
        opaque = self._opaque.pop(index, None)
        if opaque is not None:
            events.append(OpaqueAdded(BEDROCK_CONVERSE, opaque.kind, _sound(opaque.whole()), index))

    def end(self, reason: str, additional: Raw, events: list[Event]) -> None:
        """The choice ends; where the model spoiled it, `spoiled` is the fault to raise when the usage is known."""
        if self.ended:
            return
        self.ended = True
        if reason in _SPOILED:
            self.spoiled = malformed("an answer that its model spoiled")
            return
        events.append(ChoiceEnded(STOP_REASONS.get(reason, StopReason.END), _stop_sequence(additional)))

    def _call(self, index: int, call: ToolUse, events: list[Event]) -> None:
        self._calls[index] = self._calls_begun
        self._silent.add(index)
        events.append(ToolCallStarted(self._calls_begun, call.tool_use_id, call.name, index))
        self._calls_begun += 1

    def _add_input(self, index: int, text: str, events: list[Event]) -> None:
        opaque = self._opaque.get(index)
        if opaque is not None:
            opaque.add(text)
        elif index not in self._calls:
            raise malformed("arguments without a tool call")
        elif text:
            self._silent.discard(index)
            events.append(ToolArgumentsAdded(self._calls[index], text, index))

    def _add_image(self, index: int, image: Media, events: list[Event]) -> None:
        _add_media(index, self._formats.get(index, "image/png"), image.source, events)


def _stop_sequence(additional: Raw) -> str | None:
    """Each model's own fields are of its own shape; only Claude's are asked for."""
    if present(additional) is None:
        return None
    try:
        told = _ADDITIONAL(additional)
    except msgspec.ValidationError:
        return None
    return told.stop_sequence or (told.delta.stop_sequence if told.delta is not None else None)


def _add_reasoning(index: int, reasoning: Reasoning, events: list[Event]) -> None:
    whole = reasoning.reasoning_text
    text = reasoning.text if whole is None else whole.text
    signature = reasoning.signature if whole is None else whole.signature
    if text:
        events.append(ThinkingAdded(text, index))
    if signature:
        events.append(ThinkingSigned(signature, index, by=BEDROCK_CONVERSE))
    if reasoning.redacted_content:
        events.append(ThinkingRedacted(reasoning.redacted_content, index, by=BEDROCK_CONVERSE))


def _citation(index: int, raw: Raw) -> CitationAdded:
    """A citation bears the whole text of its block, so it names no characters of it."""
    citation = _CITATION(raw)
    web = citation.location.web if citation.location is not None else None
    url = web.url if web is not None else None
    if url is None and citation.source is not None and citation.source.startswith(("https://", "http://")):
        url = citation.source
    text = "".join(written.text or "" for written in citation.source_content or ())
    cited = Cited(url=url, title=citation.title, text=text or None)
    return CitationAdded(BEDROCK_CONVERSE, _sound(raw), index, cited=cited)


def _sound(raw: Raw) -> Raw:
    """JSON that is kept as it came; the decoder does not look whether what it skips is text at all."""
    bytes(raw).decode()
    return raw


def _add_media(index: int, media_type: str, source: MediaSource | None, events: list[Event]) -> None:
    if source is not None and source.bytes:
        events.append(MediaAdded(media_type, source.bytes, part=index))
    elif source is not None and source.s3_location is not None:
        events.append(MediaAdded(media_type, url=source.s3_location.uri, part=index))


def _kind_of(block: Block, raw: Raw) -> str:
    if block.tool_use is not None:
        return _SERVER_TOOL
    if block.tool_result is not None:
        return block.tool_result.type or "tool_result"
    return next(iter(fields_of(raw)), "")
