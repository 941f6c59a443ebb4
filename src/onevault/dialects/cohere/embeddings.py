"""Writes canonical requests for embeddings as Cohere v2 embed requests, and decodes the answers.

Source: Cohere API reference, "Embed V2". Texts without a purpose are taken for documents (`search_document`), since Cohere demands one.
"""

from __future__ import annotations

import msgspec

from onevault.core.codec import WireRequest
from onevault.core.embeddings import EmbeddingsRequest, Purpose
from onevault.core.events import EmbeddingsMade, Event, Finished, UsageReported
from onevault.core.usage import Usage
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.provider_faults import malformed

EMBED_PATH = "/embed"
INPUT_TYPES = {
    Purpose.QUERY: "search_query",
    Purpose.CODE_QUERY: "search_query",
    Purpose.QUESTION: "search_query",
    Purpose.FACT_CHECK: "search_query",
    Purpose.DOCUMENT: "search_document",
    Purpose.SIMILARITY: "clustering",
    Purpose.CLASSIFICATION: "classification",
    Purpose.CLUSTERING: "clustering",
}


class _Vectors(msgspec.Struct, frozen=True):
    floats: tuple[tuple[float, ...], ...] = msgspec.field(name="float")


class _Billed(msgspec.Struct, frozen=True):
    input_tokens: float | None = None


class _Meta(msgspec.Struct, frozen=True):
    billed_units: _Billed | None = None


class _Embedded(msgspec.Struct, frozen=True):
    embeddings: _Vectors
    meta: _Meta | None = None


_EMBEDDED = msgspec.json.Decoder(_Embedded).decode


def encode_embed(request: EmbeddingsRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER for inputs that are not text."""
    texts = []
    for index, given in enumerate(request.inputs):
        if not isinstance(given, str):
            raise unsupported(f"input[{index}]", "must be text at the provider that was chosen")
        texts.append(given)
    dropped = dict.fromkeys(request.hints)
    for name in ("title", "user"):
        if getattr(request, name) is not None:
            dropped[name] = None
    body: dict[str, object] = {
        "model": request.model,
        "texts": texts,
        "input_type": INPUT_TYPES[request.purpose or Purpose.DOCUMENT],
        "embedding_types": ["float"],
        "truncate": "NONE",
    }
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    return WireRequest(EMBED_PATH, msgspec.json.encode(body), dropped=tuple(dropped))


class CanonicalEmbeddings(WholeDecoder):
    """Decodes an answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            answer = _EMBEDDED(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
        events: list[Event] = [EmbeddingsMade(answer.embeddings.floats)]
        billed = answer.meta.billed_units if answer.meta is not None else None
        if billed is not None and billed.input_tokens is not None:
            events.append(UsageReported(Usage(input_tokens=max(0, int(billed.input_tokens)))))
        events.append(Finished())
        return events
