"""Writes canonical parts as Converse's content blocks.

A cache mark becomes a cache point after its part; one inside a tool's answer stands after the answer. What a family of models cannot
cache is marked nowhere, which is named.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import Final

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    Audio,
    CacheMark,
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from onevault.dialects.bedrock.families import Family
from onevault.dialects.bedrock.media import Json, MediaWriter
from onevault.dialects.bedrock.names import BEDROCK_CONVERSE
from onevault.dialects.wire.json_body import invalid, unsupported

_ID_LENGTH_MAX: Final = 64
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NOT_THERE: Final = "cannot be said to the provider that was chosen"


def call_id(id: str) -> str:
    """An id that Bedrock and the models behind it take (`[a-zA-Z0-9_-]{1,64}`); the same for the same id, and others for others."""
    clean = _NOT_IN_IDS.sub("_", id)
    if clean and clean == id and len(id) <= _ID_LENGTH_MAX:
        return id
    return f"{clean[: _ID_LENGTH_MAX - 9]}_{zlib.crc32(id.encode(errors='replace')):08x}"


def cache_point(mark: CacheMark, place: str, family: Family, dropped: dict[str, None]) -> list[Json]:
    """A cache point, or none where the family cannot have it at this `place`."""
    if place not in family.cached:
        dropped["cache_control"] = None
        return []
    point: Json = {"type": "default"}
    if mark.ttl == "1h":
        if family.caches_for_an_hour:
            point["ttl"] = "1h"
        else:
            dropped["cache_control.ttl"] = None
    return [{"cachePoint": point}]


def _text(text: str) -> list[Json]:
    """Bedrock refuses a text that is blank."""
    return [{"text": text}] if text.strip() else []


class ContentWriter:
    """Writes the parts of one request; `dropped` gathers the names of hints left out.

    `calls_as_text` tells what tools were asked and answered in words: Bedrock takes blocks of tools only beside the tools.
    """

    __slots__ = ("_called", "_calls_as_text", "_dropped", "_family", "_media")

    def __init__(self, family: Family, dropped: dict[str, None], *, calls_as_text: bool) -> None:
        self._family = family
        self._dropped = dropped
        self._calls_as_text = calls_as_text
        self._media = MediaWriter(dropped)
        self._called: dict[str, str] = {}

    def blocks(self, part: Part, path: str, *, place: str) -> list[Json]:
        """A part's blocks with its cache point, none where it is empty. Raises Fault UNSUPPORTED_PARAMETER, INVALID_REQUEST for
        arguments or data that are not what they should be."""
        marks: list[CacheMark] = []
        written = self._blocks(part, path, marks)
        if written:
            for mark in marks[-1:]:  # one point keeps all that stands before it
                written += cache_point(mark, place, self._family, self._dropped)
        return written

    def _blocks(self, part: Part, path: str, marks: list[CacheMark]) -> list[Json]:
        if isinstance(part, Thinking | RedactedThinking):
            return self._thinking(part)
        if isinstance(part, Refusal):
            return _text(part.text)
        if isinstance(part, Opaque):
            if part.dialect != BEDROCK_CONVERSE:
                raise unsupported(path, f"({part.kind}) {_NOT_THERE}")
            return [msgspec.json.decode(part.raw)]
        if isinstance(part, ToolResult):
            written = self._tool_result(part, path, marks)
        elif isinstance(part, ToolCall):
            written = self._tool_call(part, path)
        elif isinstance(part, Text):
            if part.citations is not None:
                self._dropped["citations"] = None
            written = _text(part.text)
        else:
            written = [self._media.block(part, path)]
        if part.cache is not None:
            marks.append(part.cache)
        return written

    def _thinking(self, part: Thinking | RedactedThinking) -> list[Json]:
        """Thinking goes back to whom it came from; others could not read it, and refuse what they did not sign."""
        by = part.signed_by if isinstance(part, Thinking) else part.encrypted_by
        if by not in self._family.signers or (isinstance(part, Thinking) and part.signature is None):
            self._dropped["thinking"] = None
            return []
        if isinstance(part, Thinking):
            return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}]
        data = part.data if by == BEDROCK_CONVERSE else base64.b64encode(part.data.encode()).decode()
        return [{"reasoningContent": {"redactedContent": data}}]

    def _tool_call(self, call: ToolCall, path: str) -> list[Json]:
        self._called[call.id] = call.name
        arguments = call.arguments.strip() or "{}"
        try:
            _OBJECT.decode(arguments)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            raise invalid(path, "must be a JSON object") from None
        if self._calls_as_text:
            return [{"text": f"[Called the tool {call.name} with {arguments}]"}]
        return [{"toolUse": {"toolUseId": call_id(call.id), "name": call.name, "input": Raw(arguments.encode())}}]

    def _tool_result(self, result: ToolResult, path: str, marks: list[CacheMark]) -> list[Json]:
        content: list[Json] = []
        for part in result.parts:
            if isinstance(part, Audio):
                raise unsupported(path, "holds audio, which a tool's answer cannot at the provider that was chosen")
            content += self._blocks(part, path, marks)
        if self._calls_as_text:
            name = result.name or self._called.get(result.call_id) or result.call_id
            failed = " failed and" if result.is_error else ""
            return [{"text": f"[The tool {name}{failed} answered:]"}, *content]
        written: Json = {"toolUseId": call_id(result.call_id), "content": content}
        if result.is_error:
            if self._family.tool_status:
                written["status"] = "error"
            else:
                content.insert(0, {"text": "Error:"})
        return [{"toolResult": written}]
