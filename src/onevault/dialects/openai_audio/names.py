"""The names of OpenAI's audio dialects."""

from __future__ import annotations

from typing import Final

OPENAI_SPEECH: Final = "openai-speech"
OPENAI_TRANSCRIPTIONS: Final = "openai-transcriptions"
