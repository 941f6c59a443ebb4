"""Writes canonical requests for embeddings as Vertex AI has them, and decodes the answers.

Source: Vertex AI reference, "Text embeddings API" (`:predict` with instances and parameters); the newest models are behind
`:embedContent` there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.codec import WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.events import EmbeddingsMade, Event, Finished, UsageReported
from onevault.core.usage import Usage
from onevault.dialects.gemini.embeddings import EMBED
from onevault.dialects.gemini.embeddings_answer import asked_of, embedded, texts_of
from onevault.dialects.gemini.models import EMBED_CONTENT_ON_VERTEX, ONE_BY_ONE, is_one_of
from onevault.dialects.gemini.paths import wire_path
from onevault.dialects.gemini.usage import usage_of
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.provider_faults import malformed

PREDICT = "predict"
INSTANCES_MAX = 250
"""Vertex AI takes no more texts at once."""


class Statistics(msgspec.Struct, frozen=True, gc=False):
    token_count: float | None = None


class Embeddings(msgspec.Struct, frozen=True, gc=False):
    values: tuple[float, ...]
    statistics: Statistics | None = None


class Prediction(msgspec.Struct, frozen=True, gc=False):
    embeddings: Embeddings


class Predicted(msgspec.Struct, frozen=True, gc=False):
    predictions: list[Prediction] | None = None


_PREDICTED = msgspec.json.Decoder(Predicted).decode


def encode_embeddings(request: EmbeddingsRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER for inputs that are not text, or too many."""
    texts = texts_of(request)
    newest = is_one_of(request.model, EMBED_CONTENT_ON_VERTEX)
    most = 1 if newest or is_one_of(request.model, ONE_BY_ONE) else INSTANCES_MAX
    if len(texts) > most:
        raise unsupported("input", f"may have {most} entries at most at the provider that was chosen")
    asked, dropped = asked_of(request)
    if newest:
        single: dict[str, Any] = {"content": {"parts": [{"text": texts[0]}]}}
        if asked:
            single["embedContentConfig"] = asked
        return WireRequest(wire_path(request.model, EMBED), msgspec.json.encode(single), dropped=dropped)
    instance = {name: asked[given] for given, name in (("taskType", "task_type"), ("title", "title")) if given in asked}
    body: dict[str, Any] = {"instances": [{"content": text, **instance} for text in texts]}
    if request.dimensions is not None:
        body["parameters"] = {"outputDimensionality": request.dimensions}
    return WireRequest(wire_path(request.model, PREDICT), msgspec.json.encode(body), dropped=dropped)


class VertexEmbeddingsDecoder(WholeDecoder):
    """Decodes an answer of either verb once it has come; the tokens of all texts are one usage."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            predictions = _PREDICTED(body).predictions
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
        if predictions is None:
            vectors, usage = embedded(body)
            reported = [] if usage is None else [UsageReported(usage_of(usage))]
            return [EmbeddingsMade(vectors), *reported, Finished()]
        if not predictions or not all(prediction.embeddings.values for prediction in predictions):
            raise malformed("an answer without embeddings", body)
        events: list[Event] = [EmbeddingsMade(tuple(prediction.embeddings.values for prediction in predictions))]
        counts = [prediction.embeddings.statistics for prediction in predictions]
        tokens = [count.token_count for count in counts if count is not None and count.token_count is not None]
        if len(tokens) == len(counts):
            events.append(UsageReported(Usage(input_tokens=max(int(sum(tokens)), 0))))
        events.append(Finished())
        return events
