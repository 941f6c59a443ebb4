"""Says the messages of an OpenAI chat request in the canonical form; what that cannot carry is a fault with the field's path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    Audio,
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
    Video,
)
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.openai.chat_body import (
    CacheBreakpoint,
    CacheControl,
    ChatMessage,
    ContentPart,
    FileIn,
    ImageUrl,
    ThinkingBlockIn,
    ToolCallIn,
)
from onevault.dialects.openai.chat_signatures import GEMINI, google_signature, reasoning_details
from onevault.dialects.openai.names import OPENAI_CHAT
from onevault.dialects.wire.data_url import split_data_url
from onevault.dialects.wire.json_body import decoded, present, unsupported
from onevault.dialects.wire.signatures import untagged

_NOT_THERE = "cannot be said to the provider that was chosen"
_ADDRESS = msgspec.json.Decoder(ImageUrl | str)
_IMAGES = msgspec.json.Decoder(list[ContentPart])
_STRING = msgspec.json.Decoder(str)
_THOUGHTS = msgspec.json.Decoder(list[ContentPart] | str)

_Thought = Thinking | RedactedThinking


def messages_of(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Raises Fault UNSUPPORTED_PARAMETER. Calls of the older functions interface, which have no ids, get one by their place."""
    written: list[Message] = []
    called: dict[str, str] = {}
    for i, message in enumerate(messages):
        path = f"messages[{i}]"
        if message.role == "function":
            result = ToolResult(
                call_id=called.get(message.name or "", f"call_{message.name or i}"),
                parts=_result_parts(_content(message, path), path),
                name=message.name,
            )
            written.append(Message(role=Role.TOOL, parts=(result,)))
            continue
        parts = _parts(message, path)
        if message.function_call is not None:
            call = message.function_call
            called[call.name] = f"call_{i}"
            parts.append(ToolCall(id=f"call_{i}", name=call.name, arguments=call.arguments))
        if message.cache_control is not None and parts and message.role != "tool":
            parts[-1] = _marked(parts[-1], mark_of(message.cache_control))
        written.append(Message(role=Role(message.role), parts=tuple(parts), name=message.name))
    return tuple(written)


def _parts(message: ChatMessage, path: str) -> list[Part]:
    if present(message.audio) is not None:
        raise unsupported(f"{path}.audio", "is known to the provider that spoke it only; send what it said as text")
    content = _content(message, path)
    if message.role == "tool":
        return [
            ToolResult(
                call_id=message.tool_call_id or "",
                parts=_result_parts(content, path),
                is_error=message.is_error is True,
                name=message.name,
                cache=mark_of(message.cache_control),
            )
        ]
    thoughts, signatures = _thoughts(message, path)
    calls = message.tool_calls or ()
    parts: list[Part] = [*thoughts, *content]
    if message.refusal:
        parts.append(Refusal(text=message.refusal))
    if present(message.images) is not None:
        images = decoded(_IMAGES, bytes(message.images), at=f"{path}.images")
        parts += [_part(image, f"{path}.images[{j}]") for j, image in enumerate(images)]
    for k, call in enumerate(calls):
        signature = google_signature(call.extra_content)
        if signature is not None:
            parts.append(Thinking(text="", signature=signature, signed_by=GEMINI))
            signatures = [one for one in signatures if one.signature != signature]
        elif signatures:
            parts.append(signatures.pop(0))
        parts.append(_call(call, f"{path}.tool_calls[{k}]"))
    return [*parts, *signatures]


def _call(call: ToolCallIn, path: str) -> ToolCall | Opaque:
    if call.function is not None:
        function = call.function
        return ToolCall(id=call.id, name=function.name, arguments=function.arguments, cache=mark_of(call.cache_control))
    custom = present(call.custom)
    if call.type != "custom" or custom is None:
        raise unsupported(path, "is of a kind that the provider that was chosen does not have")
    raw = Raw(msgspec.json.encode({"id": call.id, "type": call.type, "custom": custom}))
    return Opaque(dialect=OPENAI_CHAT, kind=call.type, raw=raw)


def _thoughts(message: ChatMessage, path: str) -> tuple[list[_Thought], list[Thinking]]:
    """What the message thought, and Gemini's signatures without a text, which belong to its calls or its end.

    `thinking_blocks` and `reasoning_details` say all that `reasoning_content` and `reasoning` say, and the signatures.
    """
    found: list[_Thought] = []
    if message.thinking_blocks:
        found = [_thinking_block(block) for block in message.thinking_blocks]
    else:
        for detail in reasoning_details(message.reasoning_details):
            if detail.type == "reasoning.encrypted" and detail.data and detail.by != GEMINI:
                found.append(RedactedThinking(data=detail.data, encrypted_by=detail.by))
            elif detail.text or detail.summary or detail.signature or detail.data:
                text, signature = detail.text or detail.summary or "", detail.signature or detail.data
                found.append(Thinking(text=text, signature=signature, signed_by=detail.by if signature else ""))
    if not found:
        text = message.reasoning_content or _reasoning_text(message, path)
        return [Thinking(text=text)] if text else [], []
    signatures = [one for one in found if isinstance(one, Thinking) and not one.text and one.signed_by == GEMINI]
    return [one for one in found if one not in signatures], signatures


def _reasoning_text(message: ChatMessage, path: str) -> str:
    if present(message.reasoning) is None:
        return ""
    return decoded(_STRING, bytes(message.reasoning), at=f"{path}.reasoning")


def _thinking_block(block: ThinkingBlockIn) -> _Thought:
    if block.type == "redacted_thinking":
        data, by = untagged(block.data, ANTHROPIC_MESSAGES)
        return RedactedThinking(data=data, encrypted_by=by)
    if block.signature is None:
        return Thinking(text=block.thinking)
    signature, by = untagged(block.signature, ANTHROPIC_MESSAGES)
    return Thinking(text=block.thinking, signature=signature, signed_by=by)


def _content(message: ChatMessage, path: str) -> list[Part]:
    content = message.content
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    if content is None:
        return []
    return [part for j, given in enumerate(content) for part in _several(given, f"{path}.content[{j}]")]


def _several(part: ContentPart, path: str) -> list[Part]:
    """A part as one; Mistral's thinking and what it refers to as any number."""
    if part.type == "thinking":
        return _thinking_part(part.thinking, f"{path}.thinking")
    if part.type == "reference":
        return []  # numbers of sources that only their own answer names
    return [_part(part, path)]


def _thinking_part(raw: Raw, path: str) -> list[Part]:
    if present(raw) is None:
        return []
    thoughts = decoded(_THOUGHTS, bytes(raw), at=path)
    text = thoughts if isinstance(thoughts, str) else "".join(inner.text or "" for inner in thoughts)
    return [Thinking(text=text)] if text else []


def _result_parts(parts: Sequence[Part], path: str) -> tuple[Text | Image | Audio | File, ...]:
    kept: list[Text | Image | Audio | File] = []
    for j, part in enumerate(parts):
        if not isinstance(part, Text | Image | Audio | File):
            raise unsupported(f"{path}.content[{j}]", "cannot be in a tool's answer")
        kept.append(part)
    return tuple(kept)


def _part(part: ContentPart, path: str) -> Part:
    cache = mark_of(part.cache_control, part.prompt_cache_breakpoint)
    if part.type == "text":
        return Text(text=part.text or "", cache=cache)
    if part.type == "refusal":
        return Refusal(text=part.refusal or "")
    if part.type == "image_url" and part.image_url is not None:
        given = ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
        return Image(**_where(given, f"{path}.image_url.url"), detail=given.detail, cache=cache)
    if part.type == "input_audio" and part.input_audio is not None:
        return Audio(data=part.input_audio.data, format=part.input_audio.format, cache=cache)
    if part.type == "video_url" and present(part.video_url) is not None:
        return Video(**_where(_address(part.video_url, f"{path}.video_url"), f"{path}.video_url.url"), cache=cache)
    if part.type == "document_url" and present(part.document_url) is not None:  # as Mistral takes it
        address = _address(part.document_url, f"{path}.document_url")
        return File(**_where(address, f"{path}.document_url"), cache=cache)
    if part.type == "file" and part.file is not None:
        return _file(part.file, cache, f"{path}.file")
    raise unsupported(f"{path}.type", "is not known to the provider that was chosen")


def _address(raw: Raw, path: str) -> ImageUrl:
    given = decoded(_ADDRESS, bytes(raw), at=path)
    return ImageUrl(given) if isinstance(given, str) else given


def _where(given: ImageUrl, path: str) -> dict[str, Any]:
    """An address as the fields of a medium: its `url`, or the `data` and `media_type` of a data URL."""
    data = split_data_url(given.url)
    if data is not None:
        return {"data": data.base64, "media_type": data.media_type}
    if not given.url.startswith(("http://", "https://")):
        raise unsupported(path, "must be an http(s) or a base64 data URL")
    return {"url": given.url}


def _file(file: FileIn, cache: CacheMark | None, path: str) -> File:
    if file.file_data is None:
        raise unsupported(f"{path}.file_id", "is known to one provider only; send the file itself")
    if file.file_data.startswith(("http://", "https://")):  # as OpenRouter takes it
        return File(url=file.file_data, name=file.filename, cache=cache)
    data = split_data_url(file.file_data)
    if data is None:
        raise unsupported(f"{path}.file_data", "must be a base64 data URL")
    return File(data=data.base64, media_type=data.media_type, name=file.filename, cache=cache)


def mark_of(control: CacheControl | None, breakpoint_asked: CacheBreakpoint | None = None) -> CacheMark | None:
    """A cache mark as Anthropic's clients write it, or OpenAI's explicit breakpoint (its 12 hours are the longer mark)."""
    if control is not None:
        return CacheMark(ttl="1h" if control.ttl == "1h" else "5m")
    if breakpoint_asked is not None and breakpoint_asked.mode == "explicit":
        return CacheMark(ttl="1h" if breakpoint_asked.ttl == "12h" else "5m")
    return None


def _marked(part: Part, mark: CacheMark | None) -> Part:
    if isinstance(part, Text | Image | Audio | Video | File | ToolCall) and part.cache is None:
        return msgspec.structs.replace(part, cache=mark)
    return part
