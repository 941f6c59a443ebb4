"""Writes embeddings for callers of OpenAI's dialect, as numbers or as base64 of them, and passes what is theirs already."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Sequence

import msgspec

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import EmbeddingsMade, Event, UsageReported
from onevault.dialects.openai.embeddings_vectors import little_endian
from onevault.dialects.wire.passing import PassingWriter


class EmbeddingsWriter(PassingWriter):
    """One answer. Where the provider reports no usage, the gateway's own count is told."""

    def __init__(self, *, base64: bool) -> None:
        self._base64 = base64

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        made: EmbeddingsMade | None = None
        usage = facts.usage
        for event in events:
            if isinstance(event, EmbeddingsMade):
                made = event
            elif isinstance(event, UsageReported):
                usage = event.usage
        if made is None:
            return self.write(events)
        data = [
            {"object": "embedding", "index": index, "embedding": self._written(vector)}
            for index, vector in enumerate(made.vectors)
        ]
        tokens = usage.input_tokens
        return msgspec.json.encode(
            {
                "object": "list",
                "data": data,
                "model": made.model or facts.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )

    def _written(self, vector: tuple[float, ...]) -> tuple[float, ...] | str:
        if not self._base64:
            return vector
        return base64.b64encode(little_endian(array("f", vector)).tobytes()).decode()
