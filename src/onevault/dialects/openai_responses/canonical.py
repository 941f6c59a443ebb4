"""Says a responses request in the canonical form; what that cannot carry is a fault with the field's path."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    ChatRequest,
    Message,
    Opaque,
    Reasoning,
    ResponseFormat,
    Role,
    Text,
    Tool,
    ToolChoice,
)
from onevault.dialects.openai_responses.body import FormatIn, NamedChoice, ReasoningIn, ResponsesBody, ToolIn
from onevault.dialects.openai_responses.items_read import messages_of
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.wire.extensions import EXTENSION_NAMES
from onevault.dialects.wire.json_body import fields_of, present, unsupported

_CARRIED = frozenset(ResponsesBody.__struct_fields__) | frozenset(EXTENSION_NAMES) | {"stream_options"}
_MEANINGFUL = frozenset({"context_management", "moderation"})
"""Fields that change what the answer is; every other unknown field only tunes."""
_KEPT_AT_PROVIDER = ("previous_response_id", "conversation", "prompt")

_NOT_THERE = "cannot be said to the provider that was chosen"
_RAWS = msgspec.json.Decoder(list[Raw])
_MODES = {
    "auto": ToolChoice(mode="auto"),
    "none": ToolChoice(mode="none"),
    "required": ToolChoice(mode="required"),
}
ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"


def canonical_of(parsed: ResponsesBody, body: bytes) -> ChatRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    fields = {name: raw for name, raw in fields_of(body).items() if bytes(raw) != b"null"}
    hints: dict[str, None] = {}
    for name in fields:
        if name in _MEANINGFUL:
            raise unsupported(name, _NOT_THERE)
        if name in _KEPT_AT_PROVIDER:
            raise unsupported(name, "names what only the provider that keeps it knows; send the conversation itself")
        if name not in _CARRIED:
            hints[name] = None
    _add_hints(parsed, hints)
    messages = [Message(role=Role.SYSTEM, parts=(Text(text=parsed.instructions),))] if parsed.instructions else []
    if isinstance(parsed.input, str):
        messages.append(Message(role=Role.USER, parts=(Text(text=parsed.input),)))
    elif parsed.input is not None:
        messages += messages_of(parsed.input, _RAWS.decode(fields["input"]), hints)
    tools = _RAWS.decode(fields.get("tools", b"[]"))
    asked = parsed.text
    return ChatRequest(
        model=parsed.model or "",
        messages=tuple(messages),
        tools=tuple(_tool(tool, tools[i], hints) for i, tool in enumerate(parsed.tools or ())),
        tool_choice=_tool_choice(parsed.tool_choice),
        parallel_tool_calls=parsed.parallel_tool_calls,
        response_format=_response_format(asked.format) if asked is not None and asked.format is not None else None,
        output_tokens_max=parsed.max_output_tokens,
        temperature=parsed.temperature,
        top_p=parsed.top_p,
        logprobs=True if parsed.top_logprobs or LOGPROBS in (parsed.include or ()) else None,
        top_logprobs=parsed.top_logprobs or None,
        reasoning=_reasoning(parsed.reasoning) if parsed.reasoning is not None else None,
        verbosity=None if asked is None else asked.verbosity,
        service_tier=parsed.service_tier,
        metadata=parsed.metadata,
        user=parsed.user if parsed.user is not None else parsed.safety_identifier,
        stream=parsed.stream is True,
        hints=tuple(hints),
    )


def _add_hints(parsed: ResponsesBody, hints: dict[str, None]) -> None:
    """What the dialect's own fields ask for beside the answer itself."""
    if parsed.background:
        raise unsupported("background", "is not possible at the provider that was chosen")
    if parsed.store:
        hints["store"] = None
    if parsed.truncation not in (None, "disabled"):
        hints["truncation"] = None
    if parsed.takes_several_passes:
        hints["reasoning.mode"] = None
    if parsed.max_tool_calls is not None:
        hints["max_tool_calls"] = None
    if set(parsed.include or ()) - {ENCRYPTED, LOGPROBS}:
        hints["include"] = None


def _tool(tool: ToolIn, raw: Raw, hints: dict[str, None]) -> Tool | Opaque:
    if tool.type != "function":
        return Opaque(dialect=OPENAI_RESPONSES, kind=tool.type, raw=raw)
    for name in ("defer_loading", "allowed_callers", "output_schema"):
        if getattr(tool, name):
            hints[f"tools.{name}"] = None
    return Tool(
        name=tool.name or "",
        description=tool.description,
        parameters=present(tool.parameters),
        strict=tool.strict,
    )


def _tool_choice(choice: str | NamedChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        mode = _MODES.get(choice)
        if mode is not None:
            return mode
    elif choice.type == "function" and choice.name is not None:
        return ToolChoice(mode="tool", name=choice.name)
    raise unsupported("tool_choice", _NOT_THERE)


def _response_format(asked: FormatIn) -> ResponseFormat:
    if asked.type == "text":
        return ResponseFormat(mode="text")
    if asked.type == "json_object":
        return ResponseFormat(mode="json")
    if asked.type == "json_schema":
        return ResponseFormat(
            mode="schema",
            name=asked.name,
            description=asked.description,
            schema=present(asked.schema),
            strict=asked.strict,
        )
    raise unsupported("text.format.type", _NOT_THERE)


def _reasoning(asked: ReasoningIn) -> Reasoning | None:
    if asked.effort == "none":
        return Reasoning(enabled=False)
    display = "summarized" if asked.summary or asked.generate_summary else None
    if asked.effort is None and display is None:
        return None
    return Reasoning(effort=asked.effort, display=display)
