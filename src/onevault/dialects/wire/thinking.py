"""How many tokens of thinking an effort word stands for, for models that are told a number; and the word for a number.

Claude's models differ: before 4.6 they take a budget, since then they decide themselves, and since 4.7 they refuse a budget and,
whether they think or not, `temperature`, `top_p` and `top_k`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from onevault.core.chat import Reasoning

BUDGET_MIN: Final = 1_024
"""Anthropic's own minimum."""

BUDGETS: Final = {
    "minimal": 1_024,
    "low": 2_048,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 49_152,
    "max": 65_536,
}


def budget_of(effort: str | None) -> int:
    """Tokens; an unknown word or none is taken for `medium`."""
    return BUDGETS.get(effort or "", BUDGETS["medium"])


def effort_of(budget_tokens: int) -> str:
    """`low`, `medium` or `high`: the word whose models spend about as much."""
    if budget_tokens < 4_096:
        return "low"
    return "medium" if budget_tokens < 16_384 else "high"


_SINCE_4_7 = re.compile(r"claude-(?:[a-z]+-(?:4-[7-9]|[5-9])(?!\d)|mythos)")
_4_6 = re.compile(r"claude-(?:opus|sonnet)-4-6")
_CLAUDE_EFFORTS: Final = {"minimal": "low"}


def claude_thinking(
    reasoning: Reasoning, model: str, *, output_tokens_max: int, adaptive_thinking: bool
) -> tuple[dict[str, Any] | None, str | None]:
    """`thinking`, or None where the output is too short to think in, and the `effort` beside it.

    A budget is at least Anthropic's minimum and below the whole output.
    """
    budget, effort = reasoning.budget_tokens, reasoning.effort
    asks_budget = budget is not None and not reasoning.adaptive
    thinking: dict[str, Any]
    if not adaptive_thinking or (asks_budget and not _SINCE_4_7.search(model)):
        tokens = budget if budget is not None and asks_budget else budget_of(effort)
        tokens = min(max(tokens, BUDGET_MIN), output_tokens_max - 1)
        if tokens < BUDGET_MIN:
            return None, None
        thinking = {"type": "enabled", "budget_tokens": tokens}
        if not adaptive_thinking:
            effort = None
    else:
        thinking = {"type": "adaptive"}
        if effort is None and budget is not None and asks_budget:
            effort = effort_of(budget)
    if reasoning.display is not None:
        thinking["display"] = reasoning.display
    if effort == "xhigh" and _4_6.search(model):
        effort = "max"  # the next word that 4.6 knows
    return thinking, None if effort is None else _CLAUDE_EFFORTS.get(effort, effort)


def takes_sampling(model: str, thinking: dict[str, Any]) -> bool:
    """Whether a model of Claude takes `temperature`, `top_p` and `top_k` beside this `thinking` (empty where there is none)."""
    return thinking.get("type") not in ("enabled", "adaptive") and _SINCE_4_7.search(model) is None


def lacks_thinking(
    messages: Sequence[dict[str, Any]], kind: Callable[[dict[str, Any]], str], *, thinking: tuple[str, ...], result: str
) -> bool:
    """Whether the turn under way (calls and their results, or a beginning of the answer) began without thinking. Claude on a
    budget refuses to go on with such a turn. `kind` tells a block's, `thinking` and `result` are what it tells of these."""
    first: dict[str, Any] | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            first = message
        elif not any(kind(block) == result for block in message["content"]):
            break
    return first is not None and kind(first["content"][0]) not in thinking
