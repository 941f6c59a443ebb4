"""Bedrock's InvokeModel for the models that embed: Amazon Titan's, Amazon Nova's and Cohere's own bodies.

Written from docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
.../model-parameters-embed.html, .../model-parameters-embed-v4.html.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeVar

import msgspec

from onevault.simulator.bedrock_format import BEDROCK, model_of, with_credentials
from onevault.simulator.faults import invalid
from onevault.simulator.openai_embeddings import embed
from onevault.simulator.reply import Reply
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of
from onevault.simulator.turn import Route, Turn

Json = dict[str, Any]
R = TypeVar("R")
_TEXTS_MAX: Final = 96
_TITAN_SIZES: Final = (256, 512, 1024)
_COHERE_V4_SIZES: Final = (256, 512, 1024, 1536)


class TitanRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    input_text: str
    dimensions: int | None = None
    normalize: bool | None = None
    embedding_types: list[Literal["float", "binary"]] | None = None


class CohereRequest(msgspec.Struct, forbid_unknown_fields=True):
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: list[str] = []
    images: list[str] = []
    truncate: Literal["NONE", "START", "LEFT", "END", "RIGHT"] | None = None
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary"]] | None = None
    output_dimension: int | None = None
    max_tokens: int | None = None


class NovaText(msgspec.Struct, rename="camel"):
    value: str
    truncation_mode: Literal["START", "END", "NONE"] = "NONE"


class NovaParameters(msgspec.Struct, rename="camel"):
    embedding_purpose: str
    text: NovaText
    embedding_dimension: Literal[256, 384, 1024, 3072] = 3072


class NovaRequest(msgspec.Struct, rename="camel"):
    task_type: Literal["SINGLE_EMBEDDING"]
    single_embedding_params: NovaParameters


_nova: Final = msgspec.json.Decoder(NovaRequest)
_titan: Final = msgspec.json.Decoder(TitanRequest)
_cohere: Final = msgspec.json.Decoder(CohereRequest)


@with_credentials
def invoke(turn: Turn) -> Reply:
    model = model_of(turn)
    if "amazon.titan-embed-text" in model:
        answer, tokens = _titan_answer(turn, model)
    elif "cohere.embed-" in model:
        answer, tokens = _cohere_answer(turn, model)
    elif "amazon.nova-2-multimodal-embeddings" in model:
        answer, tokens = _nova_answer(turn, model)
    else:
        turn.enter(model)
        raise invalid("The simulator invokes models that embed: Titan's, Nova's and Cohere's; others converse.")
    turn.state.log.stats.input_tokens += tokens
    headers = b"x-amzn-bedrock-input-token-count: %d\r\nx-amzn-bedrock-invocation-latency: 1\r\n" % tokens
    return Reply(200, msgspec.json.encode(answer), headers=headers)


def _read(decoder: msgspec.json.Decoder[R], body: bytes) -> R:
    try:
        return decoder.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"Malformed input request: {error}, please reformat your input and try again.") from None


def _vector(turn: Turn, text: str, size: int) -> list[float]:
    return embed(text.lower().split() or [text], seed=turn.state.settings.seed, dimensions=size)


def _titan_answer(turn: Turn, model: str) -> tuple[Json, int]:
    """The second version also gives the vector under each of the kinds asked for; only it takes a number of dimensions."""
    request = _read(_titan, turn.request.body)
    text = turn.enter(model, text=request.input_text)
    if not text.strip():
        raise invalid(
            "Malformed input request: expected minLength: 1, actual: 0, please reformat your input and try again."
        )
    second = "-v1" not in model
    if request.dimensions is not None and (not second or request.dimensions not in _TITAN_SIZES):
        message = f"Malformed input request: #/dimensions: {request.dimensions} is not a valid enum value"
        raise invalid(f"{message}, please reformat your input and try again.")
    tokens = tokens_of(request.input_text)
    values = _vector(turn, text, request.dimensions or (1024 if second else 1536))
    answer: Json = {"embedding": values, "inputTextTokenCount": tokens}
    if second:
        kinds = request.embedding_types or ["float"]
        answer["embeddingsByType"] = {kind: values if kind == "float" else _bits(values) for kind in kinds}
        if "float" not in kinds:
            del answer["embedding"]
    return answer, tokens


def _nova_answer(turn: Turn, model: str) -> tuple[Json, int]:
    request = _read(_nova, turn.request.body).single_embedding_params
    text = turn.enter(model, text=request.text.value)
    embedding = {"embeddingType": "TEXT", "embedding": _vector(turn, text, request.embedding_dimension)}
    return {"embeddings": [embedding]}, tokens_of(request.text.value)


def _cohere_answer(turn: Turn, model: str) -> tuple[Json, int]:
    """The third generation answers with bare vectors unless kinds are asked for, the fourth always by kind."""
    request = _read(_cohere, turn.request.body)
    inputs = request.texts or request.images
    turn.enter(model, text=request.texts[-1] if request.texts else "")
    if not inputs or len(inputs) > _TEXTS_MAX:
        raise invalid(
            f"Malformed input request: between 1 and {_TEXTS_MAX} texts are needed, please reformat your input and try again."
        )
    fourth = "embed-v4" in model
    size = request.output_dimension or (1536 if fourth else 1024)
    if size != 1024 and (not fourth or size not in _COHERE_V4_SIZES):
        raise invalid(f"Malformed input request: output_dimension {size}, please reformat your input and try again.")
    vectors = [_vector(turn, one, size) for one in inputs]
    answer: Json = {"id": _identity(turn, request), "texts": request.texts, "response_type": "embeddings_floats"}
    if request.embedding_types or fourth:
        kinds = request.embedding_types or ["float"]
        answer["embeddings"] = {kind: [_as_kind(kind, vector) for vector in vectors] for kind in kinds}
        answer["response_type"] = "embeddings_by_type"
    else:
        answer["embeddings"] = vectors
    return answer, sum(map(tokens_of, request.texts)) + MEDIA_TOKENS * (0 if request.texts else len(inputs))


def _identity(turn: Turn, request: CohereRequest) -> str:
    digest = turn.state.ring.digest(msgspec.json.encode(request))
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def _bits(vector: list[float]) -> list[int]:
    return [1 if value > 0 else 0 for value in vector]


def _as_kind(kind: str, vector: list[float]) -> list[float] | list[int]:
    """`int8` and `uint8` are the values in steps of 1/127, the binary kinds eight signs to a byte."""
    if kind == "float":
        return vector
    if kind.endswith("int8"):
        return [round(value * 127) + (128 if kind == "uint8" else 0) for value in vector]
    bits = _bits(vector)
    packed = [int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits), 8)]
    return packed if kind == "ubinary" else [value - 128 for value in packed]


ROUTES: Final = (Route("POST", "/model/{model}/invoke", invoke, BEDROCK),)
