"""Writes a canonical request as an Anthropic messages request.

What Anthropic cannot be told is a fault where it carries meaning, a name in `dropped` where it only tunes. Choices:
system messages, wherever they stand, are gathered into `system`, as Anthropic's own OpenAI compatibility does; an effort word asks
for adaptive thinking, or for a budget of a model that knows no other (before Claude 4.6), which is dropped where a turn under way
began without thinking; the bounds in a schema become words of its descriptions; a temperature above 1 becomes 1
and is named in `dropped`; of temperature and top_p together the temperature stays, since newer models refuse both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.chat import ChatRequest, Opaque, Reasoning, Tool
from onevault.core.codec import WireRequest
from onevault.dialects.anthropic.conversation import cache_control, conversation_of
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.anthropic.request import COUNT_TOKENS_PATH, MESSAGES_PATH, VERSION_HEADERS
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.json_schema import arguments_schema, grammar_schema
from onevault.dialects.wire.thinking import claude_thinking, lacks_thinking, takes_sampling

_EMPTY_SCHEMA = {"type": "object", "properties": {}}
_SERVICE_TIERS = {"auto": "auto", "default": "standard_only"}
_TUNING = ("seed", "frequency_penalty", "presence_penalty", "logit_bias", "verbosity")
_THINKING = ("thinking", "redacted_thinking")
_CHOICES = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
_NOT_COUNTED = ("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "service_tier", "metadata")

_Json = dict[str, Any]


def encode_messages(request: ChatRequest, *, output_tokens_max: int, adaptive_thinking: bool) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    body = _body(request, output_tokens_max, dropped, adaptive_thinking=adaptive_thinking)
    return WireRequest(MESSAGES_PATH, msgspec.json.encode(body), headers=VERSION_HEADERS, dropped=tuple(dropped))


def encode_count_tokens(request: ChatRequest) -> WireRequest:
    """The same request, as far as it is input. Raises Fault UNSUPPORTED_PARAMETER."""
    body = _body(request, 1, {}, adaptive_thinking=True)
    for name in _NOT_COUNTED:
        body.pop(name, None)
    return WireRequest(COUNT_TOKENS_PATH, msgspec.json.encode(body), headers=VERSION_HEADERS)


def _body(request: ChatRequest, output_tokens_max: int, dropped: dict[str, None], *, adaptive_thinking: bool) -> _Json:
    _refuse(request)
    system, messages = conversation_of(request.messages, dropped)
    body: _Json = {"model": request.model, "max_tokens": request.output_tokens_max or output_tokens_max}
    if system:
        body["system"] = system
    body["messages"] = messages
    if request.tools:
        body["tools"] = [_tool(tool, i, dropped) for i, tool in enumerate(request.tools)]
        choice = _tool_choice(request)
        if choice is not None:
            body["tool_choice"] = choice
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    _add_output_config(request, body, dropped, adaptive_thinking=adaptive_thinking)
    _add_sampling(request, body, dropped)
    if request.service_tier is not None:
        if request.service_tier in _SERVICE_TIERS:
            body["service_tier"] = _SERVICE_TIERS[request.service_tier]
        else:
            dropped["service_tier"] = None
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    if request.stream:
        body["stream"] = True
    for name in _TUNING:
        if getattr(request, name):
            dropped[name] = None
    return body


def _refuse(request: ChatRequest) -> None:
    if request.n != 1:
        raise unsupported("n", "must be 1 at the provider that was chosen")
    if request.logprobs:
        raise unsupported("logprobs", "are not given by the provider that was chosen")
    if any(not stop.strip() for stop in request.stop):
        raise unsupported("stop", "may not be white space alone at the provider that was chosen")
    if any(modality != "text" for modality in request.output_modalities):
        raise unsupported("modalities", "must be text alone at the provider that was chosen")
    if request.response_format is not None and request.response_format.mode == "json":
        raise unsupported(
            "response_format.type", "json_object is not known to the provider that was chosen; use json_schema"
        )


def _tool(tool: Tool | Opaque, index: int, dropped: dict[str, None]) -> _Json:
    if isinstance(tool, Opaque):
        if tool.dialect == ANTHROPIC_MESSAGES:
            return msgspec.json.decode(tool.raw, type=_Json)
        raise unsupported(f"tools[{index}]", "is a kind of tool that the provider that was chosen does not have")
    written: _Json = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["input_schema"] = _EMPTY_SCHEMA if tool.parameters is None else arguments_schema(tool.parameters)
    if tool.strict:
        written["strict"] = True
        if tool.parameters is not None:
            written["input_schema"] = grammar_schema(written["input_schema"], dropped, "tools.parameters")
    if tool.cache is not None:
        written["cache_control"] = cache_control(tool.cache)
    return written


def _tool_choice(request: ChatRequest) -> _Json | None:
    choice = request.tool_choice
    alone = request.parallel_tool_calls is False
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if alone else None
    written: _Json = {"type": _CHOICES[choice.mode]}
    if choice.mode == "tool":
        written["name"] = choice.name
    if alone and choice.mode != "none":
        written["disable_parallel_tool_use"] = True
    return written


def _add_output_config(request: ChatRequest, body: _Json, dropped: dict[str, None], *, adaptive_thinking: bool) -> None:
    config: _Json = {}
    reasoning = request.reasoning
    if reasoning is not None:
        if not reasoning.enabled:
            body["thinking"] = {"type": "disabled"}
        elif body.get("tool_choice", {}).get("type") in ("any", "tool"):
            dropped["reasoning_effort"] = None  # Anthropic refuses to think before a call that it must make
        else:
            _think(reasoning, body, config, dropped, adaptive_thinking=adaptive_thinking)
    asked = request.response_format
    if asked is not None and asked.mode == "schema":
        schema = (
            {"type": "object"}
            if asked.schema is None
            else grammar_schema(asked.schema, dropped, "response_format.schema")
        )
        config["format"] = {"type": "json_schema", "schema": schema}
    if config:
        body["output_config"] = config


def _think(
    reasoning: Reasoning, body: _Json, config: _Json, dropped: dict[str, None], *, adaptive_thinking: bool
) -> None:
    thinking, effort = claude_thinking(
        reasoning, body["model"], output_tokens_max=body["max_tokens"], adaptive_thinking=adaptive_thinking
    )
    by_budget = thinking is not None and thinking["type"] == "enabled"
    if thinking is None or (
        by_budget and lacks_thinking(body["messages"], _kind, thinking=_THINKING, result="tool_result")
    ):
        dropped["reasoning_effort"] = None
        return
    body["thinking"] = thinking
    if effort is not None:
        config["effort"] = effort


def _kind(block: _Json) -> str:
    return str(block["type"])


def _add_sampling(request: ChatRequest, body: _Json, dropped: dict[str, None]) -> None:
    taken = takes_sampling(request.model, body.get("thinking", {}))
    if request.temperature is not None:
        if taken:
            body["temperature"] = min(request.temperature, 1)
        if request.temperature > 1 or not (taken or request.temperature == 1):
            dropped["temperature"] = None
    if request.top_p is not None:
        if taken and "temperature" not in body:
            body["top_p"] = min(request.top_p, 1)
        elif request.top_p != 1:
            dropped["top_p"] = None
    if request.top_k is not None:
        if taken:
            body["top_k"] = request.top_k
        else:
            dropped["top_k"] = None
