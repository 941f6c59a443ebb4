"""How many tokens of thinking an effort word stands for, for models that are told a number; and the word for a number."""

from __future__ import annotations

from typing import Final

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
