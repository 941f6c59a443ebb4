"""The names of the gateway's own dialects."""

from __future__ import annotations

from typing import Final

OWN_CHAT: Final = "own"
OWN_GENERATE: Final = "own-generate"
OWN_EMBEDDINGS: Final = "own-embeddings"
OWN_IMAGES: Final = "own-images"
