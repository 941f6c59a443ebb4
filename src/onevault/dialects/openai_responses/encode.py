"""Writes a canonical request as a responses request.

What the dialect cannot say is a fault where it carries meaning, a name in `dropped` where it only tunes. Choices: nothing is stored at
the provider (`store: false`), so reasoning is asked for encrypted and comes back with the next turn; a summary of it is asked for
where the caller's dialect shows thinking; functions are not strict unless the caller says so, since this dialect would make them so.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.chat import ChatRequest, Opaque, Reasoning, RedactedThinking, ResponseFormat, Thinking, Tool
from onevault.core.codec import WireRequest
from onevault.dialects.openai.models import drop_sampling, effort_word, user_told
from onevault.dialects.openai_responses.canonical import ENCRYPTED, LOGPROBS
from onevault.dialects.openai_responses.items_write import items_of
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.openai_responses.request import RESPONSES_PATH
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.json_schema import arguments_schema
from onevault.dialects.wire.thinking import effort_of

_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
_SERVICE_TIERS = {tier: tier for tier in ("auto", "default", "flex", "scale", "priority")} | {
    "standard_only": "default"
}
_TUNING = ("top_k", "seed", "frequency_penalty", "presence_penalty", "logit_bias")

_Json = dict[str, Any]


def encode_responses(request: ChatRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    _refuse(request)
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    body: _Json = {"model": request.model, "input": items_of(request.messages, dropped)}
    if request.tools:
        body["tools"] = [_tool(tool, i, dropped) for i, tool in enumerate(request.tools)]
        _add_tool_choice(request, body)
    _add_text(request, body)
    for name, value in (
        ("max_output_tokens", request.output_tokens_max),
        ("temperature", request.temperature),
        ("top_p", request.top_p),
        ("top_logprobs", request.top_logprobs),
        ("metadata", request.metadata),
        ("user", None if request.user is None else user_told(request.user)),
    ):
        if value is not None:
            body[name] = value
    _add_reasoning(request, body)
    drop_sampling(body, request.model, dropped, thinks="effort" in body.get("reasoning", ()))
    if request.service_tier is not None:
        if request.service_tier in _SERVICE_TIERS:
            body["service_tier"] = _SERVICE_TIERS[request.service_tier]
        else:
            dropped["service_tier"] = None
    for name in _TUNING:
        if getattr(request, name):
            dropped[name] = None
    body["store"] = False
    if request.stream:
        body["stream"] = True
    return WireRequest(RESPONSES_PATH, msgspec.json.encode(body), dropped=tuple(dropped))


def _refuse(request: ChatRequest) -> None:
    if request.n != 1:
        raise unsupported("n", "must be 1 at the provider that was chosen")
    if request.stop:
        raise unsupported("stop", "is not known to the provider that was chosen")
    if set(request.output_modalities) - {"text"}:
        raise unsupported("modalities", "may be text alone at the provider that was chosen")


def _tool(tool: Tool | Opaque, index: int, dropped: dict[str, None]) -> _Json | Raw:
    if isinstance(tool, Opaque):
        if tool.dialect == OPENAI_RESPONSES:
            return tool.raw
        raise unsupported(f"tools[{index}]", "is a kind of tool that the provider that was chosen does not have")
    if tool.cache is not None:
        dropped["cache_control"] = None
    written: _Json = {"type": "function", "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    written["parameters"] = _NO_PARAMETERS if tool.parameters is None else arguments_schema(tool.parameters)
    written["strict"] = tool.strict is True
    return written


def _add_tool_choice(request: ChatRequest, body: _Json) -> None:
    choice = request.tool_choice
    if choice is not None:
        named = {"type": "function", "name": choice.name}
        body["tool_choice"] = named if choice.mode == "tool" else choice.mode
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _add_text(request: ChatRequest, body: _Json) -> None:
    text: _Json = {}
    if request.response_format is not None and request.response_format.mode != "text":
        text["format"] = _format(request.response_format)
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def _format(asked: ResponseFormat) -> _Json:
    if asked.mode == "json":
        return {"type": "json_object"}
    written: _Json = {"type": "json_schema", "name": asked.name or "answer"}
    if asked.description is not None:
        written["description"] = asked.description
    written["schema"] = Raw(b'{"type":"object"}') if asked.schema is None else asked.schema
    if asked.strict is not None:
        written["strict"] = asked.strict
    return written


def _add_reasoning(request: ChatRequest, body: _Json) -> None:
    reasoning = request.reasoning
    include: list[str] = []
    if reasoning is not None and reasoning.enabled:
        include.append(ENCRYPTED)
        asked = _reasoning(reasoning, request.model)
        if asked:
            body["reasoning"] = asked
    elif reasoning is None and _gives_reasoning_back(request):
        include.append(ENCRYPTED)
    if request.logprobs:
        include.append(LOGPROBS)
    if include:
        body["include"] = include


def _gives_reasoning_back(request: ChatRequest) -> bool:
    """Whether the conversation has reasoning of this dialect's provider: its model then reasons without being asked."""
    return any(
        (isinstance(part, Thinking) and part.signed_by == OPENAI_RESPONSES)
        or (isinstance(part, RedactedThinking) and part.encrypted_by == OPENAI_RESPONSES)
        for message in request.messages
        for part in message.parts
    )


def _reasoning(reasoning: Reasoning, model: str) -> _Json:
    """An effort word as the model knows it; a budget becomes the word that spends about as much. `none` is never written: not every
    model knows it, and without the field a model that can leave thinking out does so."""
    asked: _Json = {}
    if reasoning.effort is not None:
        asked["effort"] = effort_word(reasoning.effort, model)
    elif reasoning.budget_tokens is not None:
        asked["effort"] = effort_word(effort_of(reasoning.budget_tokens), model)
    shows = reasoning.budget_tokens is not None or reasoning.adaptive
    if reasoning.display == "summarized" or (reasoning.display is None and shows):
        asked["summary"] = "auto"
    return asked
