"""Says an OpenAI chat request in the canonical form; what that cannot carry is a fault with the field's path."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from onevault.core.chat import ChatRequest, Opaque, Reasoning, ResponseFormat, Speech, Tool, ToolChoice
from onevault.dialects.openai.chat_body import (
    ChatBody,
    Count,
    FunctionIn,
    NamedChoice,
    NamedFunction,
    ResponseFormatIn,
    ToolIn,
)
from onevault.dialects.openai.chat_conversation import mark_of, messages_of
from onevault.dialects.openai.names import OPENAI_CHAT
from onevault.dialects.wire.extensions import EXTENSION_NAMES
from onevault.dialects.wire.json_body import decoded, fields_of, present, unsupported

_CARRIED = frozenset(ChatBody.__struct_fields__) | frozenset(EXTENSION_NAMES)
_MEANINGFUL = frozenset({"web_search_options", "moderation", "plugins"})
"""Fields that change what the answer is; every other unknown field only tunes."""

_MODES = {
    "auto": ToolChoice(mode="auto"),
    "none": ToolChoice(mode="none"),
    "required": ToolChoice(mode="required"),
    "any": ToolChoice(mode="required"),  # as Mistral writes it
}


class ReasoningIn(msgspec.Struct, frozen=True):
    """`reasoning` as OpenRouter takes it."""

    effort: str | None = None
    max_tokens: Count | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class ThinkingIn(msgspec.Struct, frozen=True):
    """`thinking` as LiteLLM, DeepSeek and Z.ai take it."""

    type: str
    budget_tokens: Count | None = None


class VoiceIn(msgspec.Struct, frozen=True):
    id: str


class AudioOut(msgspec.Struct, frozen=True):
    """The voice is a name, or an id of the caller's own at OpenAI."""

    voice: str | VoiceIn
    format: str | None = None


_FUNCTIONS = msgspec.json.Decoder(list[FunctionIn])
_FUNCTION_CALL = msgspec.json.Decoder(str | NamedFunction)
_REASONING = msgspec.json.Decoder(ReasoningIn)
_THINKING = msgspec.json.Decoder(ThinkingIn)
_AUDIO = msgspec.json.Decoder(AudioOut)
_NAMES = msgspec.json.Decoder(list[str])
_RAWS = msgspec.json.Decoder(list[Raw])
_COUNT = msgspec.json.Decoder(int)


def canonical_of(parsed: ChatBody, body: bytes) -> ChatRequest:
    """Raises Fault UNSUPPORTED_PARAMETER, or INVALID_REQUEST for a field that only a translation reads."""
    fields = {name: raw for name, raw in fields_of(body).items() if bytes(raw) != b"null"}
    modalities = decoded(_NAMES, bytes(fields.pop("modalities", b"[]")), at="modalities")
    speech = _speech(fields.pop("audio", None))
    functions = decoded(_FUNCTIONS, bytes(fields.pop("functions", b"[]")), at="functions")
    tools = tuple(_tool(tool, i, fields) for i, tool in enumerate(parsed.tools or ()))
    choice = _tool_choice(parsed.tool_choice)
    if functions:
        tools += tuple(_function(function) for function in functions)
        choice = choice or _function_choice(fields.pop("function_call", None))
    reasoning = _reasoning(parsed.reasoning_effort, fields.pop("reasoning", None), fields.pop("thinking", None))
    top_k, seed = fields.pop("top_k", None), fields.pop("random_seed", None)
    logit_bias = fields.pop("logit_bias", None)
    newer, older = parsed.max_completion_tokens, parsed.max_tokens
    return ChatRequest(
        model=parsed.model or "",
        messages=messages_of(parsed.messages),
        tools=tools,
        tool_choice=choice,
        # The older functions interface has room for one call in an answer.
        parallel_tool_calls=False if functions and not parsed.tools else parsed.parallel_tool_calls,
        response_format=_response_format(parsed.response_format),
        output_tokens_max=older if newer is None else newer if older is None else min(older, newer),
        temperature=parsed.temperature,
        top_p=parsed.top_p,
        top_k=None if top_k is None else max(decoded(_COUNT, bytes(top_k), at="top_k"), 0) or None,
        stop=(parsed.stop,) if isinstance(parsed.stop, str) else tuple(parsed.stop or ()),
        n=parsed.n or 1,
        seed=decoded(_COUNT, bytes(seed), at="random_seed")
        if parsed.seed is None and seed is not None
        else parsed.seed,
        frequency_penalty=parsed.frequency_penalty,
        presence_penalty=parsed.presence_penalty,
        logit_bias=None if logit_bias is None or bytes(logit_bias) == b"{}" else logit_bias,
        logprobs=parsed.logprobs,
        top_logprobs=parsed.top_logprobs,
        reasoning=reasoning,
        verbosity=parsed.verbosity,
        service_tier=parsed.service_tier,
        metadata=parsed.metadata,
        user=parsed.user,
        output_modalities=tuple(modalities),
        speech=speech,
        stream=parsed.stream is True,
        hints=_hints(parsed, fields),
    )


def _hints(parsed: ChatBody, fields: Mapping[str, Raw]) -> tuple[str, ...]:
    """The fields that are left, and the citations of earlier answers, which no request can carry back."""
    hints: list[str] = []
    for name in fields:
        if name in _CARRIED:
            continue
        if name in _MEANINGFUL:
            raise unsupported(name, "cannot be said to the provider that was chosen")
        hints.append(name)
    if any(bytes(message.annotations) not in (b"", b"null", b"[]") for message in parsed.messages):
        hints.append("messages.annotations")
    return tuple(hints)


def _tool(tool: ToolIn, index: int, fields: Mapping[str, Raw]) -> Tool | Opaque:
    if tool.function is None:
        raw = decoded(_RAWS, bytes(fields["tools"]))[index]
        return Opaque(dialect=OPENAI_CHAT, kind=tool.type, raw=raw)
    function = tool.function
    written = _function(function)
    if tool.cache_control is not None:
        written = msgspec.structs.replace(written, cache=mark_of(tool.cache_control))
    return written


def _function(function: FunctionIn) -> Tool:
    return Tool(
        name=function.name,
        description=function.description,
        parameters=present(function.parameters),
        strict=function.strict,
        cache=mark_of(function.cache_control),
    )


def _function_choice(raw: Raw | None) -> ToolChoice | None:
    """`function_call` of the older functions interface: `auto`, `none`, or the function's name."""
    if raw is None:
        return None
    asked = decoded(_FUNCTION_CALL, bytes(raw), at="function_call")
    if isinstance(asked, NamedFunction):
        return ToolChoice(mode="tool", name=asked.name)
    return _tool_choice(asked)


def _speech(raw: Raw | None) -> Speech | None:
    if raw is None:
        return None
    asked = decoded(_AUDIO, bytes(raw), at="audio")
    if isinstance(asked.voice, VoiceIn):
        raise unsupported("audio.voice.id", "is known to one provider only; name a voice")
    return Speech(voice=asked.voice, format=asked.format)


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


def _reasoning(effort: str | None, asked: Raw | None, thinking: Raw | None) -> Reasoning | None:
    """`reasoning_effort`, or what compatible servers take in its place."""
    if effort is not None:
        return Reasoning(enabled=False) if effort == "none" else Reasoning(effort=effort)
    if asked is not None:
        wished = decoded(_REASONING, bytes(asked), at="reasoning")
        if wished.enabled is False or wished.effort == "none":
            return Reasoning(enabled=False)
        display = "omitted" if wished.exclude else None
        return Reasoning(effort=wished.effort, budget_tokens=wished.max_tokens, display=display)
    if thinking is not None:
        wanted = decoded(_THINKING, bytes(thinking), at="thinking")
        if wanted.type == "disabled":
            return Reasoning(enabled=False)
        return Reasoning(budget_tokens=wanted.budget_tokens, adaptive=wanted.type == "adaptive")
    return None
