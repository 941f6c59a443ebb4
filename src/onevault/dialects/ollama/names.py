"""The names of Ollama's own dialects (it speaks OpenAI's, too)."""

from __future__ import annotations

from typing import Final

OLLAMA_CHAT: Final = "ollama-chat"
OLLAMA_EMBEDDINGS: Final = "ollama-embeddings"
