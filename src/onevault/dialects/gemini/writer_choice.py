"""Gathers one choice of an answer as Gemini's parts: what can be written at once, and what must wait.

A function call is one part, so it waits until its arguments are complete; a citation counts bytes of the whole text, so it waits for
the end.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import (
    ChoiceEnded,
    CitationAdded,
    Event,
    MediaAdded,
    OpaqueAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
)
from onevault.dialects.gemini import signatures
from onevault.dialects.gemini.grounding import GroundingWriter
from onevault.dialects.gemini.names import GEMINI
from onevault.dialects.wire.json_body import fields_of

_Json = dict[str, Any]

CITED_TEXT_LENGTH_MAX = 4 << 20


class _Call:
    """A call whose arguments are coming in. `signature` is the one that stands before it."""

    __slots__ = ("arguments", "id", "name", "signature")

    def __init__(self, id: str, name: str, signature: str | None) -> None:
        self.id = id
        self.name = name
        self.signature = signature
        self.arguments = ""


class ChoiceWriter:
    """One choice under way."""

    __slots__ = ("_begun", "_calls", "_cited", "_kept", "_signature", "_texts", "_thought_part", "ended", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.ended: ChoiceEnded | None = None
        self._calls: dict[int, _Call] = {}
        self._begun = 0
        self._signature: str | None = None
        self._thought_part = -1
        self._cited: list[CitationAdded] = []
        self._texts: list[tuple[int, str]] = []
        self._kept = 0

    def parts(self, event: Event) -> list[_Json]:
        """The parts that this event completes."""
        if isinstance(event, TextAdded | RefusalAdded):
            self._keep(event.part, event.text)
            return [*self._before(), {"text": event.text}]
        if isinstance(event, ToolArgumentsAdded):
            call = self._calls.get(event.call)
            if call is not None:
                call.arguments += event.json_text
            return []
        if isinstance(event, ThinkingAdded):
            self._thought_part = event.part
            return [*self._before(), {"text": event.text, "thought": True}]
        if isinstance(event, ToolCallStarted):
            complete = self._complete_calls()
            self._calls[event.call] = _Call(event.id, event.name, self._signature)
            self._signature = None
            return complete
        if isinstance(event, ChoiceEnded):
            self.ended = event
            return [*self._all_calls(), *self._unused_signature()]
        return self._rare(event)

    def _rare(self, event: Event) -> list[_Json]:
        if isinstance(event, ThinkingSigned):
            before = self._before()
            if event.by == GEMINI and event.part != self._thought_part:
                self._signature = event.signature
                return before
            signature = signatures.written(event.signature, event.by)
            return [*before, {"text": "", "thought": True, "thoughtSignature": signature}]
        if isinstance(event, ThinkingRedacted):
            signature = signatures.redacted_written(event.data, event.by)
            return [*self._before(), {"text": "", "thought": True, "thoughtSignature": signature}]
        if isinstance(event, MediaAdded):
            return [*self._before(), *_media(event)]
        if isinstance(event, OpaqueAdded):
            return [*self._before(), _opaque(event)]
        if isinstance(event, CitationAdded):
            self._cited.append(event)
        return []

    # ---- what waits

    def _before(self) -> list[_Json]:
        """What has waited and stands before a part that now comes."""
        if not self._calls and self._signature is None:
            return []
        return [*self._complete_calls(), *self._unused_signature()]

    def _unused_signature(self) -> list[_Json]:
        if self._signature is None:
            return []
        signature, self._signature = self._signature, None
        return [{"text": "", "thoughtSignature": signature}]

    def _complete_calls(self) -> list[_Json]:
        """The calls, in order, up to the first whose arguments are not complete."""
        written: list[_Json] = []
        for ordinal in list(self._calls):
            call = self._calls[ordinal]
            arguments = _object(call.arguments)
            if arguments is None:
                break
            written.append(_written(self._calls.pop(ordinal), arguments))
        return written

    def _all_calls(self) -> list[_Json]:
        """All that is left. Arguments that are no JSON object (after a length stop) come as `{"partial_json": text}`."""
        calls, self._calls = self._calls, {}
        return [_written(call, _object(call.arguments) or _partial(call.arguments)) for call in calls.values()]

    # ---- citations

    def _keep(self, part: int, text: str) -> None:
        if self._kept <= CITED_TEXT_LENGTH_MAX:
            self._texts.append((part, text))
            self._kept += len(text)

    @property
    def grounding(self) -> _Json | None:
        """What is cited, as `groundingMetadata`; None if nothing is."""
        if not self._cited:
            return None
        texts: dict[int, str] = {}
        for part, text in self._texts:
            texts[part] = texts.get(part, "") + text
        before: dict[int, int] = {}
        length = 0
        for part, text in texts.items():
            before[part] = length
            length += len(text.encode(errors="replace"))
        grounding = GroundingWriter()
        for event in self._cited:
            grounding.add(event, texts.get(event.part, ""), before.get(event.part, 0))
        return grounding.written


def _written(call: _Call, arguments: Raw) -> _Json:
    part: _Json = {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}
    if call.signature is not None:
        part["thoughtSignature"] = call.signature
    return part


def _object(arguments: str) -> Raw | None:
    try:
        fields_of(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return Raw(arguments.encode())


def _partial(arguments: str) -> Raw:
    if not arguments.strip():
        return Raw(b"{}")
    return Raw(msgspec.json.encode({"partial_json": arguments}))


def _media(event: MediaAdded) -> list[_Json]:
    parts: list[_Json] = []
    if event.url is not None:
        parts.append({"fileData": {"mimeType": event.media_type, "fileUri": event.url}})
    elif event.data:
        parts.append({"inlineData": {"mimeType": event.media_type, "data": event.data}})
    if event.transcript:
        parts.append({"text": event.transcript})
    return parts


def _opaque(event: OpaqueAdded) -> _Json:
    """Another dialect's block goes along where Google keeps what it does not read, and comes back from there."""
    if event.dialect == GEMINI:
        return dict(fields_of(event.raw))
    block = {"dialect": event.dialect, "kind": event.kind, "raw": event.raw}
    return {"text": "", "partMetadata": {"opaque_block": block}}
