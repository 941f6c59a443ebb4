"""Writes canonical messages as Gemini's `systemInstruction` and `contents`, in the shape that Google demands.

System messages, wherever they stand, are gathered; turns of one role in a row are one content, so that all results of parallel calls
stand in the one after the calls. A signature goes to the next function call of its turn; without one, to the part after it that is
no text, else to the part before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    Message,
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from onevault.dialects.gemini.models import ModelFacts
from onevault.dialects.gemini.names import GEMINI
from onevault.dialects.gemini.parts import media_parts
from onevault.dialects.gemini.signatures import ANY_SIGNATURE
from onevault.dialects.wire.json_body import fields_of, invalid, unsupported

_Json = dict[str, Any]

_FIRST_WORD = "(The conversation begins with the assistant.)"
_NAMED_IN_RESPONSES = ("output", "error")
"""Fields by which Google reads a response as an output or an error; a result that has one is an output as a whole."""


class ContentWriter:
    """Writes one request's messages. `dropped` gathers what Google cannot be told and that only tunes."""

    def __init__(self, facts: ModelFacts, dropped: dict[str, None]) -> None:
        self._facts = facts
        self._dropped = dropped
        self._names: dict[str, str] = {}
        self._system: list[_Json] = []
        self._contents: list[_Json] = []

    def write(self, messages: Sequence[Message]) -> tuple[list[_Json], list[_Json]]:
        """The parts of the instruction, and the contents. Raises Fault UNSUPPORTED_PARAMETER or INVALID_REQUEST."""
        for i, message in enumerate(messages):
            path = f"messages[{i}]"
            if message.name is not None:
                self._dropped["messages.name"] = None
            if message.role in (Role.SYSTEM, Role.DEVELOPER):
                self._system += self._instruction(message, path)
            elif message.role is Role.ASSISTANT:
                self._add("model", self._said(message.parts, path))
            else:
                self._add("user", self._heard(message.parts, path))
        if not self._contents and self._system:
            self._contents, self._system = [{"role": "user", "parts": self._system}], []
        if not self._contents:
            raise unsupported("messages", "must have a message with content at the provider that was chosen")
        if self._contents[0]["role"] == "model":
            self._contents.insert(0, {"role": "user", "parts": [{"text": _FIRST_WORD}]})
        return self._system, self._contents

    def _add(self, role: str, parts: list[_Json]) -> None:
        if not parts:
            return
        if self._contents and self._contents[-1]["role"] == role:
            self._contents[-1]["parts"] += parts
        else:
            self._contents.append({"role": role, "parts": parts})

    def _instruction(self, message: Message, path: str) -> list[_Json]:
        for j, part in enumerate(message.parts):
            if not isinstance(part, Text):
                raise unsupported(f"{path}.content[{j}]", "must be text for the provider that was chosen")
        return self._heard(message.parts, path)

    # ---- the user's turns and the tools'

    def _heard(self, parts: Sequence[Part], path: str) -> list[_Json]:
        """The results before what is shown beside them."""
        written: list[_Json] = []
        shown: list[_Json] = []
        for j, part in enumerate(parts):
            here = f"{path}.content[{j}]"
            if isinstance(part, ToolResult):
                written.append(self._result(part, here, shown))
            else:
                written += self._plain(part, here)
        return written + shown

    def _result(self, result: ToolResult, path: str, shown: list[_Json]) -> _Json:
        if result.cache is not None:
            self._dropped["cache_control"] = None
        name = result.name or self._names.get(result.call_id)
        if not name:
            raise invalid(path, "answers a call that is not in the conversation")
        texts: list[str] = []
        media: list[_Json] = []
        for part in result.parts:
            if isinstance(part, Text):
                texts.append(part.text)
                self._drop_marks(part)
            else:
                media += self._plain(part, path)
        response = _response("\n".join(texts), is_error=result.is_error, empty=not texts)
        written: _Json = {"id": result.call_id, "name": name, "response": response}
        if media and self._facts.shows_results and all("text" not in part for part in media):
            written["parts"] = media
        elif media:
            shown += [{"text": f"The answer to the call {result.call_id}:"}, *media]
        return {"functionResponse": written}

    # ---- the model's turns

    def _said(self, parts: Sequence[Part], path: str) -> list[_Json]:
        written: list[_Json] = []
        pending: str | None = None
        calls = 0
        for j, part in enumerate(parts):
            if isinstance(part, Thinking):
                if part.signed_by != GEMINI:
                    self._dropped["thinking"] = None
                    continue
                if part.text:
                    written.append({"text": part.text, "thought": True})
                if part.signature:
                    if pending is not None:
                        _sign_last(written, pending)
                    pending = part.signature
                continue
            if isinstance(part, ToolCall):
                call = self._call(part, f"{path}.tool_calls[{calls}].function.arguments")
                if pending is not None:
                    call["thoughtSignature"], pending = pending, None
                elif calls == 0 and self._facts.wants_signatures:
                    call["thoughtSignature"] = ANY_SIGNATURE
                calls += 1
                written.append(call)
                continue
            plain = self._plain(part, f"{path}.content[{j}]")
            if pending is not None and plain and not isinstance(part, Text | Refusal | Opaque):
                plain[-1]["thoughtSignature"], pending = pending, None
            written += plain
        if pending is not None:
            _sign_last(written, pending)
        return written

    def _call(self, call: ToolCall, path: str) -> _Json:
        if call.cache is not None:
            self._dropped["cache_control"] = None
        self._names[call.id] = call.name
        arguments = Raw(b"{}")
        if call.arguments.strip():
            try:
                fields_of(call.arguments)
                arguments = Raw(call.arguments.encode())
            except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
                raise invalid(path, "must be a JSON object") from None
        return {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}

    # ---- what both may say

    def _plain(self, part: Part, path: str) -> list[_Json]:
        """A part as one or several, or none where it is empty."""
        self._drop_marks(part)
        if isinstance(part, Text | Refusal):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Opaque) and part.dialect == GEMINI:
            return [dict(fields_of(part.raw))]
        if isinstance(part, Thinking | RedactedThinking):
            self._dropped["thinking"] = None
            return []
        return media_parts(part, path, self._dropped)

    def _drop_marks(self, part: Part) -> None:
        if isinstance(part, Text) and part.citations is not None:
            self._dropped["citations"] = None
        if getattr(part, "cache", None) is not None:
            self._dropped["cache_control"] = None


def _sign_last(written: list[_Json], signature: str) -> None:
    """To the last part that can be signed: thoughts are not, and a part of its own is always right."""
    if written and not written[-1].get("thought") and "thoughtSignature" not in written[-1]:
        written[-1]["thoughtSignature"] = signature
    else:
        written.append({"text": "", "thoughtSignature": signature})


def _response(text: str, *, is_error: bool, empty: bool) -> _Json | Raw:
    """A JSON object as it is, any other text as an `output` or an `error`."""
    if is_error:
        return {"error": text}
    if empty:
        return {}
    if text.lstrip()[:1] == "{":
        try:
            fields = fields_of(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return {"output": text}
        if not any(name in fields for name in _NAMED_IN_RESPONSES):
            return Raw(text.encode())
    return {"output": text}
