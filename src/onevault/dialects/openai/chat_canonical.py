"""Says an OpenAI chat request in the canonical form; what that cannot carry is a fault with the field's path."""

from __future__ import annotations

import msgspec

from onevault.core.chat import (
    Audio,
    CacheMark,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    RedactedThinking,
    Refusal,
    ResponseFormat,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from onevault.dialects.openai.chat_body import (
    CacheBreakpoint,
    CacheControl,
    ChatBody,
    ChatMessage,
    ContentPart,
    ImageUrl,
    NamedChoice,
    ResponseFormatIn,
    ThinkingBlockIn,
    ToolIn,
)
from onevault.dialects.wire.data_url import split_data_url
from onevault.dialects.wire.extensions import EXTENSION_NAMES
from onevault.dialects.wire.json_body import fields_of, present, unsupported

_CARRIED = frozenset(ChatBody.__struct_fields__) | frozenset(EXTENSION_NAMES) | {"logit_bias", "modalities"}
_MEANINGFUL = frozenset({"audio", "functions", "function_call", "web_search_options", "moderation", "plugins"})
"""Fields that change what the answer is; every other unknown field only tunes."""

_NULL = b"null"
_MODES = {
    "auto": ToolChoice(mode="auto"),
    "none": ToolChoice(mode="none"),
    "required": ToolChoice(mode="required"),
    "any": ToolChoice(mode="required"),  # as Mistral writes it
}


def canonical_of(parsed: ChatBody, body: bytes) -> ChatRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    fields = fields_of(body)
    hints: list[str] = []
    for name, raw in fields.items():
        if name in _CARRIED or bytes(raw) == _NULL:
            continue
        if name in _MEANINGFUL:
            raise unsupported(name, "cannot be said to the provider that was chosen")
        hints.append(name)
    modalities = fields.get("modalities")
    if modalities is not None and b"audio" in bytes(modalities):
        raise unsupported("modalities", "cannot ask the provider that was chosen for audio")
    logit_bias = fields.get("logit_bias")
    newer, older = parsed.max_completion_tokens, parsed.max_tokens
    return ChatRequest(
        model=parsed.model or "",
        messages=tuple(_message(message, f"messages[{i}]") for i, message in enumerate(parsed.messages)),
        tools=tuple(_tool(tool, f"tools[{i}]") for i, tool in enumerate(parsed.tools or ())),
        tool_choice=_tool_choice(parsed.tool_choice),
        parallel_tool_calls=parsed.parallel_tool_calls,
        response_format=_response_format(parsed.response_format),
        output_tokens_max=older if newer is None else newer if older is None else min(older, newer),
        temperature=parsed.temperature,
        top_p=parsed.top_p,
        stop=(parsed.stop,) if isinstance(parsed.stop, str) else tuple(parsed.stop or ()),
        n=parsed.n or 1,
        seed=parsed.seed,
        frequency_penalty=parsed.frequency_penalty,
        presence_penalty=parsed.presence_penalty,
        logit_bias=None if logit_bias is None or bytes(logit_bias) in (_NULL, b"{}") else logit_bias,
        logprobs=parsed.logprobs,
        top_logprobs=parsed.top_logprobs,
        reasoning=_reasoning(parsed.reasoning_effort),
        verbosity=parsed.verbosity,
        service_tier=parsed.service_tier,
        metadata=parsed.metadata,
        user=parsed.user,
        stream=parsed.stream is True,
        hints=tuple(hints),
    )


def _message(message: ChatMessage, path: str) -> Message:
    if message.function_call is not None or message.role == "function":
        raise unsupported(f"{path}.role", "is of the older functions interface; use tools")
    if present(message.audio) is not None:
        raise unsupported(f"{path}.audio", "cannot be said to the provider that was chosen")
    parts: list[Part] = list(_thinking(message))
    content = message.content
    if isinstance(content, str):
        if content:
            parts.append(Text(text=content))
    elif content is not None:
        parts += [_part(part, f"{path}.content[{j}]") for j, part in enumerate(content)]
    if message.refusal:
        parts.append(Refusal(text=message.refusal))
    for k, call in enumerate(message.tool_calls or ()):
        if call.function is None:
            raise unsupported(f"{path}.tool_calls[{k}]", "is of a kind that the provider that was chosen does not have")
        parts.append(
            ToolCall(
                id=call.id,
                name=call.function.name,
                arguments=call.function.arguments,
                cache=_mark(call.cache_control),
            )
        )
    if message.role == "tool":
        parts = [_tool_result(message, parts, path)]
    elif message.cache_control is not None and parts:
        parts[-1] = _marked(parts[-1], _mark(message.cache_control))
    return Message(role=Role(message.role), parts=tuple(parts), name=message.name)


def _tool_result(message: ChatMessage, parts: list[Part], path: str) -> ToolResult:
    kept: list[Text | Image | File] = []
    for j, part in enumerate(parts):
        if not isinstance(part, Text | Image | File):
            raise unsupported(f"{path}.content[{j}]", "cannot be in a tool's answer")
        kept.append(part)
    return ToolResult(
        call_id=message.tool_call_id or "",
        parts=tuple(kept),
        is_error=message.is_error is True,
        cache=_mark(message.cache_control),
    )


def _thinking(message: ChatMessage) -> list[Thinking | RedactedThinking]:
    """`thinking_blocks` say all that `reasoning_content` says, and the signatures."""
    if message.thinking_blocks:
        return [_thinking_block(block) for block in message.thinking_blocks]
    return [Thinking(text=message.reasoning_content)] if message.reasoning_content else []


def _thinking_block(block: ThinkingBlockIn) -> Thinking | RedactedThinking:
    if block.type == "redacted_thinking":
        return RedactedThinking(data=block.data)
    return Thinking(text=block.thinking, signature=block.signature)


def _part(part: ContentPart, path: str) -> Part:
    cache = _mark(part.cache_control, part.prompt_cache_breakpoint)
    if part.type == "text":
        return Text(text=part.text or "", cache=cache)
    if part.type == "refusal":
        return Refusal(text=part.refusal or "")
    if part.type == "image_url" and part.image_url is not None:
        given = ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
        url, detail = given.url, given.detail
        data = split_data_url(url)
        if data is not None:
            return Image(data=data.base64, media_type=data.media_type, detail=detail, cache=cache)
        if not url.startswith(("http://", "https://")):
            raise unsupported(f"{path}.image_url.url", "must be an http(s) or a base64 data URL")
        return Image(url=url, detail=detail, cache=cache)
    if part.type == "input_audio" and part.input_audio is not None:
        return Audio(data=part.input_audio.data, format=part.input_audio.format, cache=cache)
    if part.type == "file" and part.file is not None:
        if part.file.file_data is None:
            raise unsupported(f"{path}.file.file_id", "is known to one provider only; send the file itself")
        if part.file.file_data.startswith(("http://", "https://")):  # as OpenRouter takes it
            return File(url=part.file.file_data, name=part.file.filename, cache=cache)
        data = split_data_url(part.file.file_data)
        if data is None:
            raise unsupported(f"{path}.file.file_data", "must be a base64 data URL")
        return File(data=data.base64, media_type=data.media_type, name=part.file.filename, cache=cache)
    raise unsupported(f"{path}.type", "is not known to the provider that was chosen")


def _mark(control: CacheControl | None, breakpoint_asked: CacheBreakpoint | None = None) -> CacheMark | None:
    if control is not None:
        return CacheMark(ttl="1h" if control.ttl == "1h" else "5m")
    if breakpoint_asked is not None and breakpoint_asked.mode == "explicit":
        return CacheMark(ttl="1h" if breakpoint_asked.ttl == "12h" else "5m")
    return None


def _marked(part: Part, mark: CacheMark | None) -> Part:
    if isinstance(part, Text | Image | Audio | File | ToolCall | ToolResult) and part.cache is None:
        return msgspec.structs.replace(part, cache=mark)
    return part


def _tool(tool: ToolIn, path: str) -> Tool:
    if tool.function is None:
        raise unsupported(f"{path}.type", "is a kind of tool that the provider that was chosen does not have")
    function = tool.function
    return Tool(
        name=function.name,
        description=function.description,
        parameters=present(function.parameters),
        strict=function.strict,
        cache=_mark(tool.cache_control or function.cache_control),
    )


def _tool_choice(choice: str | NamedChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        mode = _MODES.get(choice)
        if mode is not None:
            return mode
    elif choice.type == "function" and choice.function is not None:
        return ToolChoice(mode="tool", name=choice.function.name)
    raise unsupported("tool_choice", "cannot be said to the provider that was chosen")


def _response_format(asked: ResponseFormatIn | None) -> ResponseFormat | None:
    if asked is None:
        return None
    if asked.type == "text":
        return ResponseFormat(mode="text")
    if asked.type == "json_object":
        return ResponseFormat(mode="json")
    if asked.type == "json_schema" and asked.json_schema is not None:
        schema = asked.json_schema
        return ResponseFormat(
            mode="schema",
            name=schema.name,
            description=schema.description,
            schema=present(schema.schema),
            strict=schema.strict,
        )
    raise unsupported("response_format.type", "cannot be said to the provider that was chosen")


def _reasoning(effort: str | None) -> Reasoning | None:
    if effort is None:
        return None
    return Reasoning(enabled=False) if effort == "none" else Reasoning(effort=effort)
