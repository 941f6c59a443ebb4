"""Writes canonical messages as Anthropic's `system` and `messages`, in the shape that Anthropic demands.

Tool results stand first in the user message after the calls; empty texts and
messages of white space alone, which are refused, are left out; the last assistant
text loses its trailing white space; a conversation that an assistant begins gets a user's word before it; an image that the
assistant made, which only users may show, is shown by the user's next message. Thinking that another provider signed is left out.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    CacheMark,
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
)
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.wire.json_body import invalid, unsupported

_Json = dict[str, Any]

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_KNOWN_AGAIN = ("", ANTHROPIC_MESSAGES)
"""Whose signatures are sent: Anthropic's own, and those of which nobody says whose they are."""
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_MADE = "The image that the assistant made:"
_FIRST_WORD = "(The conversation begins with the assistant.)"


def conversation_of(messages: Sequence[Message], dropped: dict[str, None]) -> tuple[list[_Json], list[_Json]]:
    """`system` and `messages`. Raises Fault UNSUPPORTED_PARAMETER, INVALID_REQUEST for arguments that are no JSON object."""
    system: list[_Json] = []
    written: list[_Json] = []
    after_results = False
    shown: list[_Json] = []
    for i, message in enumerate(messages):
        path = f"messages[{i}]"
        if message.name is not None:
            dropped["messages.name"] = None
        blocks: list[_Json] = []
        calls = 0
        for j, part in enumerate(message.parts):
            if message.role is Role.ASSISTANT and isinstance(part, Image):
                shown += [{"type": "text", "text": _MADE}, *_blocks(part, f"{path}.content[{j}]", dropped)]
            elif isinstance(part, ToolCall):
                blocks += _blocks(part, f"{path}.tool_calls[{calls}].function.arguments", dropped)
                calls += 1
            else:
                blocks += _blocks(part, f"{path}.content[{j}]", dropped)
        blocks = _without_blanks(blocks)
        if message.role in (Role.SYSTEM, Role.DEVELOPER):
            system += blocks
            continue
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if role == "user" and shown:
            blocks = [*blocks, *shown] if message.role is Role.TOOL else [*shown, *blocks]
            shown = []
        if not blocks:
            continue
        if after_results and role == "user":
            written[-1]["content"] += blocks  # results and the user's next words are one message
        else:
            written.append({"role": role, "content": blocks})
        after_results = message.role is Role.TOOL
    if shown:
        written.append({"role": "user", "content": shown})
    if not written and system:
        system, written = [], [{"role": "user", "content": system}]  # instructions alone are what the user says
    if not written:
        raise unsupported("messages", "must have a message with content at the provider that was chosen")
    if written[0]["role"] == "assistant":
        written.insert(0, {"role": "user", "content": [{"type": "text", "text": _FIRST_WORD}]})
    _trim_last(written)
    return system, written


def _without_blanks(blocks: list[_Json]) -> list[_Json]:
    """Anthropic refuses a message whose texts are white space alone; between others it may stand."""
    if any(block["type"] == "text" and block["text"].strip() for block in blocks):
        return blocks
    return [block for block in blocks if block["type"] != "text"]


def _trim_last(written: list[_Json]) -> None:
    """Anthropic refuses a prefilled answer that ends in white space."""
    last = written[-1]
    if last["role"] != "assistant":
        return
    content = last["content"]
    while content and content[-1]["type"] == "text":
        content[-1]["text"] = content[-1]["text"].rstrip()
        if content[-1]["text"]:
            return
        content.pop()
    if not content:
        written.pop()


def _blocks(part: Part, path: str, dropped: dict[str, None]) -> list[_Json]:
    """A part as one block, or none where it is empty."""
    block: _Json
    if isinstance(part, Text):
        if not part.text:
            return []
        block = {"type": "text", "text": part.text}
        if part.citations is not None:
            block["citations"] = part.citations
    elif isinstance(part, Image):
        block = _image(part, dropped)
    elif isinstance(part, File):
        block = _document(part, path)
    elif isinstance(part, Thinking):
        if part.signature is None or part.signed_by not in _KNOWN_AGAIN:
            dropped["thinking"] = None  # without its own signature Anthropic takes no thinking back
            return []
        return [{"type": "thinking", "thinking": part.text, "signature": part.signature}]
    elif isinstance(part, RedactedThinking):
        if part.encrypted_by not in _KNOWN_AGAIN:
            dropped["thinking"] = None
            return []
        return [{"type": "redacted_thinking", "data": part.data}]
    elif isinstance(part, Refusal):
        return [{"type": "text", "text": part.text}] if part.text else []
    elif isinstance(part, ToolCall):
        block = {"type": "tool_use", "id": call_id(part.id), "name": part.name, "input": _input(part, path)}
    elif isinstance(part, ToolResult):
        block = _tool_result(part, path, dropped)
    else:
        kind = part.kind if isinstance(part, Opaque) else type(part).__name__.lower()
        raise unsupported(path, f"({kind}) cannot be said to the provider that was chosen")
    if part.cache is not None:
        block["cache_control"] = cache_control(part.cache)
    return [block]


def cache_control(mark: CacheMark) -> _Json:
    return {"type": "ephemeral"} if mark.ttl == "5m" else {"type": "ephemeral", "ttl": mark.ttl}


def call_id(id: str) -> str:
    """An id that Anthropic takes (`^[a-zA-Z0-9_-]+$`); the same for the same id, and others for others."""
    clean = _NOT_IN_IDS.sub("_", id)
    return clean if clean and clean == id else f"{clean}_{zlib.crc32(id.encode(errors='replace')):08x}"


def _input(call: ToolCall, path: str) -> Raw:
    if not call.arguments.strip():
        return Raw(b"{}")
    try:
        _OBJECT.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise invalid(path, "must be a JSON object") from None
    return Raw(call.arguments.encode())


def _tool_result(result: ToolResult, path: str, dropped: dict[str, None]) -> _Json:
    block: _Json = {"type": "tool_result", "tool_use_id": call_id(result.call_id)}
    parts = result.parts
    only = parts[0] if len(parts) == 1 else None
    if isinstance(only, Text) and only.cache is None:
        block["content"] = only.text
    elif parts:
        block["content"] = [inner for part in parts for inner in _blocks(part, path, dropped)]
    if result.is_error:
        block["is_error"] = True
    return block


def _image(image: Image, dropped: dict[str, None]) -> _Json:
    if image.detail not in (None, "auto"):
        dropped["image_url.detail"] = None
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    media_type = "image/jpeg" if image.media_type == "image/jpg" else image.media_type or "image/png"
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": image.data or ""}}


def _document(file: File, path: str) -> _Json:
    source: _Json
    if file.url is not None:
        source = {"type": "url", "url": file.url}
    elif file.text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": file.text}
    elif file.data is not None and file.media_type == "application/pdf":
        source = {"type": "base64", "media_type": "application/pdf", "data": file.data}
    elif file.data is not None and file.media_type is not None and file.media_type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _text_of(file.data, path)}
    elif file.data is not None and file.media_type is not None and file.media_type.startswith("image/"):
        return {"type": "image", "source": {"type": "base64", "media_type": file.media_type, "data": file.data}}
    else:
        raise unsupported(path, "must be a PDF, a text or an image for the provider that was chosen")
    block: _Json = {"type": "document", "source": source}
    if file.name:
        block["title"] = file.name
    if file.context is not None:
        block["context"] = file.context
    if file.citations_enabled:
        block["citations"] = {"enabled": True}
    return block


def _text_of(data: str, path: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        raise invalid(path, "must be base64 of text in UTF-8") from None
