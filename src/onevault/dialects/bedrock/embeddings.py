"""Writes requests for embeddings as the models behind InvokeModel want them, and decodes their answers.

Each maker has a format of its own: Titan and Nova take one text a call, Cohere takes many. How many tokens the input had is in the
body of Titan's answers alone; for the others Bedrock tells it in a header of the answer, which a decoder does not see.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from onevault.core.codec import WireRequest
from onevault.core.embeddings import EmbeddingsRequest, Purpose
from onevault.core.events import EmbeddingsMade, Event, Finished, UsageReported
from onevault.core.usage import Usage
from onevault.dialects.bedrock.media import Json
from onevault.dialects.bedrock.names import path_of
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.provider_faults import malformed

_INPUTS_MAX_AT_COHERE: Final = 96
_INPUT_TYPES: Final = {
    Purpose.QUERY: "search_query",
    Purpose.QUESTION: "search_query",
    Purpose.CODE_QUERY: "search_query",
    Purpose.FACT_CHECK: "search_query",
    Purpose.DOCUMENT: "search_document",
    Purpose.CLASSIFICATION: "classification",
    Purpose.CLUSTERING: "clustering",
}
_NOVA_PURPOSES: Final = {
    Purpose.QUERY: "GENERIC_RETRIEVAL",
    Purpose.QUESTION: "GENERIC_RETRIEVAL",
    Purpose.CODE_QUERY: "GENERIC_RETRIEVAL",
    Purpose.FACT_CHECK: "GENERIC_RETRIEVAL",
    Purpose.CLASSIFICATION: "CLASSIFICATION",
    Purpose.CLUSTERING: "CLUSTERING",
}
_MAKER = re.compile(r"(?:^|[./])(cohere\.embed-|amazon\.titan-embed-|amazon\.nova-[a-z0-9-]*embeddings)")


def encode_embeddings(request: EmbeddingsRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER for a model of no known format, and for what the format cannot say."""
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    texts: list[str] = []
    for i, text in enumerate(request.inputs):
        if not isinstance(text, str):
            raise unsupported(f"input[{i}]", "must be text and not tokens at the provider that was chosen")
        texts.append(text)
    found = _MAKER.search(request.model)
    maker = found[1] if found else ""
    if maker.startswith("cohere"):
        body = _cohere(request, texts, dropped)
    elif maker:
        if len(texts) != 1:
            raise unsupported("input", "must be one text a call at the model that was chosen")
        body = _titan(request, texts[0], dropped) if "titan" in maker else _nova(request, texts[0])
    else:
        raise unsupported("model", "is in no format for embeddings that is known here")
    for name in ("title", "user"):
        if getattr(request, name):
            dropped[name] = None
    return WireRequest(path_of(request.model, "invoke"), msgspec.json.encode(body), dropped=tuple(dropped))


def _cohere(request: EmbeddingsRequest, texts: list[str], dropped: dict[str, None]) -> Json:
    if len(texts) > _INPUTS_MAX_AT_COHERE:
        raise unsupported("input", f"may have {_INPUTS_MAX_AT_COHERE} entries at most at the model that was chosen")
    if request.purpose is not None and request.purpose not in _INPUT_TYPES:
        dropped["purpose"] = None
    purpose = request.purpose or Purpose.DOCUMENT
    body: Json = {
        "texts": texts,
        "input_type": _INPUT_TYPES.get(purpose, "search_document"),
        "embedding_types": ["float"],
    }
    if request.dimensions is not None:
        if "embed-v4" not in request.model:
            raise unsupported("dimensions", "cannot be chosen at the model that was chosen")
        body["output_dimension"] = request.dimensions
    return body


def _titan(request: EmbeddingsRequest, text: str, dropped: dict[str, None]) -> Json:
    body: Json = {"inputText": text}
    if request.dimensions is not None:
        if "titan-embed-text-v1" in request.model or "titan-embed-g1" in request.model:
            raise unsupported("dimensions", "cannot be chosen at the model that was chosen")
        if "titan-embed-image" in request.model:
            body["embeddingConfig"] = {"outputEmbeddingLength": request.dimensions}
        else:
            body["dimensions"] = request.dimensions
    if request.purpose is not None:
        dropped["purpose"] = None
    return body


def _nova(request: EmbeddingsRequest, text: str) -> Json:
    purpose = request.purpose or Purpose.DOCUMENT
    params: Json = {
        "embeddingPurpose": _NOVA_PURPOSES.get(purpose, "GENERIC_INDEX"),
        "text": {"value": text, "truncationMode": "NONE"},
    }
    if request.dimensions is not None:
        params["embeddingDimension"] = request.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


class ByType(msgspec.Struct, frozen=True, gc=False, rename={"floats": "float"}):
    """Cohere's vectors where their type was asked for."""

    floats: tuple[tuple[float, ...], ...]


class OfNova(msgspec.Struct, frozen=True, gc=False):
    embedding: tuple[float, ...]


class EmbeddingsAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`embedding` is Titan's; `embeddings` Cohere's (vectors, or vectors by type) or Nova's (objects)."""

    embedding: tuple[float, ...] | None = None
    embeddings: msgspec.Raw = msgspec.Raw()
    input_text_token_count: int | None = None


_ANSWER = msgspec.json.Decoder(EmbeddingsAnswer).decode
_VECTORS = msgspec.json.Decoder(tuple[tuple[float, ...], ...]).decode
_BY_TYPE = msgspec.json.Decoder(ByType).decode
_OF_NOVA = msgspec.json.Decoder(list[OfNova]).decode
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class EmbeddingsWhole(WholeDecoder):
    """Decodes the vectors once they have come, whoever made them."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            answer = _ANSWER(body)
            vectors = _vectors(answer)
        except _NOT_JSON:
            raise malformed("an answer that is not in its dialect", body) from None
        events: list[Event] = [EmbeddingsMade(vectors)]
        if answer.input_text_token_count is not None:
            events.append(UsageReported(Usage(input_tokens=max(answer.input_text_token_count, 0))))
        events.append(Finished())
        return events


def _vectors(answer: EmbeddingsAnswer) -> tuple[tuple[float, ...], ...]:
    if answer.embedding is not None:
        return (answer.embedding,)
    raw = bytes(answer.embeddings)
    if raw.startswith(b"{"):
        return _BY_TYPE(raw).floats
    if raw.removeprefix(b"[").lstrip().startswith(b"{"):
        return tuple(vector.embedding for vector in _OF_NOVA(raw))
    if not raw:
        raise malformed("an answer without embeddings")
    return _VECTORS(raw)
