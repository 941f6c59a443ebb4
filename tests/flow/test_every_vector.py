"""Vectors, ranks and counts of tokens from every provider that has them, asked by every SDK that asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import cohere
import openai
import pytest
from google import genai
from google.genai import types

from tests.support.every_provider import CLAUDE_AT_AWS
from tests.support.processes import GatewayProcess, SimulatorProcess, http

EMBEDDERS = [
    "openai/text-embedding-3-small",
    "google/gemini-embedding-001",
    "vertex/text-embedding-005",
    "cohere/embed-v4.0",
    "bedrock/amazon.titan-embed-text-v2:0",
    "bedrock/cohere.embed-english-v3",
    "ollama/nomic-embed-text",
    "mistral/mistral-embed",
    "azure/text-embedding-3-small",
    "dated/text-embedding-3-small",
]
TITAN = "bedrock/amazon.titan-embed-text-v2:0"
"""Which takes one text a call."""
COUNTERS = [
    "anthropic/claude-haiku-4-5",
    "google/gemini-2.5-flash",
    "vertex/gemini-2.5-flash",
    f"bedrock/{CLAUDE_AT_AWS}",
]
ESTIMATED = ["openai/gpt-4o-mini", "cohere/command-a-03-2025", "ollama/llama3.2", "groq/llama-3.3-70b-versatile"]
TEXTS = ["one text", "another"]


@pytest.fixture
def openais(every: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{every.base_url}/v1", api_key=every.api_key, max_retries=0) as made:
        yield made


@pytest.fixture
def googles(every: GatewayProcess) -> Iterator[genai.Client]:
    with genai.Client(api_key=every.api_key, http_options=types.HttpOptions(base_url=every.base_url)) as made:
        yield made


@pytest.fixture
def claudes(every: GatewayProcess) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=every.base_url, api_key=every.api_key, max_retries=0) as made:
        yield made


def texts_for(model: str) -> list[str]:
    return TEXTS[:1] if model == TITAN else TEXTS


@pytest.mark.parametrize("model", EMBEDDERS)
def test_openais_callers_get_vectors(every: GatewayProcess, openais: openai.OpenAI, model: str) -> None:
    texts = texts_for(model)
    raw = openais.embeddings.with_raw_response.create(model=model, input=texts)
    answer = raw.parse()
    assert [entry.index for entry in answer.data] == list(range(len(texts)))
    assert len({len(entry.embedding) for entry in answer.data}) == 1
    assert len({tuple(entry.embedding) for entry in answer.data}) == len(texts)
    call = http(f"{every.base_url}/v1/requests/{raw.headers['x-request-id']}", key=every.api_key)[2]
    assert call["usage"]["input_tokens"] == answer.usage.prompt_tokens > 0
    assert call["cost_usd"] == pytest.approx(float(raw.headers["x-gateway-cost-usd"]))
    assert (call["cost_usd"] > 0) is not model.startswith("ollama")


@pytest.mark.parametrize("model", EMBEDDERS)
def test_googles_callers_get_the_same_vectors(openais: openai.OpenAI, googles: genai.Client, model: str) -> None:
    texts = texts_for(model)
    config = types.EmbedContentConfig(task_type="SEMANTIC_SIMILARITY")
    made = googles.models.embed_content(model=model, contents=texts, config=config).embeddings  # type: ignore[arg-type]
    assert made is not None
    others = [entry.embedding for entry in openais.embeddings.create(model=model, input=texts).data]
    assert [len(vector.values or []) for vector in made] == [len(other) for other in others]


@pytest.mark.parametrize("model", ["cohere/rerank-v3.5", "together/Salesforce/Llama-Rank-V1", "simulator/rerank-v3.5"])
def test_coheres_callers_get_ranks(every: GatewayProcess, model: str) -> None:
    documents = ["a dog", "the cat sat", "a cat"]
    with cohere.ClientV2(api_key=every.api_key, base_url=every.base_url) as client:
        ranked = client.rerank(model=model, query="a cat", documents=documents, top_n=2).results
    assert len(ranked) == 2
    assert ranked[0].relevance_score >= ranked[1].relevance_score
    assert {result.index for result in ranked} <= {0, 1, 2}


def test_a_rerank_is_paid_by_the_search(every: GatewayProcess) -> None:
    body = {"model": "cohere/rerank-v3.5", "query": "a cat", "documents": ["a dog"] * 101}
    status, headers, _ = http(f"{every.base_url}/v1/rerank", key=every.api_key, body=body)
    assert status == 200
    call = http(f"{every.base_url}/v1/requests/{headers['x-request-id']}", key=every.api_key)[2]
    assert call["usage"]["searches"] == 2


@pytest.mark.parametrize("model", COUNTERS + ESTIMATED)
def test_tokens_are_counted_before_they_are_paid(
    claudes: anthropic.Anthropic, googles: genai.Client, model: str
) -> None:
    text = "How long is this?"
    raw = claudes.messages.with_raw_response.count_tokens(model=model, messages=[{"role": "user", "content": text}])
    counted = raw.parse().input_tokens
    told = googles.models.count_tokens(model=model, contents=text).total_tokens
    used = claudes.messages.create(model=model, max_tokens=5, messages=[{"role": "user", "content": text}]).usage
    if model in COUNTERS:
        assert counted == told == used.input_tokens
    else:
        assert told is not None
        assert used.input_tokens <= min(counted, told) <= max(counted, told) <= 8 * used.input_tokens
    assert float(raw.headers["x-gateway-cost-usd"]) == 0


@pytest.mark.parametrize("model", COUNTERS)
def test_providers_that_count_are_asked(claudes: anthropic.Anthropic, simulator: SimulatorProcess, model: str) -> None:
    simulator.reset()
    claudes.messages.count_tokens(model=model, messages=[{"role": "user", "content": "Hi"}])
    (path,) = [call["path"] for call in simulator.calls() if call["path"] != "/token"]
    assert "count" in path
