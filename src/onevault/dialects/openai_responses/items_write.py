"""Writes canonical messages as input items: a turn of the assistant becomes a row of them, in its own order.

Reasoning goes back where this dialect's provider signed it and what it led to follows; other thinking is named in `dropped`. A failed
tool call begins with "Error: ". Images that the assistant made follow in a user's message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from onevault.core.chat import (
    Audio,
    File,
    Image,
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
    Video,
)
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.openai_responses.reasoning import unpacked
from onevault.dialects.wire.data_url import data_url
from onevault.dialects.wire.json_body import unsupported

_Json = dict[str, Any]


def items_of(messages: Sequence[Message], dropped: dict[str, None]) -> list[_Json | Raw]:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    items: list[_Json | Raw] = []
    shown: list[_Json] = []
    for i, message in enumerate(messages):
        path = f"messages[{i}]"
        if message.name is not None:
            dropped["messages.name"] = None
        if message.role is Role.TOOL:
            items += [_result(part, f"{path}.content[{j}]", dropped) for j, part in enumerate(message.parts)]
            continue
        _show(shown, items)
        if message.role is Role.ASSISTANT:
            _Turn(items, shown, dropped).add(message.parts, path)
        else:
            content = [_content(part, f"{path}.content[{j}]", dropped) for j, part in enumerate(message.parts)]
            items.append({"role": message.role.value, "content": _plain(content)})
    _show(shown, items)
    return items


def _show(shown: list[_Json], items: list[_Json | Raw]) -> None:
    if shown:
        items.append({"role": "user", "content": list(shown)})
        shown.clear()


class _Turn:
    """One turn of the assistant: texts in a row are one message, and each call or piece of reasoning is an item."""

    def __init__(self, items: list[_Json | Raw], shown: list[_Json], dropped: dict[str, None]) -> None:
        self._items = items
        self._shown = shown
        self._dropped = dropped
        self._content: list[_Json] = []
        self._reasoning: list[_Json] = []

    def add(self, parts: Sequence[Part], path: str) -> None:
        for j, part in enumerate(parts):
            self._part(part, f"{path}.content[{j}]")
        self._end_message()
        if self._reasoning:
            self._dropped["thinking"] = None  # a provider refuses reasoning that led to nothing

    def _part(self, part: Part, path: str) -> None:
        if isinstance(part, Text | Refusal):
            self._take_reasoning()
            if isinstance(part, Refusal):
                self._content.append({"type": "refusal", "refusal": part.text})
            elif part.text:
                _note(part, self._dropped)
                self._content.append({"type": "output_text", "text": part.text})
            return
        if isinstance(part, Thinking | RedactedThinking):
            self._end_message()
            item = _reasoning(part)
            if item is None:
                self._dropped["thinking"] = None
            else:
                self._reasoning.append(item)
            return
        if isinstance(part, Image):
            self._shown += [
                {"type": "input_text", "text": "The image that the assistant made:"},
                _content(part, path, self._dropped),
            ]
            return
        self._end_message()
        self._take_reasoning()
        if isinstance(part, ToolCall):
            if part.cache is not None:
                self._dropped["cache_control"] = None
            call = {"call_id": part.id, "name": part.name, "arguments": part.arguments or "{}"}
            self._items.append({"type": "function_call", **call})
        elif isinstance(part, Opaque) and part.dialect == OPENAI_RESPONSES:
            self._items.append(part.raw)
        else:
            raise _not_there(part, path)

    def _take_reasoning(self) -> None:
        self._items += self._reasoning
        self._reasoning = []

    def _end_message(self) -> None:
        if self._content:
            only = self._content[0] if len(self._content) == 1 else {}
            content = only["text"] if only.get("type") == "output_text" else self._content
            self._items.append({"role": "assistant", "content": content})
            self._content = []


def _reasoning(part: Thinking | RedactedThinking) -> _Json | None:
    """A reasoning item, if the provider of this dialect will know it; with nothing encrypted its text itself goes back."""
    by, signature, text = (
        (part.signed_by, part.signature or "", part.text)
        if isinstance(part, Thinking)
        else (part.encrypted_by, part.data, "")
    )
    if by != OPENAI_RESPONSES or not signature:
        return None
    id, encrypted = unpacked(signature)
    item: _Json = {"type": "reasoning"}
    if id:
        item["id"] = id
    item["summary"] = []
    if encrypted:
        if text:
            item["summary"].append({"type": "summary_text", "text": text})
        item["encrypted_content"] = encrypted
    else:
        item["content"] = [{"type": "reasoning_text", "text": text}]
    return item


def _result(part: Part, path: str, dropped: dict[str, None]) -> _Json:
    if not isinstance(part, ToolResult):
        raise _not_there(part, path)
    if part.cache is not None:
        dropped["cache_control"] = None
    output = [_content(inner, f"{path}.content[{k}]", dropped) for k, inner in enumerate(part.parts)]
    if part.is_error:
        if output and output[0]["type"] == "input_text":
            output[0]["text"] = f"Error: {output[0]['text']}"
        else:
            output.insert(0, {"type": "input_text", "text": "Error: "})
    return {"type": "function_call_output", "call_id": part.call_id, "output": _plain(output)}


def _plain(content: list[_Json]) -> str | list[_Json]:
    """A single text as a string: compatible servers all take that, and not all take parts."""
    if not content:
        return ""
    if len(content) == 1 and content[0]["type"] == "input_text":
        return str(content[0]["text"])
    return content


def _content(part: Part, path: str, dropped: dict[str, None]) -> _Json:
    if isinstance(part, Text):
        _note(part, dropped)
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        _note(part, dropped)
        url = part.url if part.url is not None else data_url(part.media_type or "image/png", part.data or "")
        return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
    if isinstance(part, File):
        _note(part, dropped)
        return _file(part, path, dropped)
    if isinstance(part, Refusal):
        return {"type": "input_text", "text": part.text}
    raise _not_there(part, path)


def _note(part: Text | Image | File, dropped: dict[str, None]) -> None:
    """The marks on content that this dialect has no place for."""
    if part.cache is not None:
        dropped["cache_control"] = None
    if isinstance(part, Text) and part.citations is not None:
        dropped["citations"] = None
    if isinstance(part, File) and part.citations_enabled:
        dropped["citations"] = None


def _file(part: File, path: str, dropped: dict[str, None]) -> _Json:
    if part.text is not None:
        named = "\n".join(line for line in (part.name, part.context) if line)
        return {"type": "input_text", "text": f"{named}\n\n{part.text}" if named else part.text}
    if part.context is not None:
        dropped["context"] = None
    if part.url is not None:
        if part.name is not None:
            dropped["filename"] = None  # a document by URL has the name that its server gives it
        return {"type": "input_file", "file_url": part.url}
    if part.data is None:
        raise unsupported(path, "names a document by an id that another provider gave; send the document itself")
    address = data_url(part.media_type or "application/pdf", part.data)
    return {"type": "input_file", "filename": part.name or "document.pdf", "file_data": address}


def _not_there(part: Part, path: str) -> Exception:
    kind = part.kind if isinstance(part, Opaque) else type(part).__name__.lower()
    if isinstance(part, Audio | Video):
        return unsupported(path, f"is {kind}, which the provider that was chosen does not take")
    return unsupported(path, f"({kind}) cannot be said to the provider that was chosen")
