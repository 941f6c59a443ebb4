"""Writes canonical requests for embeddings as the Gemini API has them, and decodes and writes the answers.

Source: Gemini API reference, "Embeddings".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from onevault.core.codec import NO_FACTS, AnswerFacts, WireRequest
from onevault.core.embeddings import EmbeddingsRequest, Purpose
from onevault.core.events import EmbeddingsMade, Event, Finished, Passed, UsageReported
from onevault.core.usage import NO_USAGE
from onevault.dialects.gemini.embeddings import BATCH_MAX, EMBED, EMBED_BATCH, TASK_TYPES
from onevault.dialects.gemini.faults import fault_in_stream
from onevault.dialects.gemini.models import UNTOLD_PURPOSES, is_one_of
from onevault.dialects.gemini.paths import resource_of, wire_path
from onevault.dialects.gemini.usage import GeminiUsage, usage_of
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.passing import PassingWriter
from onevault.dialects.wire.provider_faults import malformed


class Vector(msgspec.Struct, frozen=True, gc=False):
    values: tuple[float, ...]


class Embedded(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    embedding: Vector | None = None
    embeddings: list[Vector] | None = None
    usage_metadata: GeminiUsage | None = None
    error: Any = None


_EMBEDDED = msgspec.json.Decoder(Embedded).decode


def encode_embeddings(request: EmbeddingsRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER for inputs that are not text, or too many."""
    texts = texts_of(request)
    if len(texts) > BATCH_MAX:
        raise unsupported("input", f"may have {BATCH_MAX} entries at most at the provider that was chosen")
    asked, dropped = asked_of(request)
    requests = [
        {"model": resource_of(request.model), "content": {"parts": [{"text": text}]}, **asked} for text in texts
    ]
    verb, body = (EMBED, requests[0]) if len(requests) == 1 else (EMBED_BATCH, {"requests": requests})
    return WireRequest(wire_path(request.model, verb), msgspec.json.encode(body), dropped=dropped)


def texts_of(request: EmbeddingsRequest) -> list[str]:
    """Raises Fault UNSUPPORTED_PARAMETER for inputs that are not text."""
    texts: list[str] = []
    for i, given in enumerate(request.inputs):
        if not isinstance(given, str):
            raise unsupported(f"input[{i}]", "must be text at the provider that was chosen")
        texts.append(given)
    return texts


def asked_of(request: EmbeddingsRequest) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`taskType`, `title` and `outputDimensionality` as far as given, and what is dropped."""
    dropped = dict.fromkeys(request.hints)
    asked: dict[str, Any] = {}
    untold = is_one_of(request.model, UNTOLD_PURPOSES)
    if request.purpose is not None:
        if untold:
            dropped["purpose"] = None
        else:
            asked["taskType"] = TASK_TYPES[request.purpose]
    if request.title is not None:
        if untold or request.purpose is not Purpose.DOCUMENT:
            dropped["title"] = None
        else:
            asked["title"] = request.title
    if request.dimensions is not None:
        asked["outputDimensionality"] = request.dimensions
    if request.user is not None:
        dropped["user"] = None
    return asked, tuple(dropped)


def embedded(body: bytes) -> tuple[tuple[tuple[float, ...], ...], GeminiUsage | None]:
    """The vectors of an answer to either verb, and its usage. Raises Fault PROVIDER_ERROR."""
    try:
        answer = _EMBEDDED(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed("an answer that is not in its dialect", body) from None
    if answer.error is not None:
        raise fault_in_stream(answer.error)
    vectors = answer.embeddings if answer.embeddings is not None else [answer.embedding] if answer.embedding else []
    if not vectors or not all(vector.values for vector in vectors):
        raise malformed("an answer without embeddings", body)
    return tuple(vector.values for vector in vectors), answer.usage_metadata


class PassingEmbeddings(WholeDecoder):
    """Passes an answer once it has come and is one."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        _, usage = embedded(body)
        return [Passed(body), *_reported(usage), Finished()]


class CanonicalEmbeddings(WholeDecoder):
    """Decodes an answer once it has come. Older models report no usage."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        vectors, usage = embedded(body)
        return [EmbeddingsMade(vectors), *_reported(usage), Finished()]


def _reported(usage: GeminiUsage | None) -> list[Event]:
    return [] if usage is None else [UsageReported(usage_of(usage))]


class EmbeddingsWriter(PassingWriter):
    """Writes vectors for a caller of Google's dialect: `embedding` for one, `embeddings` for a `batch`."""

    whole_type = "application/json; charset=UTF-8"

    def __init__(self, *, batch: bool) -> None:
        self._batch = batch

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        usage = facts.usage
        written: dict[str, Any] | None = None
        for event in events:
            if isinstance(event, UsageReported):
                usage = event.usage
            elif isinstance(event, EmbeddingsMade):
                vectors = [{"values": vector} for vector in event.vectors]
                written = {"embeddings": vectors} if self._batch else {"embedding": vectors[0] if vectors else {}}
        if written is None:
            return self.write(events)
        if usage != NO_USAGE:
            written["usageMetadata"] = {"promptTokenCount": usage.input_tokens}
        return msgspec.json.encode(written)
