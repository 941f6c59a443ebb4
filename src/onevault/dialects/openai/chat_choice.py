"""Says one choice's thinking, media and citations as fields of an OpenAI chat message, alike for whole answers and for deltas."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import (
    CitationAdded,
    Event,
    MediaAdded,
    OpaqueAdded,
    RefusalAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallStarted,
)
from onevault.dialects.openai.chat_signatures import GEMINI
from onevault.dialects.openai.citations import Annotation, annotation_of
from onevault.dialects.wire.data_url import data_url, joined_base64
from onevault.dialects.wire.signatures import tagged

Fields = dict[str, Any]
_OBJECT = msgspec.json.Decoder(dict[str, Raw]).decode


NOBODY = ""
"""No provider of this dialect signs: every signature is told with its maker, so that none goes on to a server that does not know it."""


class ChoiceWritten:
    """How far a choice has come: its text, the citations of its last block (they may come before the text that they are about),
    the thinking that no signature has closed, and the signature that belongs to the next call."""

    __slots__ = (
        "_cited",
        "_listed",
        "_signature",
        "_thinking",
        "_thinking_part",
        "audio",
        "length",
        "part",
        "part_began",
    )

    def __init__(self) -> None:
        self.length = 0
        self.part = -1
        self.part_began = 0
        self.audio: list[str] = []
        self._cited: list[CitationAdded] = []
        self._thinking = ""
        self._thinking_part = -1
        self._signature: str | None = None
        self._listed: dict[str, int] = {}

    def begin(self, part: int) -> list[tuple[str, Annotation | Raw]]:
        """Goes to a block; gives back the citations of the block before, each with the field that it goes into."""
        cited = self.citations()
        self.part = part
        self.part_began = self.length
        return cited

    def cite(self, event: CitationAdded) -> None:
        self._cited.append(event)

    def citations(self) -> list[tuple[str, Annotation | Raw]]:
        """The citations of the block, which has ended."""
        if not self._cited:
            return []
        cited, self._cited = self._cited, []
        written: list[tuple[str, Annotation | Raw]] = []
        for event in cited:
            annotation = annotation_of(event, began=self.part_began, ended=self.length)
            written.append(("citations", event.raw) if annotation is None else ("annotations", annotation))
        return written

    def think(self, event: ThinkingAdded) -> None:
        if event.part != self._thinking_part:
            self._thinking, self._thinking_part = "", event.part
        self._thinking += event.text

    def call(self, event: ToolCallStarted) -> Fields:
        """A call as it begins; its arguments follow. Google's clients send a signature back with the call that it came with."""
        call: Fields = {"id": event.id, "type": "function", "function": {"name": event.name, "arguments": ""}}
        if self._signature is not None:
            call["extra_content"] = {"google": {"thought_signature": self._signature}}
            self._signature = None
        return call

    def fields(self, event: Event) -> Fields | None:
        """What else an event adds to the message or delta; None for one that adds nothing by itself."""
        if isinstance(event, ThinkingSigned):
            return {"thinking_blocks": [self._signed(event)]}
        if isinstance(event, ThinkingRedacted):
            data = tagged(event.data, event.by, NOBODY)
            return {"thinking_blocks": [{"type": "redacted_thinking", "data": data}]}
        if isinstance(event, RefusalAdded):
            return {"refusal": event.text}
        if isinstance(event, OpaqueAdded):
            block = {"dialect": event.dialect, "kind": event.kind, "block": Raw(event.raw)}
            return {"opaque_blocks": [block]}
        return self._media(event) if isinstance(event, MediaAdded) else None

    def placed(self, fields: Fields) -> Fields:
        """Fields for a delta. Clients that add deltas up (OpenAI's own library is one) put an entry of a list where its `index`
        says, and fail at a second one that has none."""
        return {name: self._placed(name, value) if isinstance(value, list) else value for name, value in fields.items()}

    def _placed(self, name: str, entries: list[Any]) -> list[Any]:
        first = self._listed.get(name, 0)
        self._listed[name] = first + len(entries)
        return [_with_index(entry, index) for index, entry in enumerate(entries, first)]

    def _signed(self, event: ThinkingSigned) -> Fields:
        text = self._thinking if event.part == self._thinking_part else ""
        self._thinking, self._thinking_part = "", -1
        if not text and event.by == GEMINI:
            self._signature = event.signature
        signature = tagged(event.signature, event.by, NOBODY)
        return {"type": "thinking", "thinking": text, "signature": signature}

    def _media(self, event: MediaAdded) -> Fields:
        where = event.url if event.url is not None else data_url(event.media_type, event.data)
        if event.media_type.startswith("image/"):
            return {"images": [{"type": "image_url", "image_url": {"url": where}}]}
        if event.url is not None or not event.media_type.startswith("audio/"):
            return {"files": [{"type": "file", "file": {"file_data": where}}]}
        audio: Fields = {}
        if event.id is not None:
            audio["id"] = event.id
        if event.data:
            self.audio.append(event.data)
            audio["data"] = event.data
        if event.expires_s is not None:
            audio["expires_at"] = event.expires_s
        if event.transcript:
            audio["transcript"] = event.transcript
        return {"audio": audio}


def _with_index(entry: Any, index: int) -> Any:
    try:
        return {"index": index, **_OBJECT(msgspec.json.encode(entry))}
    except msgspec.ValidationError:
        return entry  # a provider's citation need not be an object


def fold(message: Fields, fields: Fields, written: ChoiceWritten) -> None:
    """Adds fields to a whole message: lists go on, texts are joined, and so are the pieces of audio."""
    for name, value in fields.items():
        if isinstance(value, list):
            message.setdefault(name, []).extend(value)
        elif isinstance(value, str):
            message[name] = (message.get(name) or "") + value
        else:
            audio = message.setdefault(name, {"id": "", "data": "", "expires_at": 0, "transcript": ""})
            transcript = audio["transcript"] + value.get("transcript", "")
            audio.update(value, transcript=transcript, data=joined_base64(written.audio) if written.audio else "")
