"""Turns the items of a responses answer, and their deltas, into events that every dialect can write.

A block (`part`) is a content part of a message, a call, a piece of reasoning (its summaries joined), or an item that only this dialect
can say.
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
    OpaqueAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
)
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.openai_responses.reasoning import packed
from onevault.dialects.openai_responses.seen import UNDER_WAY, Answer, failure, reason_of, usage_event
from onevault.dialects.openai_responses.usage import is_search
from onevault.dialects.wire.json_body import ABSENT
from onevault.dialects.wire.provider_faults import malformed


class Part(msgspec.Struct, frozen=True, gc=False):
    """A content part of a message, or a part of reasoning."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None
    logprobs: Raw = ABSENT


class Item(msgspec.Struct, frozen=True, gc=False):
    """An output item of the kinds that other dialects can say."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None


class ItemHead(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    id: str | None = None
    action: Any = None


class Annotation(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    url: str | None = None
    title: str | None = None
    filename: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class WholeAnswer(Answer, frozen=True):
    output: list[Raw] | None = None


_HEAD = msgspec.json.Decoder(ItemHead).decode
_ITEM = msgspec.json.Decoder(Item).decode
_ANNOTATION = msgspec.json.Decoder(Annotation).decode
_NOTHING = (b"", b"null", b"[]")
_SHARED_KINDS = frozenset({"message", "function_call", "reasoning"})


class _Block:
    """A content part, a call or a piece of reasoning under way."""

    __slots__ = ("call", "citations", "length", "part", "piece")

    def __init__(self, part: int, call: int = -1) -> None:
        self.part = part
        self.call = call
        self.length = 0
        self.citations = 0
        self.piece: tuple[str, int] | None = None


class ItemReader:
    """Turns items and their deltas into events. What the deltas left out is taken from the complete item."""

    __slots__ = ("_blocks", "_calls", "_done", "_parts", "_refused", "_searches")

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], _Block] = {}
        self._parts = 0
        self._calls = 0
        self._refused = False
        self._searches = 0
        self._done: set[int | str] = set()

    def begin(self, answer: Answer, events: list[Event]) -> None:
        created_s = None if answer.created_at is None else int(answer.created_at)
        events.append(AnswerStarted(answer.id, answer.model, created_s, answer.service_tier))

    def _block(self, output: int, content: int) -> _Block:
        block = self._blocks.get((output, content))
        if block is None:
            block = self._blocks[output, content] = _Block(self._parts)
            self._parts += 1
        return block

    def text(self, output: int, content: int, text: str, logprobs: Raw, events: list[Event]) -> None:
        block = self._block(output, content)
        if text:
            block.length += len(text)
            events.append(TextAdded(text, block.part))
        if logprobs and bytes(logprobs) not in _NOTHING:
            events.append(LogprobsAdded(Raw(b'{"content":' + bytes(logprobs) + b',"refusal":null}')))

    def refusal(self, output: int, content: int, text: str, events: list[Event]) -> None:
        block = self._block(output, content)
        self._refused = True
        if text:
            block.length += len(text)
            events.append(RefusalAdded(text, block.part))

    def thought(self, output: int, piece: tuple[str, int], text: str, events: list[Event]) -> None:
        """A piece of an item's reasoning, named by its kind and index: another piece is another paragraph."""
        if not text:
            return
        block = self._block(output, 0)
        if block.piece is not None and block.piece != piece:
            text = "\n\n" + text
        block.piece = piece
        block.length += len(text)
        events.append(ThinkingAdded(text, block.part))

    def cited(self, output: int, content: int, raw: Raw, events: list[Event]) -> None:
        block = self._block(output, content)
        block.citations += 1
        events.append(CitationAdded(OPENAI_RESPONSES, raw, block.part, cited=_cited(raw)))

    def call(self, output: int, item: Item, events: list[Event]) -> _Block:
        block = self._blocks.get((output, 0))
        if block is None:
            if not item.name:
                raise malformed("a tool call without a name")
            block = self._blocks[output, 0] = _Block(self._parts, self._calls)
            self._parts += 1
            self._calls += 1
            id = item.call_id or item.id or f"call_{block.call}"
            events.append(ToolCallStarted(block.call, id, item.name, block.part))
        return block

    def arguments(self, output: int, text: str, events: list[Event]) -> None:
        block = self._blocks.get((output, 0))
        if block is None or block.call < 0:
            raise malformed("arguments without a tool call")
        if text:
            block.length += len(text)
            events.append(ToolArgumentsAdded(block.call, text, block.part))

    def added(self, output: int, raw: Raw, events: list[Event]) -> None:
        """An item begins: a call has its name by now."""
        if _HEAD(raw).type == "function_call":
            self.call(output, _ITEM(raw), events)

    def done(self, output: int, raw: Raw, events: list[Event]) -> None:
        """An item is complete. It is told once: by its place and by its id, of which servers keep at least one."""
        head = _HEAD(raw)
        if output in self._done or (head.id or None) in self._done:
            return
        self._done.add(output)
        if head.id:
            self._done.add(head.id)
        kind = head.type
        if kind not in _SHARED_KINDS:
            self._searches += is_search(kind, head.action)
            events.append(OpaqueAdded(OPENAI_RESPONSES, kind, raw, self._parts))
            self._parts += 1
            return
        item = _ITEM(raw)
        if kind == "message":
            for content, part in enumerate(item.content or ()):
                self._part_done(output, content, part, events)
        elif kind == "function_call":
            block = self.call(output, item, events)
            if not block.length:
                self.arguments(output, item.arguments or "{}", events)
        else:
            self._reasoning_done(output, item, events)

    def _part_done(self, output: int, content: int, part: Part, events: list[Event]) -> None:
        block = self._block(output, content)
        if part.type == "refusal":
            if not block.length:
                self.refusal(output, content, part.refusal or "", events)
            return
        if not block.length:
            self.text(output, content, part.text or "", part.logprobs, events)
        for raw in (part.annotations or ())[block.citations :]:
            self.cited(output, content, raw, events)

    def _reasoning_done(self, output: int, item: Item, events: list[Event]) -> None:
        begun = self._blocks.get((output, 0))
        if begun is None:
            for name, parts in (("summary", item.summary), ("content", item.content)):
                for index, part in enumerate(parts or ()):
                    self.thought(output, (name, index), part.text or "", events)
            begun = self._blocks.get((output, 0))
        encrypted = item.encrypted_content or ""
        if begun is None:
            if encrypted:
                block = self._block(output, 0)
                events.append(ThinkingRedacted(packed(item.id or "", encrypted), block.part, by=OPENAI_RESPONSES))
        elif encrypted or (item.content and item.id):
            events.append(ThinkingSigned(packed(item.id or "", encrypted), begun.part, by=OPENAI_RESPONSES))

    def end(self, answer: WholeAnswer, events: list[Event]) -> None:
        """The answer is complete: what its stream left out is in it. Raises Fault for one that failed."""
        if answer.error is not None or answer.status in ("failed", "cancelled"):
            raise failure(answer)
        if answer.output is None or answer.status in UNDER_WAY:
            raise malformed("an answer that is not complete")
        for index, raw in enumerate(answer.output):
            self.done(index, raw, events)
        events.append(ChoiceEnded(reason_of(answer, calls=self._calls > 0, refused=self._refused)))
        events += usage_event(answer, searches=self._searches)
        events.append(Finished())


def _cited(raw: Raw) -> Cited | None:
    try:
        found = _ANNOTATION(raw)
    except msgspec.DecodeError:
        return None
    return Cited(found.url, found.title or found.filename, None, found.start_index, found.end_index)
