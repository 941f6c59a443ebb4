"""Writes what each family of models is told in its own words: how much to think, `top_k`, calling one tool at a time.

A family that cannot be told has the hint dropped by name.
"""

from __future__ import annotations

from typing import Final

from onevault.core.chat import ChatRequest, Reasoning
from onevault.dialects.bedrock.families import Family, Thinks
from onevault.dialects.bedrock.media import Json
from onevault.dialects.bedrock.tools import must_call, offers_tools, one_at_a_time
from onevault.dialects.wire.thinking import claude_thinking, effort_of, lacks_thinking, takes_sampling

_THINKING: Final = ("reasoningContent",)
_LEVELS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_TWO_LEVELS: Final = {"low": "low", "medium": "high", "high": "high"}
_REASONING: Final = "reasoning_effort"


def additional_fields(
    request: ChatRequest,
    family: Family,
    messages: list[Json],
    dropped: dict[str, None],
    *,
    output_tokens_max: int,
    adaptive_thinking: bool,
) -> Json:
    """`additionalModelRequestFields`. `output_tokens_max` bounds a budget of thinking; `messages` are as Bedrock gets them."""
    fields: Json = {}
    if request.reasoning is not None:
        if family.thinks is Thinks.THINKING:
            limit = request.output_tokens_max or output_tokens_max
            _add_thinking(request, messages, fields, dropped, limit, adaptive_thinking=adaptive_thinking)
        else:
            _add_effort(request, request.reasoning, family.thinks, fields, dropped)
    if request.top_k is not None:
        if not family.top_k_at or refuses_sampling(request.model, fields):
            dropped["top_k"] = None
        else:
            at = fields
            for name in family.top_k_at[:-1]:
                at = at.setdefault(name, {})
            at[family.top_k_at[-1]] = request.top_k
    if request.parallel_tool_calls is False and offers_tools(request):
        if family.serial_tools:
            fields["tool_choice"] = one_at_a_time(request)
        else:
            dropped["parallel_tool_calls"] = None
    return fields


def refuses_sampling(model: str, fields: Json) -> bool:
    """Whether Claude was asked to think, or is one that takes no sampling at all."""
    return not takes_sampling(model, fields.get("thinking", {}))


def thinks_hard(fields: Json) -> bool:
    """Whether Nova was asked for its highest effort, which takes sampling and the output limit away."""
    return bool(fields.get("reasoningConfig", {}).get("maxReasoningEffort") == "high")


def _add_thinking(
    request: ChatRequest,
    messages: list[Json],
    fields: Json,
    dropped: dict[str, None],
    output_tokens_max: int,
    *,
    adaptive_thinking: bool,
) -> None:
    reasoning = request.reasoning
    if reasoning is None:
        return
    if not reasoning.enabled:
        fields["thinking"] = {"type": "disabled"}
        return
    if must_call(request):
        dropped[_REASONING] = None  # Claude refuses to think before a call that it must make
        return
    thinking, effort = claude_thinking(
        reasoning, request.model, output_tokens_max=output_tokens_max, adaptive_thinking=adaptive_thinking
    )
    by_budget = thinking is not None and thinking["type"] == "enabled"
    if thinking is None or (by_budget and lacks_thinking(messages, _kind, thinking=_THINKING, result="toolResult")):
        dropped[_REASONING] = None
        return
    fields["thinking"] = thinking
    if effort is not None:
        fields["output_config"] = {"effort": effort}


def _kind(block: Json) -> str:
    return next(iter(block))


def _add_effort(
    request: ChatRequest, reasoning: Reasoning, thinks: Thinks, fields: Json, dropped: dict[str, None]
) -> None:
    """Families that are told a word."""
    if not reasoning.enabled:
        if thinks is Thinks.REASONING_CONFIG:
            fields["reasoningConfig"] = {"type": "disabled"}
        elif thinks is Thinks.EFFORT:
            dropped[_REASONING] = None  # gpt-oss always thinks
        return
    if thinks is Thinks.NOT:
        dropped[_REASONING] = None
        return
    budget = reasoning.budget_tokens
    asked = reasoning.effort or ("medium" if budget is None else effort_of(budget))
    word = _LEVELS.get(asked, "medium")
    if thinks is Thinks.EFFORT:
        fields["reasoning_effort"] = word
    elif thinks is Thinks.EFFORT_CONFIG:
        fields["reasoning_config"] = _TWO_LEVELS[word]
    else:
        if word == "high" and request.output_tokens_max is not None:
            word = "medium"  # at its highest Nova takes no output limit, and what was held rests on the limit
            dropped[_REASONING] = None
        fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word}
