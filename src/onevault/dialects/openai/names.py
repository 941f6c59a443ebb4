"""The names of OpenAI's dialects."""

from __future__ import annotations

from typing import Final

OPENAI_CHAT: Final = "openai-chat"
OPENAI_EMBEDDINGS: Final = "openai-embeddings"
