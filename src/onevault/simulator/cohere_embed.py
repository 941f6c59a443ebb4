"""Cohere's embeddings, in every type of number that it offers, and its ranking of documents.

Written from docs.cohere.com/v2/reference/embed and /v2/reference/rerank.
"""

from __future__ import annotations

import base64
from array import array
from typing import Any, Final, Literal

import msgspec

from onevault.simulator.cohere_format import COHERE, identity_of, meta, read
from onevault.simulator.faults import invalid
from onevault.simulator.openai_embeddings import embed
from onevault.simulator.reply import Reply
from onevault.simulator.rerank import ranked, search_units, text_of
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of
from onevault.simulator.turn import Route, Turn

_INPUTS_MAX: Final = 96
_DIMENSIONS: Final = (256, 512, 1024, 1536)
_encode: Final = msgspec.json.encode

Type = Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]


class EmbedRequest(msgspec.Struct):
    model: str
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: list[str] | None = None
    images: list[str] | None = None
    inputs: list[dict[str, Any]] | None = None
    embedding_types: list[Type] | None = None
    output_dimension: int | None = None


class RerankRequest(msgspec.Struct):
    model: str
    query: str
    documents: list[str | dict[str, Any]]
    top_n: int | None = None
    max_tokens_per_doc: int | None = None


_embed: Final = msgspec.json.Decoder(EmbedRequest)
_rerank: Final = msgspec.json.Decoder(RerankRequest)


def serve(turn: Turn) -> Reply:
    request = read(_embed, turn.request.body)
    subjects = _subjects(request)
    size = request.output_dimension or turn.state.settings.embedding_dimensions
    if request.output_dimension is not None and request.output_dimension not in _DIMENSIONS:
        allowed = ", ".join(map(str, _DIMENSIONS))
        raise invalid(f"invalid request: output_dimension must be one of {allowed}")
    turn.enter(request.model, text=subjects[-1][0])
    seed = turn.state.settings.seed
    vectors = [embed(text.lower().split() or [text], seed=seed, dimensions=size) for text, _ in subjects]
    words = sum(tokens_of(text) for text, images in subjects if text and not images)
    pictures = sum(images for _, images in subjects)
    billed = {"input_tokens": words, "image_tokens": MEDIA_TOKENS * pictures}
    turn.state.log.stats.input_tokens += words + MEDIA_TOKENS * pictures
    answer: dict[str, Any] = {
        "id": identity_of(turn.state.ring.digest(turn.request.body)),
        "texts": request.texts or [],
        "embeddings": {
            kind: [_typed(vector, kind) for vector in vectors] for kind in request.embedding_types or ["float"]
        },
        "response_type": "embeddings_by_type",
        "meta": {"api_version": {"version": "2"}} if turn.behaviour.no_usage else meta(**billed),
    }
    return Reply(200, _encode(answer))


def _subjects(request: EmbedRequest) -> list[tuple[str, int]]:
    """Each input as its text, and how many images it has; an image is known by the text of its address."""
    given = [one for one in (request.texts, request.images, request.inputs) if one is not None]
    if len(given) != 1 or not given[0]:
        raise invalid("invalid request: exactly one of texts, images and inputs must be provided")
    if len(given[0]) > _INPUTS_MAX:
        raise invalid(f"invalid request: at most {_INPUTS_MAX} inputs may be embedded at once")
    if request.texts is not None:
        return [(text, 0) for text in request.texts]
    if request.images is not None:
        return [(image, 1) for image in request.images]
    return [_mixed(one.get("content")) for one in request.inputs or ()]


def _mixed(content: Any) -> tuple[str, int]:
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    words = " ".join(str(part["text"]) for part in parts if part.get("type") == "text" and "text" in part)
    return words, sum(part.get("type") == "image_url" for part in parts)


def _typed(vector: list[float], kind: Type) -> Any:
    """The vector as numbers of another type; binary ones hold eight signs each."""
    match kind:
        case "float":
            return vector
        case "base64":
            return base64.b64encode(array("f", vector).tobytes()).decode()
        case "int8":
            return [max(-128, min(127, round(value * 127))) for value in vector]
        case "uint8":
            return [max(0, min(255, round(value * 127) + 128)) for value in vector]
    signs = "".join("1" if value > 0 else "0" for value in vector)
    packed = [int(signs[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(signs), 8)]
    return packed if kind == "ubinary" else [value - 128 for value in packed]


def rerank(turn: Turn) -> Reply:
    request = read(_rerank, turn.request.body)
    if not request.documents:
        raise invalid("invalid request: list of documents must not be empty")
    if request.top_n is not None and request.top_n < 1:
        raise invalid("invalid request: top_n must be at least 1")
    query = turn.enter(request.model, text=request.query)
    texts = [text_of(document) for document in request.documents]
    best = ranked(query, texts)[: request.top_n]
    answer = {
        "id": identity_of(turn.state.ring.digest(turn.request.body)),
        "results": [{"index": index, "relevance_score": score} for index, score in best],
        "meta": {"api_version": {"version": "2"}}
        if turn.behaviour.no_usage
        else meta(search_units=search_units(len(texts))),
    }
    return Reply(200, _encode(answer))


ROUTES: Final = (Route("POST", "/v2/embed", serve, COHERE), Route("POST", "/v2/rerank", rerank, COHERE))
