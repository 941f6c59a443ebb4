"""Writes answers for callers of the responses dialect, whole or as its sequence of events, and passes what is theirs already.

A whole answer is the response object that its stream would have ended with. Beside the dialect's own fields a content part carries
`citations` that name no page, and the response `opaque_blocks` for what only another dialect can say; clients skip what they do not
know. Audio and files that a model made are among them, since the dialect has no item for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.codec import NO_FACTS, AnswerFacts, Incoming
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    EmbeddingsMade,
    Event,
    Finished,
    LogprobsAdded,
    MediaAdded,
    OpaqueAdded,
    Passed,
    RefusalAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    TokensCounted,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.usage import NO_USAGE
from onevault.dialects.openai_responses.echo import echo_of
from onevault.dialects.openai_responses.frames import Frames, whole_item
from onevault.dialects.openai_responses.items_made import CallItem, MessageItem, ReasoningItem
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.openai_responses.reasoning import encrypted_content
from onevault.dialects.openai_responses.usage import responses_usage
from onevault.dialects.wire.framing import JsonAndEventStream

_encode = msgspec.json.encode

INCOMPLETE_REASONS = {
    StopReason.LENGTH: "max_output_tokens",
    StopReason.CONTEXT_LENGTH: "max_output_tokens",
    StopReason.CONTENT_FILTER: "content_filter",
}
"""Why an answer is not complete; every other reason completes it."""
_SERVICE_TIERS = {"standard": "default"}
_OPENAI_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})

_Item = MessageItem | CallItem | ReasoningItem


class ResponsesWriter(JsonAndEventStream):
    """One answer for a caller of the responses dialect. `created_s` in seconds since the epoch.

    One message or piece of reasoning is open at a time; calls stay open together, since a provider may send their arguments in turns.
    """

    def __init__(self, incoming: Incoming, *, request_id: str, created_s: int) -> None:
        self._incoming = incoming
        self._id = f"resp_{request_id}"
        self._request_id = request_id
        self._created_s = created_s
        self._frames = Frames()
        self._head: dict[str, Any] = {}
        self._echo = b""
        self._items: list[_Item | dict[str, Any] | Raw] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._opaque: list[dict[str, Any]] = []
        self._usage = NO_USAGE
        self._ended: StopReason | None = None

    # ---- a stream

    def write(self, events: Sequence[Event]) -> bytes:
        frames = self._frames
        for event in events:
            if event.__class__ is Passed:
                frames.out.append(event.raw)
            elif (
                self._head or event.__class__ is AnswerStarted
            ):  # what comes beside passed frames is not for the caller
                self._write(event)
        return frames.taken()

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        if isinstance(finished, Finished) and not self._head:
            return finished.raw
        self._close_all()
        status = "incomplete" if self._ended in INCOMPLETE_REASONS else "completed"
        self._frames.add(f"response.{status}", b'"response":' + self._response(status))
        return self._frames.taken()

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        """The last usage counts."""
        for event in events:
            if isinstance(event, Passed):
                return event.raw
            self._write(event)
        self._close_all()
        self._frames.out.clear()
        return self._response("incomplete" if self._ended in INCOMPLETE_REASONS else "completed")

    def _write(self, event: Event) -> None:
        if isinstance(event, TextAdded):
            self._message().text(event.text, event.part)
        elif isinstance(event, ToolArgumentsAdded):
            self._calls[event.call].arguments(event.json_text)
        elif isinstance(event, ThinkingAdded):
            self._reasoning(event.part).text(event.text)
        elif isinstance(event, ToolCallStarted):
            self._close()
            call = CallItem(self._frames, self._next_id("fc"), len(self._items), call_id=event.id, name=event.name)
            self._items.append(call)
            self._calls[event.call] = call
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, AnswerStarted):
            self._start(event)
        elif isinstance(event, ChoiceEnded):
            self._ended = event.reason
        elif isinstance(event, RefusalAdded):
            self._message().refusal(event.text, event.part)
        elif isinstance(event, CitationAdded):
            self._message().cite(event)
        elif isinstance(event, LogprobsAdded):
            self._message().logprobs(event.raw)
        else:
            self._write_rare(event)

    def _write_rare(self, event: Event) -> None:
        if isinstance(event, ThinkingSigned):
            self._reasoning(event.part).sign(encrypted_content(event.signature, event.by, redacted=False))
            self._close()
        elif isinstance(event, ThinkingRedacted):
            self._close_all()
            self._reasoning(event.part).sign(encrypted_content(event.data, event.by, redacted=True))
            self._close()
        elif isinstance(event, OpaqueAdded):
            if event.dialect == OPENAI_RESPONSES:
                self._whole_item(event.raw)
            else:
                self._opaque.append({"dialect": event.dialect, "kind": event.kind, "block": event.raw})
        elif isinstance(event, MediaAdded):
            self._media(event)
        elif isinstance(event, EmbeddingsMade | TokensCounted | Passed | Finished):
            return

    def _media(self, event: MediaAdded) -> None:
        if event.media_type.startswith("image/"):
            item = {
                "id": self._next_id("ig"),
                "type": "image_generation_call",
                "status": "completed",
                "result": event.data or None,
                "output_format": event.media_type.removeprefix("image/"),
            }
            self._whole_item(item if event.url is None else item | {"url": event.url})
            return
        block = {"media_type": event.media_type, "data": event.data, "url": event.url, "transcript": event.transcript}
        self._opaque.append({"dialect": "", "kind": "media", "block": block})

    # ---- items

    def _next_id(self, prefix: str) -> str:
        return f"{prefix}_{self._request_id}_{len(self._items)}"

    def _message(self) -> MessageItem:
        if not isinstance(self._open, MessageItem):
            self._close_all()
            self._open = MessageItem(self._frames, self._next_id("msg"), len(self._items))
            self._items.append(self._open)
        return self._open

    def _reasoning(self, part: int) -> ReasoningItem:
        if not isinstance(self._open, ReasoningItem) or self._open.part != part:
            self._close_all()
            self._open = ReasoningItem(self._frames, self._next_id("rs"), len(self._items), part=part)
            self._items.append(self._open)
        return self._open

    def _whole_item(self, item: dict[str, Any] | Raw) -> None:
        self._close_all()
        whole_item(self._frames, len(self._items), item)
        self._items.append(item)

    def _close(self) -> None:
        if self._open is not None:
            self._open.close(complete=self._ended not in INCOMPLETE_REASONS)
            self._open = None

    def _close_all(self) -> None:
        self._close()
        for call in self._calls.values():
            call.close(complete=self._ended not in INCOMPLETE_REASONS)

    # ---- the response object

    def _start(self, event: AnswerStarted) -> None:
        created_s = event.created_s if event.created_s is not None else self._created_s
        self._head = {"id": self._id, "object": "response", "created_at": created_s, "model": event.model}
        tier = _SERVICE_TIERS.get(event.service_tier or "", event.service_tier)
        if tier in _OPENAI_TIERS:
            self._head["service_tier"] = tier
        self._echo = echo_of(self._incoming)
        response = b'"response":' + self._response("in_progress")
        self._frames.add("response.created", response)
        self._frames.add("response.in_progress", response)

    def _response(self, status: str) -> bytes:
        reason = INCOMPLETE_REASONS.get(self._ended) if self._ended is not None else None
        running = status == "in_progress"
        rest: dict[str, Any] = {
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if reason is not None and not running else None,
            "output": [item if isinstance(item, dict | Raw) else item.written() for item in self._items],
            "usage": None if running else responses_usage(self._usage),
        }
        if self._opaque:
            rest["opaque_blocks"] = self._opaque
        return _encode(self._head)[:-1] + b"," + self._echo + _encode(rest)[1:]
