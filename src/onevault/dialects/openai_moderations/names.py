"""The name of OpenAI's dialect for moderation."""

from __future__ import annotations

from typing import Final

OPENAI_MODERATIONS: Final = "openai-moderations"
