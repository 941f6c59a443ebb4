"""The names of Anthropic's dialects."""

from __future__ import annotations

from typing import Final

ANTHROPIC_MESSAGES: Final = "anthropic-messages"
ANTHROPIC_COUNT_TOKENS: Final = "anthropic-count-tokens"
