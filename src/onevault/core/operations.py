"""What a caller can ask a model to do, and what a model may be able to; providers offer some of these."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

Dialect: TypeAlias = str
"""A wire format by its name (`openai-chat`), whoever speaks it. Open: a package of `dialects/` names its own."""


class Operation(StrEnum):
    """One kind of call. Its value is the `request_type` that is recorded."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    COUNT_TOKENS = "count_tokens"
    IMAGES = "images"
    IMAGE_EDITS = "image_edits"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    MODERATION = "moderation"
    RERANK = "rerank"
    PASSTHROUGH = "passthrough"
    """A call to a provider's own path whose meaning the gateway does not know."""
    PASSTHROUGH_READ = "passthrough_read"
    """One that only reads there (GET)."""


FREE = frozenset({Operation.COUNT_TOKENS, Operation.PASSTHROUGH_READ})
"""What no provider charges for: nothing is held, whatever its answer looks like."""

RELAYED = frozenset({Operation.PASSTHROUGH, Operation.PASSTHROUGH_READ})
"""What every configured provider takes, whichever model it is about, or none."""


class Capability(StrEnum):
    """Something that a request may need of a model and that not every model can."""

    IMAGE_INPUT = "image_input"
    AUDIO_INPUT = "audio_input"
    VIDEO_INPUT = "video_input"
    FILE_INPUT = "file_input"
    IMAGE_OUTPUT = "image_output"
    AUDIO_OUTPUT = "audio_output"
    TOOLS = "tools"
    PARALLEL_TOOLS = "parallel_tools"
    STRUCTURED_OUTPUT = "structured_output"
    REASONING = "reasoning"
    LOGPROBS = "logprobs"
