"""Says an Anthropic request in the canonical form; what that cannot carry is a fault with the field's path."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    CacheMark,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    RedactedThinking,
    ResponseFormat,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from onevault.dialects.anthropic.body import (
    Block,
    CacheControl,
    CitationsConfig,
    CountTokensBody,
    InnerBlock,
    MessageIn,
    MessagesBody,
    Source,
    SystemBlock,
    ThinkingIn,
    ToolChoiceIn,
    ToolIn,
)
from onevault.dialects.anthropic.faults import THREAD_UNSUPPORTED
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.wire.extensions import EXTENSION_NAMES
from onevault.dialects.wire.json_body import decoded, fields_of, invalid, present, unsupported
from onevault.dialects.wire.json_schema import strict_schema
from onevault.dialects.wire.signatures import untagged

_TOOL_FIELDS: msgspec.json.Decoder[list[dict[str, Raw]]] = msgspec.json.Decoder(list[dict[str, Raw]])
_CARRIED_TOOL = frozenset(ToolIn.__struct_fields__)
_CARRIED = (frozenset(MessagesBody.__struct_fields__) - {"thread"}) | frozenset(EXTENSION_NAMES)
_MEANINGFUL = frozenset({"container", "mcp_servers", "context_management", "compaction"})
"""Fields that change what the answer is; every other unknown field only tunes."""


class _Edit(msgspec.Struct, frozen=True):
    type: str


class _Edits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edits: tuple[_Edit, ...] = ()


_EDITS = msgspec.json.Decoder(_Edits)
_INNER_BLOCKS: msgspec.json.Decoder[list[InnerBlock]] = msgspec.json.Decoder(list[InnerBlock])
_STRING = msgspec.json.Decoder(str)
_CITATIONS = msgspec.json.Decoder(CitationsConfig)
_MODES = {
    "auto": ToolChoice(mode="auto"),
    "none": ToolChoice(mode="none"),
    "any": ToolChoice(mode="required"),
}
_NOT_THERE = "cannot be said to the provider that was chosen"


def canonical_of(parsed: CountTokensBody, body: bytes) -> ChatRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    hints: list[str] = []
    fields = fields_of(body)
    for name, raw in fields.items():
        if name in _CARRIED or bytes(raw) == b"null":
            continue
        if name == "thread":
            fault = unsupported(name, _NOT_THERE)
            fault.sdk_code = THREAD_UNSUPPORTED
            raise fault
        if name in _MEANINGFUL and not (name == "context_management" and _only_clears(raw)):
            raise unsupported(name, _NOT_THERE)
        hints.append(name)
    if parsed.tools:
        hints += _hints_of_tools(fields["tools"])
    messages = _system(parsed.system)
    for i, message in enumerate(parsed.messages):
        messages += _messages(message, f"messages[{i}]")
    whole = parsed if isinstance(parsed, MessagesBody) else None
    choice = parsed.tool_choice
    return ChatRequest(
        model=parsed.model or "",
        messages=tuple(messages),
        tools=tuple(_tool(tool, f"tools[{i}]") for i, tool in enumerate(parsed.tools or ())),
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        response_format=_response_format(parsed),
        output_tokens_max=whole.max_tokens if whole else None,
        temperature=whole.temperature if whole else None,
        top_p=whole.top_p if whole else None,
        top_k=whole.top_k if whole else None,
        stop=tuple(whole.stop_sequences or ()) if whole else (),
        reasoning=_reasoning(parsed.thinking, None if parsed.output_config is None else parsed.output_config.effort),
        service_tier=whole.service_tier if whole else None,
        user=None if parsed.metadata is None else parsed.metadata.user_id,
        stream=bool(whole and whole.stream),
        hints=tuple(hints),
    )


def _only_clears(context_management: Raw) -> bool:
    """Whether old results and thoughts may be left out, which only saves input, and nothing is summed up. Claude Code always asks
    for that."""
    try:
        edits = _EDITS.decode(context_management).edits
    except msgspec.DecodeError:
        return False
    return all(edit.type.startswith("clear_") for edit in edits)


def _system(system: str | list[SystemBlock] | None) -> list[Message]:
    if not system:
        return []
    if isinstance(system, str):
        return [Message(role=Role.SYSTEM, parts=(Text(text=system),))]
    parts: list[Part] = []
    for i, block in enumerate(system):
        if block.type != "text":
            raise unsupported(f"system[{i}].type", _NOT_THERE)
        parts.append(Text(text=block.text or "", cache=_mark(block.cache_control)))
    return [Message(role=Role.SYSTEM, parts=tuple(parts))]


def _messages(message: MessageIn, path: str) -> list[Message]:
    """One message as one or several: tool results in a row are a message of their own."""
    role = Role(message.role)
    if isinstance(message.content, str):
        return [Message(role=role, parts=(Text(text=message.content),) if message.content else ())]
    runs: list[tuple[Role, list[Part]]] = []
    for j, block in enumerate(message.content):
        part = _part(block, f"{path}.content[{j}]")
        of = Role.TOOL if isinstance(part, ToolResult) else role
        if not runs or runs[-1][0] is not of:
            runs.append((of, []))
        runs[-1][1].append(part)
    return [Message(role=of, parts=tuple(parts)) for of, parts in runs]


def _part(block: Block, path: str) -> Part:
    kind, cache = block.type, _mark(block.cache_control)
    if kind == "text":
        citations = None if bytes(block.citations) in (b"", b"null", b"[]") else block.citations
        return Text(text=block.text or "", cache=cache, citations=citations)
    if kind == "image" and isinstance(block.source, Source):
        return _image(block.source, cache, path)
    if kind == "document" and isinstance(block.source, Source):
        return _document(block, block.source, cache, path)
    if kind == "thinking":
        if not block.signature:
            return Thinking(text=block.thinking or "")
        signature, by = untagged(block.signature, ANTHROPIC_MESSAGES)
        return Thinking(text=block.thinking or "", signature=signature, signed_by=by)
    if kind == "redacted_thinking":
        data, by = untagged(block.data or "", ANTHROPIC_MESSAGES)
        return RedactedThinking(data=data, encrypted_by=by)
    if kind == "tool_use":
        return ToolCall(id=block.id or "", name=block.name or "", arguments=bytes(block.input).decode(), cache=cache)
    if kind == "tool_result":
        return ToolResult(
            call_id=block.tool_use_id or "",
            parts=_result_parts(block.content, f"{path}.content"),
            is_error=block.is_error is True,
            cache=cache,
        )
    raise unsupported(f"{path}.type", _NOT_THERE)


def _result_parts(content: Raw, path: str) -> tuple[Text | Image | File, ...]:
    if present(content) is None:
        return ()
    if bytes(content).startswith(b'"'):
        return (Text(text=decoded(_STRING, bytes(content), at=path)),)
    inner: list[InnerBlock] = decoded(_INNER_BLOCKS, bytes(content), at=path)
    parts: list[Text | Image | File] = []
    for k, block in enumerate(inner):
        here, cache = f"{path}[{k}]", _mark(block.cache_control)
        if block.type == "text":
            parts.append(Text(text=block.text or "", cache=cache))
        elif block.type == "image" and isinstance(block.source, Source):
            parts.append(_image(block.source, cache, here))
        elif block.type == "document" and isinstance(block.source, Source):
            parts.append(_document(block, block.source, cache, here))
        else:
            raise unsupported(f"{here}.type", _NOT_THERE)
    return tuple(parts)


def _image(source: Source, cache: CacheMark | None, path: str) -> Image:
    if source.type == "base64" and source.data is not None:
        return Image(data=source.data, media_type=source.media_type, cache=cache)
    if source.type == "url" and source.url is not None:
        return Image(url=source.url, cache=cache)
    raise unsupported(f"{path}.source", "is known to one provider only; send the image itself or its URL")


def _document(block: Block | InnerBlock, source: Source, cache: CacheMark | None, path: str) -> File:
    url, data, text = None, None, None
    if source.type == "base64" and source.data is not None:
        data = source.data
    elif source.type == "text" and source.data is not None:
        text = source.data
    elif source.type == "url" and source.url is not None:
        url = source.url
    elif source.type == "content":
        text = _text_of(source.content, f"{path}.source.content")
    else:
        raise unsupported(f"{path}.source", "is known to one provider only; send the document itself")
    citations = None
    if present(block.citations) is not None:
        citations = decoded(_CITATIONS, bytes(block.citations), at=f"{path}.citations")
    return File(
        url=url,
        data=data,
        text=text,
        media_type=source.media_type,
        name=block.title,
        context=block.context,
        citations_enabled=citations is not None and citations.enabled is True,
        cache=cache,
    )


def _text_of(content: Raw, path: str) -> str:
    parts = _result_parts(content, path)
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) < len(parts):
        raise unsupported(path, _NOT_THERE)
    return "\n".join(texts)


def _mark(control: CacheControl | None) -> CacheMark | None:
    return None if control is None else CacheMark(ttl="1h" if control.ttl == "1h" else "5m")


def _tool(tool: ToolIn, path: str) -> Tool:
    if tool.type not in (None, "custom"):
        raise unsupported(f"{path}.type", "is a tool that the provider that was chosen does not have")
    return Tool(
        name=tool.name or "",
        description=tool.description,
        parameters=present(tool.input_schema),
        strict=tool.strict,
        cache=_mark(tool.cache_control),
    )


def _hints_of_tools(tools: Raw) -> list[str]:
    """What tools say that the canonical form does not, by name: examples of input, who may call them, when they are loaded."""
    fields = (field for tool in _TOOL_FIELDS.decode(tools) for field in tool.items())
    named = dict.fromkeys(name for name, raw in fields if name not in _CARRIED_TOOL and present(raw) is not None)
    return [f"tools.{name}" for name in named]


def _tool_choice(choice: ToolChoiceIn | None) -> ToolChoice | None:
    if choice is None:
        return None
    mode = _MODES.get(choice.type)
    if mode is not None:
        return mode
    if choice.type == "tool" and choice.name is not None:
        return ToolChoice(mode="tool", name=choice.name)
    raise invalid("tool_choice", "must be auto, any, none, or tool with a name")


def _response_format(parsed: CountTokensBody) -> ResponseFormat | None:
    asked = parsed.output_format
    if parsed.output_config is not None and parsed.output_config.format is not None:
        asked = parsed.output_config.format
    if asked is None:
        return None
    if asked.type != "json_schema" or present(asked.schema) is None:
        raise unsupported("output_config.format.type", _NOT_THERE)
    schema, strict = strict_schema(asked.schema)  # Anthropic keeps to a schema without being asked
    return ResponseFormat(mode="schema", schema=schema, strict=strict)


def _reasoning(thinking: ThinkingIn | None, effort: str | None) -> Reasoning | None:
    if thinking is None:
        return None if effort is None else Reasoning(effort=effort)
    if thinking.type == "disabled":
        return Reasoning(enabled=False)
    if thinking.type not in ("enabled", "adaptive"):
        raise unsupported("thinking.type", _NOT_THERE)
    return Reasoning(
        effort=effort,
        budget_tokens=thinking.budget_tokens,
        adaptive=thinking.type == "adaptive",
        display=thinking.display,
    )
