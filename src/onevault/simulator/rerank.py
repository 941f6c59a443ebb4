"""Ranks documents by how many of the query's words they share, in the shape that rerankers have in common.

Written from api.jina.ai/redoc (rerank) and docs.cohere.com/v1/reference/rerank.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import msgspec

from onevault.simulator.openai_format import OPENAI
from onevault.simulator.openai_reading import check_ranges, empty_array, read
from onevault.simulator.reply import Reply
from onevault.simulator.tokens import tokens_of
from onevault.simulator.turn import Route, Turn

_UNIT_DOCUMENTS: Final = 100


class RerankRequest(msgspec.Struct):
    model: str
    query: str
    documents: list[str | dict[str, Any]]
    top_n: int | None = None
    return_documents: bool | None = None


_decoder: Final = msgspec.json.Decoder(RerankRequest)


def serve(turn: Turn) -> Reply:
    request = read(_decoder, turn.request.body)
    if not request.documents:
        raise empty_array("documents")
    check_ranges(request, (("top_n", 1, None),))
    query = turn.enter(request.model, text=request.query)
    texts = [text_of(document) for document in request.documents]
    results: list[dict[str, Any]] = []
    for index, score in ranked(query, texts)[: request.top_n]:
        result: dict[str, Any] = {"index": index, "relevance_score": score}
        if request.return_documents:
            result["document"] = {"text": texts[index]}
        results.append(result)
    tokens = tokens_of(request.query) + sum(map(tokens_of, texts))
    turn.state.log.stats.input_tokens += tokens
    answer = {
        "id": turn.state.ring.digest(turn.request.body),
        "object": "list",
        "model": request.model,
        "results": results,
        "meta": {"api_version": {"version": "1"}, "billed_units": {"search_units": search_units(len(texts))}},
    }
    if not turn.behaviour.no_usage:
        answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(200, msgspec.json.encode(answer))


def text_of(document: str | dict[str, Any]) -> str:
    if isinstance(document, str):
        return document
    text = document.get("text")
    return text if isinstance(text, str) else msgspec.json.encode(document).decode()


def ranked(query: str, texts: list[str]) -> list[tuple[int, float]]:
    """Index and score from 0 to 1 of every text, the best first: the cosine between how often each word is there."""
    wanted = Counter(query.lower().split())
    scores = []
    for text in texts:
        found = Counter(text.lower().split())
        shared = sum(count * found[word] for word, count in wanted.items())
        scores.append(round(shared / (_length(wanted) * _length(found)), 6) if shared else 0.0)
    return sorted(enumerate(scores), key=lambda row: -row[1])


def _length(words: Counter[str]) -> float:
    return math.sqrt(sum(count * count for count in words.values()))


def search_units(documents: int) -> int:
    """One for every hundred documents that were begun."""
    return -(-documents // _UNIT_DOCUMENTS)


ROUTES: Final = (Route("POST", "/v1/rerank", serve, OPENAI),)
