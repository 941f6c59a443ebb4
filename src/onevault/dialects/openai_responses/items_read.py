"""Says a caller's input items as canonical messages: what the assistant did in a row is one turn, results in a row are one message."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from onevault.core.chat import (
    Audio,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from onevault.dialects.openai.chat_conversation import mark_of
from onevault.dialects.openai_responses.body import CALL_OUTPUT, STRING, ContentPart, ItemIn
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.openai_responses.reasoning import thinking_of
from onevault.dialects.wire.data_url import split_data_url
from onevault.dialects.wire.json_body import decoded, unsupported

_NOT_THERE = "cannot be said to the provider that was chosen"
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_DEFAULT_FILE_TYPE = "application/pdf"


def messages_of(items: Sequence[ItemIn], raws: Sequence[Raw], hints: dict[str, None]) -> list[Message]:
    """`raws` are the items as they came. Raises Fault UNSUPPORTED_PARAMETER."""
    runs: list[tuple[Role, list[Part]]] = []
    for i, item in enumerate(items):
        role, parts = _parts(item, raws[i], f"input[{i}]", hints)
        if runs and runs[-1][0] is role and role in (Role.ASSISTANT, Role.TOOL):
            runs[-1][1].extend(parts)
        else:
            runs.append((role, parts))
    return [Message(role=role, parts=tuple(parts)) for role, parts in runs]


def _parts(item: ItemIn, raw: Raw, path: str, hints: dict[str, None]) -> tuple[Role, list[Part]]:
    kind = item.kind
    if kind == "message":
        if item.phase is not None:
            hints["input.phase"] = None
        role = Role(item.role or "")
        return role, list(_content(item.content or "", f"{path}.content", hints))
    if kind == "function_call" and item.namespace is None:
        arguments = decoded(STRING, bytes(item.arguments or b'""'))
        return Role.ASSISTANT, [ToolCall(id=item.call_id or "", name=item.name or "", arguments=arguments)]
    if kind == "function_call_output":
        if item.call_id is None:
            raise unsupported(f"{path}.call_id", "is missing, so it answers no call that the provider would know")
        return Role.TOOL, [_result(item, item.call_id, path, hints)]
    if kind == "reasoning":
        return Role.ASSISTANT, _thinking(item)
    if kind == "item_reference":
        raise unsupported(
            f"{path}.id",
            "names what only the provider that keeps it knows; send the item itself, as SDKs do with store: false",
        )
    return Role.ASSISTANT, [Opaque(dialect=OPENAI_RESPONSES, kind=kind, raw=raw)]


def _thinking(item: ItemIn) -> list[Part]:
    """The summaries as one text; the reasoning itself where the provider shows that and the caller gives no summary."""
    shown = item.content if isinstance(item.content, list) else []
    text = "\n\n".join(part.text or "" for part in item.summary or shown)
    if item.encrypted_content:
        return [thinking_of(item.id or "", text, item.encrypted_content)]
    if not text:
        return []
    if shown and not item.summary and item.id:
        return [thinking_of(item.id, text, "")]
    return [Thinking(text=text)]


def _result(item: ItemIn, call_id: str, path: str, hints: dict[str, None]) -> ToolResult:
    at = f"{path}.output"
    kept: list[Text | Image | Audio | File | Opaque] = []
    for j, part in enumerate(_content(decoded(CALL_OUTPUT, bytes(item.output), at=at), at, hints)):
        if not isinstance(part, Text | Image | Audio | File):
            raise unsupported(f"{at}[{j}]", "cannot be in a tool's answer")
        kept.append(part)
    return ToolResult(call_id=call_id, parts=tuple(kept), name=item.name)


def _content(content: str | list[ContentPart], path: str, hints: dict[str, None]) -> list[Part]:
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    for part in content:
        if bytes(part.annotations) not in (b"", b"null", b"[]"):
            hints["input.annotations"] = None
    return [_part(part, f"{path}[{j}]") for j, part in enumerate(content)]


def _part(part: ContentPart, path: str) -> Part:
    kind, cache = part.type, mark_of(None, part.prompt_cache_breakpoint)
    if kind in _TEXTS:
        return Text(text=part.text or "", cache=cache)
    if kind == "refusal":
        return Refusal(text=part.refusal or "")
    if kind == "input_image":
        if part.image_url is None:
            raise unsupported(f"{path}.file_id", "is known to one provider only; send the image itself or its URL")
        data = split_data_url(part.image_url)
        if data is not None:
            return Image(data=data.base64, media_type=data.media_type, detail=part.detail, cache=cache)
        if not part.image_url.startswith(("http://", "https://")):
            raise unsupported(f"{path}.image_url", "must be an http(s) or a base64 data URL")
        return Image(url=part.image_url, detail=part.detail, cache=cache)
    if kind == "input_file":
        return _file(part, path)
    if kind == "input_audio" and part.input_audio is not None:
        return Audio(data=part.input_audio.data, format=part.input_audio.format)
    raise unsupported(f"{path}.type", "is not known to the provider that was chosen")


def _file(part: ContentPart, path: str) -> File:
    cache = mark_of(None, part.prompt_cache_breakpoint)
    if part.file_data is not None:
        data = split_data_url(part.file_data)
        if data is not None:
            return File(data=data.base64, media_type=data.media_type, name=part.filename, cache=cache)
        if ":" in part.file_data[:32]:
            raise unsupported(f"{path}.file_data", "must be base64 or a base64 data URL")
        return File(data=part.file_data, media_type=_DEFAULT_FILE_TYPE, name=part.filename, cache=cache)
    if part.file_url is not None:
        return File(url=part.file_url, name=part.filename, cache=cache)
    raise unsupported(f"{path}.file_id", "is known to one provider only; send the file itself or its URL")
