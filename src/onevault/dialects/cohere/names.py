"""The names of Cohere's dialects."""

from __future__ import annotations

from typing import Final

COHERE_CHAT: Final = "cohere-chat"
COHERE_EMBEDDINGS: Final = "cohere-embeddings"
