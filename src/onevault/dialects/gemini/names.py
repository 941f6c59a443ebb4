"""The names of Google's dialects."""

from __future__ import annotations

from typing import Final

GEMINI: Final = "gemini"
GEMINI_COUNT_TOKENS: Final = "gemini-count-tokens"
GEMINI_EMBEDDINGS: Final = "gemini-embeddings"
VERTEX_COUNT_TOKENS: Final = "vertex-count-tokens"
VERTEX_EMBEDDINGS: Final = "vertex-embeddings"
