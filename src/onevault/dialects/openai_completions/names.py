"""The name of OpenAI's older completions dialect."""

from __future__ import annotations

from typing import Final

OPENAI_COMPLETIONS: Final = "openai-completions"
