"""The names of OpenAI's image dialects."""

from __future__ import annotations

from typing import Final

OPENAI_IMAGES: Final = "openai-images"
OPENAI_IMAGE_EDITS: Final = "openai-image-edits"
