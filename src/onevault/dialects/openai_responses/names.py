"""The name of OpenAI's responses dialect."""

from __future__ import annotations

from typing import Final

OPENAI_RESPONSES: Final = "openai-responses"
