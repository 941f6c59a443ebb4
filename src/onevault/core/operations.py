"""What a caller can ask a model to do; providers offer some of these."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """One kind of call. Its value is the `request_type` that is recorded."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    COUNT_TOKENS = "count_tokens"


FREE = frozenset({Operation.COUNT_TOKENS})
"""What no provider charges for: nothing is held, whatever its answer looks like."""


class Dialect(StrEnum):
    """A wire format, whoever speaks it."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_EMBEDDINGS = "openai-embeddings"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    ANTHROPIC_COUNT_TOKENS = "anthropic-count-tokens"
