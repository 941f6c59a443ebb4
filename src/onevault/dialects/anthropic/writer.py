"""Writes answers for callers of the Anthropic dialect, whole or as its sequence of events, and passes what is theirs already.

Only one content block is open at a time, as at Anthropic. A provider that sends two tool calls in turns makes the second wait until
the first one's arguments are complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Event,
    Finished,
    MediaAdded,
    OpaqueAdded,
    Passed,
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
from onevault.core.usage import NO_USAGE, Usage
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.anthropic.usage import usage_written
from onevault.dialects.openai.citations import location_of
from onevault.dialects.wire.data_url import joined_base64
from onevault.dialects.wire.framing import JsonAndEventStream
from onevault.dialects.wire.signatures import tagged

_encode = msgspec.json.encode

STOP_REASONS = {
    StopReason.END: "end_turn",
    StopReason.STOP_SEQUENCE: "stop_sequence",
    StopReason.LENGTH: "max_tokens",
    StopReason.CONTEXT_LENGTH: "model_context_window_exceeded",
    StopReason.TOOL_CALLS: "tool_use",
    StopReason.PAUSE: "pause_turn",
    StopReason.REFUSAL: "refusal",
    StopReason.CONTENT_FILTER: "refusal",
}
_SERVICE_TIERS = {"default": "standard", "standard": "standard", "priority": "priority", "batch": "batch"}
_OBJECT = msgspec.json.Decoder(dict[str, Raw])

Block = dict[str, Any] | Raw | list[MediaAdded]
"""A content block, or the pieces of one that is a medium."""


class AnthropicWriter(JsonAndEventStream):
    """One answer for a caller of the Anthropic dialect."""

    def __init__(self, *, request_id: str) -> None:
        self._id = f"msg_{request_id}"
        self._usage = NO_USAGE
        self._tier: str | None = None
        self._ended: ChoiceEnded | None = None
        self._started = False
        self._index = -1
        self._open = ""
        self._part = -1
        self._call = -1
        self._arguments = ""
        self._text = ""
        self._media: list[MediaAdded] = []
        self._waiting: list[ToolCallStarted | ToolArgumentsAdded] = []

    # ---- a stream

    def write(self, events: Sequence[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if event.__class__ is Passed:
                out.append(event.raw)
            elif (
                self._started or event.__class__ is AnswerStarted
            ):  # what comes beside passed frames is not for the caller
                self._write(event, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        if isinstance(finished, Finished) and not self._started:
            return finished.raw
        out: list[bytes] = []
        self._close(out)
        reason = STOP_REASONS[self._ended.reason] if self._ended is not None else "end_turn"
        sequence = self._ended.stop_sequence if self._ended is not None else None
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        out.append(_frame("message_delta", {"delta": delta, "usage": usage_written(self._usage)}))
        out.append(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        return b"".join(out)

    def _write(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, TextAdded | RefusalAdded):
            self._open_for("text", event.part, {"type": "text", "text": ""}, out)
            self._text += event.text
            self._delta(b'"text_delta","text":' + _encode(event.text), out)
        elif isinstance(event, ToolArgumentsAdded):
            if event.call != self._call:
                self._waiting.append(event)
                return
            self._arguments += event.json_text
            self._delta(b'"input_json_delta","partial_json":' + _encode(event.json_text), out)
            if self._waiting and _complete(self._arguments):
                self._write_waiting(out)
        elif isinstance(event, ThinkingAdded):
            self._open_for("thinking", event.part, {"type": "thinking", "thinking": "", "signature": ""}, out)
            self._delta(b'"thinking_delta","thinking":' + _encode(event.text), out)
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, ToolCallStarted):
            if self._waiting or (self._call >= 0 and not _complete(self._arguments)):
                self._waiting.append(event)
                return
            self._start_call(event, out)
        elif isinstance(event, AnswerStarted):
            self._start(event, out)
        elif isinstance(event, ChoiceEnded):
            self._ended = event
            self._close(out)
        else:
            self._write_rare(event, out)

    def _write_rare(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, ThinkingSigned):
            self._open_for("thinking", event.part, {"type": "thinking", "thinking": "", "signature": ""}, out)
            signature = tagged(event.signature, event.by, ANTHROPIC_MESSAGES)
            self._delta(b'"signature_delta","signature":' + _encode(signature), out)
        elif isinstance(event, ThinkingRedacted):
            self._whole_block(redacted(event), out)
        elif isinstance(event, CitationAdded):
            self._open_for("text", event.part, {"type": "text", "text": ""}, out)
            location = location_of(event, text=self._text)
            if location is not None:
                self._delta(b'"citations_delta","citation":' + _encode(location), out)
        elif isinstance(event, OpaqueAdded):
            self._whole_block(event.raw, out)
        elif isinstance(event, MediaAdded):
            if self._open != "media" or self._part != event.part:
                self._close(out)
                self._open, self._part = "media", event.part
            self._media.append(event)

    def _start(self, event: AnswerStarted, out: list[bytes]) -> None:
        self._started = True
        self._tier = _SERVICE_TIERS.get(event.service_tier or "")
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(self._usage, self._tier),
        }
        out.append(_frame("message_start", {"message": message}))

    def _start_call(self, event: ToolCallStarted, out: list[bytes]) -> None:
        block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
        self._open_for("tool_use", event.part, block, out)
        self._call = event.call
        self._arguments = ""

    def _write_waiting(self, out: list[bytes]) -> None:
        """The calls that waited, as far as they are complete; the rest waits on."""
        waiting, self._waiting = self._waiting, []
        self._call = -1
        started = [event for event in waiting if isinstance(event, ToolCallStarted)]
        for event in started:
            if self._call >= 0 and not _complete(self._arguments):
                self._waiting.append(event)
                self._waiting += [
                    add for add in waiting if isinstance(add, ToolArgumentsAdded) and add.call == event.call
                ]
                continue
            self._start_call(event, out)
            for add in waiting:
                if isinstance(add, ToolArgumentsAdded) and add.call == event.call:
                    self._arguments += add.json_text
                    self._delta(b'"input_json_delta","partial_json":' + _encode(add.json_text), out)

    def _open_for(self, kind: str, part: int, block: dict[str, Any], out: list[bytes]) -> None:
        if self._open == kind and self._part == part:
            return
        self._close(out)
        self._open, self._part = kind, part
        self._text = ""
        self._index += 1
        out.append(_frame("content_block_start", {"index": self._index, "content_block": block}))

    def _whole_block(self, block: dict[str, Any] | Raw, out: list[bytes]) -> None:
        self._close(out)
        self._index += 1
        out.append(_frame("content_block_start", {"index": self._index, "content_block": block}))
        out.append(_frame("content_block_stop", {"index": self._index}))

    def _close(self, out: list[bytes]) -> None:
        while self._waiting:
            self._arguments = "{}"  # whatever the open call has is all that it will get
            self._write_waiting(out)
        if self._media:
            media, self._media = self._media, []
            self._open = ""
            self._whole_block(media_block(media), out)
        elif self._open:
            out.append(_frame("content_block_stop", {"index": self._index}))
            self._open, self._call = "", -1

    def _delta(self, fields: bytes, out: list[bytes]) -> None:
        out.append(
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b}}\n\n'
            % (self._index, fields)
        )

    # ---- a whole answer

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        """The last usage counts. Arguments that are no JSON object (after a length stop) come as `{"partial_json": text}`."""
        blocks: dict[tuple[str, int], dict[str, Any]] = {}
        raws: list[Block] = []
        media: dict[int, list[MediaAdded]] = {}
        message: dict[str, Any] = {"id": self._id, "type": "message", "role": "assistant", "model": ""}
        ended: ChoiceEnded | None = None
        usage = NO_USAGE
        calls: list[dict[str, Any]] = []
        for event in events:
            if isinstance(event, Passed):
                return event.raw
            if isinstance(event, AnswerStarted):
                message["model"] = event.model
                self._tier = _SERVICE_TIERS.get(event.service_tier or "")
            elif isinstance(event, UsageReported):
                usage = event.usage
            elif isinstance(event, ChoiceEnded):
                ended = event
            elif isinstance(event, OpaqueAdded):
                raws.append(event.raw)
            elif isinstance(event, ThinkingRedacted):
                raws.append(redacted(event))
            elif isinstance(event, MediaAdded):
                pieces = media.get(event.part)
                if pieces is None:
                    pieces = media[event.part] = []
                    raws.append(pieces)
                pieces.append(event)
            elif isinstance(event, ToolCallStarted):
                calls.append({"type": "tool_use", "id": event.id, "name": event.name, "input": ""})
                raws.append(calls[-1])
            elif isinstance(event, ToolArgumentsAdded):
                calls[event.call]["input"] += event.json_text
            else:
                self._fold(event, blocks, raws)
        for call in calls:
            call["input"] = _input(call["input"])
        message["content"] = [media_block(block) if isinstance(block, list) else block for block in raws]
        message["stop_reason"] = STOP_REASONS[ended.reason] if ended is not None else "end_turn"
        message["stop_sequence"] = ended.stop_sequence if ended is not None else None
        message["usage"] = _usage(usage, self._tier)
        return _encode(message)

    def _fold(self, event: Event, blocks: dict[tuple[str, int], dict[str, Any]], raws: list[Block]) -> None:
        if isinstance(event, TextAdded | RefusalAdded | CitationAdded):
            block = blocks.get(("text", event.part))
            if block is None:
                block = blocks["text", event.part] = {"type": "text", "text": ""}
                raws.append(block)
            if isinstance(event, CitationAdded):
                location = location_of(event, text=block["text"])
                if location is not None:
                    block.setdefault("citations", []).append(location)
            else:
                block["text"] += event.text
        elif isinstance(event, ThinkingAdded | ThinkingSigned):
            block = blocks.get(("thinking", event.part))
            if block is None:
                block = blocks["thinking", event.part] = {"type": "thinking", "thinking": "", "signature": ""}
                raws.append(block)
            if isinstance(event, ThinkingSigned):
                block["signature"] = tagged(event.signature, event.by, ANTHROPIC_MESSAGES)
            else:
                block["thinking"] += event.text


def redacted(event: ThinkingRedacted) -> dict[str, Any]:
    return {"type": "redacted_thinking", "data": tagged(event.data, event.by, ANTHROPIC_MESSAGES)}


def media_block(pieces: Sequence[MediaAdded]) -> dict[str, Any]:
    """What a model made as a block in the shape in which callers send such things: `image`, `audio` or `document`, with its
    `source`. Anthropic's own models make none, so this is an extension of the dialect."""
    first = pieces[0]
    kind = first.media_type.partition("/")[0]
    source: dict[str, Any]
    if first.url is not None:
        source = {"type": "url", "url": first.url}
    else:
        data = joined_base64([piece.data for piece in pieces if piece.data] or [""])
        source = {"type": "base64", "media_type": first.media_type, "data": data}
    block: dict[str, Any] = {"type": kind if kind in ("image", "audio") else "document", "source": source}
    transcript = "".join(piece.transcript for piece in pieces)
    return {**block, "transcript": transcript} if transcript else block


def _frame(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **fields}))


def _usage(usage: Usage, tier: str | None) -> dict[str, object]:
    written = usage_written(usage)
    if tier is not None:
        written["service_tier"] = tier
    return written


def _complete(arguments: str) -> bool:
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _input(arguments: str) -> Raw | dict[str, str]:
    if not arguments.strip():
        return Raw(b"{}")
    return Raw(arguments.encode()) if _complete(arguments) else {"partial_json": arguments}
