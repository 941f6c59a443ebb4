"""Google's embeddings: one content, a batch of them, or the instances of Vertex AI's prediction.

Written from ai.google.dev/api/embeddings and
cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onevault.simulator.faults import Refused, invalid
from onevault.simulator.gemini_format import GEMINI, JSON_UTF8, with_api_key
from onevault.simulator.gemini_json import read
from onevault.simulator.gemini_prompt import Prompt, add_parts
from onevault.simulator.gemini_requests import text_of
from onevault.simulator.openai_embeddings import embed
from onevault.simulator.reply import Reply
from onevault.simulator.tokens import tokens_of
from onevault.simulator.turn import Handler, Route, Turn

Json = dict[str, Any]
_DIMENSIONS: Final = {
    "gemini-embedding-001": 3072,
    "gemini-embedding-2": 3072,
    "gemini-embedding-2-preview": 3072,
    "text-embedding-004": 768,
    "text-embedding-005": 768,
    "text-multilingual-embedding-002": 768,
}
_BATCH_MAX: Final = 100
_INSTANCES_MAX: Final = 250
_encode: Final = msgspec.json.encode


def vector(turn: Turn, text: str, asked: int | None) -> list[float]:
    """As long as the model's are, or as short as asked for. Raises Refused for more than the model has."""
    own = _DIMENSIONS.get(turn.parts["model"], turn.state.settings.embedding_dimensions)
    size = own if asked is None else asked
    if not 1 <= size <= own:
        raise invalid(f"Invalid output_dimensionality: {size}. It must be between 1 and {own}.")
    return embed(text.lower().split() or [text], seed=turn.state.settings.seed, dimensions=size)


def _content_of(request: Json, place: str) -> Json:
    content = request.get("content", {})
    if not content.get("parts"):
        raise _broken(place + "content", "content is not specified")
    return content  # type: ignore[no-any-return]  # read as a message


def _broken(field: str, why: str) -> Refused:
    return invalid(f"* EmbedContentRequest.{field}: {why}\n")


def embed_one(*, vertex: bool) -> Handler:
    def serve(turn: Turn) -> Reply:
        request = read(turn.request.body, "EmbedContentRequest", vertex=vertex)
        content = _content_of(request, "")
        text = text_of(content)
        turn.enter(turn.parts["model"], text=text)
        prompt = Prompt()
        add_parts(prompt, content["parts"])
        config = {**request.get("embedContentConfig", {}), **request}
        answer: Json = {"embedding": {"values": vector(turn, text, config.get("outputDimensionality"))}}
        answer["usageMetadata"] = {"promptTokenCount": prompt.tokens, "promptTokenDetails": prompt.details()}
        if vertex:
            answer["usageMetadata"] |= {"totalTokenCount": prompt.tokens, "trafficType": "ON_DEMAND"}
            answer["truncated"] = False
        turn.state.log.stats.input_tokens += prompt.tokens
        return Reply(200, _encode(answer), content_type=JSON_UTF8)

    return serve


def embed_batch(turn: Turn) -> Reply:
    requests = read(turn.request.body, "BatchEmbedContentsRequest").get("requests")
    if not requests:
        raise invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n")
    if len(requests) > _BATCH_MAX:
        raise invalid(f"* BatchEmbedContentsRequest.requests: at most {_BATCH_MAX} requests can be in one batch\n")
    model = turn.parts["model"]
    texts = []
    for at, request in enumerate(requests):
        if request.get("model") != f"models/{model}":
            raise invalid(
                f"* BatchEmbedContentsRequest.requests[{at}].model: the model must be the same as the batch's, models/{model}\n"
            )
        texts.append(text_of(_content_of(request, f"requests[{at}].")))
    turn.enter(model, text=texts[-1])
    vectors = [vector(turn, text, one.get("outputDimensionality")) for text, one in zip(texts, requests, strict=True)]
    turn.state.log.stats.input_tokens += sum(map(tokens_of, texts))
    return Reply(200, _encode({"embeddings": [{"values": one} for one in vectors]}), content_type=JSON_UTF8)


def predict(turn: Turn) -> Reply:
    """Text embeddings by `:predict`, the way that Vertex AI had before `:embedContent`."""
    request = read(turn.request.body, "PredictRequest", vertex=True)
    instances = request.get("instances")
    if not instances:
        raise invalid("The request contains no instances. Please provide at least one instance.")
    if len(instances) > _INSTANCES_MAX:
        raise invalid(
            f"{len(instances)} instance(s) is not allowed. Max allowed: {_INSTANCES_MAX} instance(s) per prediction"
        )
    if any(not one.get("content") for one in instances):
        raise invalid("The text content is empty.")
    turn.enter(turn.parts["model"], text=instances[-1]["content"])
    size = request.get("parameters", {}).get("outputDimensionality")
    predictions = []
    for one in instances:
        tokens = tokens_of(one["content"])
        turn.state.log.stats.input_tokens += tokens
        statistics = {"token_count": tokens, "truncated": False}
        values = vector(turn, one["content"], size)
        predictions.append({"embeddings": {"statistics": statistics, "values": values}})
    characters = sum(len("".join(one["content"].split())) for one in instances)
    answer = {"predictions": predictions, "metadata": {"billableCharacterCount": characters}}
    return Reply(200, _encode(answer), content_type=JSON_UTF8)


ROUTES: Final = tuple(
    Route("POST", f"/{version}/models/{{model}}:{verb}", with_api_key(handler), GEMINI)
    for version in ("v1beta", "v1")
    for verb, handler in (("embedContent", embed_one(vertex=False)), ("batchEmbedContents", embed_batch))
)
