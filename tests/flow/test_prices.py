"""What calls of every kind and tier cost: to the nano, in the answer, in their record and in the sums."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http

CONFIG = """
providers:
  openai:
    api_key: sk-simulated
    base_url: {url}/v1
    models: [gpt-5-mini, gpt-5-nano, gpt-4o-mini, gpt-image-1, whisper-1, tts-1, omni-moderation-latest, text-embedding-3-small]
  mine:
    type: openai_compatible
    api_key: sk-simulated
    base_url: {url}/v1
    models:
      - {{name: tiered, prices: {{input: 2, output: 8, tiers: {{flex: {{input: 1, output: 4}}}}}}}}
      - {{name: pictures, prices: {{image: 0.04}}}}
      - {{name: told-in-tokens, prices: {{minute: 0.006}}}}
      - {{name: rerank-mine, prices: {{search: 0.002}}}}
      - unpriced
"""
BUDGET = {"monthly_budget_usd": 5}


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    directory: Path = tmp_path_factory.mktemp("prices")
    made = GatewayProcess(directory, config=CONFIG.format(url=simulator.base_url))
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def key(priced: GatewayProcess) -> NewKey:
    return priced.new_key(organization=BUDGET)


def call(gateway: GatewayProcess, key: NewKey, path: str, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
    return http(f"{gateway.base_url}{path}", key=key.api_key, body=body, headers=headers)


def record(gateway: GatewayProcess, key: NewKey, headers: dict[str, str]) -> Any:
    return http(f"{gateway.base_url}/v1/requests/{headers['x-request-id']}", key=key.api_key)[2]


def chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Tell me more."}]} | more


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "asked", "served", "version", "input_nanos", "output_nanos"),
    [
        ("gpt-5-mini", None, None, "openai/gpt-5-mini", 250, 2000),
        ("gpt-5-mini", "default", None, "openai/gpt-5-mini", 250, 2000),
        ("gpt-5-mini", "auto", None, "openai/gpt-5-mini", 250, 2000),
        ("gpt-5-mini", "flex", "flex", "openai/gpt-5-mini#flex", 125, 1000),
        ("gpt-5-mini", "priority", "priority", "openai/gpt-5-mini#priority", 450, 3600),
        ("gpt-5-mini", "scale", "scale", "openai/gpt-5-mini", 250, 2000),
        ("tiered", "flex", "flex", "#flex", 1000, 4000),
    ],
)
def test_a_call_costs_what_the_tier_costs_that_served_it(
    priced: GatewayProcess,
    key: NewKey,
    stream: bool,
    model: str,
    asked: str | None,
    served: str | None,
    version: str,
    input_nanos: int,
    output_nanos: int,
) -> None:
    body = chat(model, stream=stream) | ({"service_tier": asked} if asked else {})
    status, headers, _ = call(priced, key, "/v1/chat/completions", body)
    assert status == 200
    paid = record(priced, key, headers)
    usage = paid["usage"]
    assert paid["cost_nanos"] == usage["input_tokens"] * input_nanos + usage["output_tokens"] * output_nanos
    assert (usage["service_tier"], usage["source"]) == (served, "provider")
    assert paid["price_version"].endswith(version)
    admins = priced.admin(f"/requests/{headers['x-request-id']}")
    assert (admins["usage"]["service_tier"], admins["cost_nanos"]) == (served, paid["cost_nanos"])


def test_the_hold_covers_the_dearest_tier_that_the_provider_may_choose(priced: GatewayProcess, key: NewKey) -> None:
    held = {}
    for tier in ("default", "auto", "flex", "priority"):
        body = chat("gpt-5-mini", service_tier=tier, max_tokens=1000, user="u" * (20 - len(tier)))
        headers = call(priced, key, "/v1/chat/completions", body)[1]
        held[tier] = record(priced, key, headers)["held_usd"]
    assert held["auto"] == held["priority"] > held["default"] == held["flex"] > 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (chat("gpt-5-nano", service_tier="priority"), "its service tier 'priority' has no known price"),
        (chat("unpriced"), "no price is known for it"),
        (chat("tiered", web_search_options={}), "the fee for its provider's searches is not known"),
    ],
)
def test_what_cannot_be_priced_is_refused_under_a_budget_and_says_what_is_missing(
    priced: GatewayProcess, key: NewKey, body: dict[str, Any], says: str
) -> None:
    status, _, answer = call(priced, key, "/v1/chat/completions", body)
    assert (status, answer["error"]["code"]) == (422, "UNPRICED_MODEL")
    assert says in answer["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (chat("gpt-5-nano", service_tier="priority"), 422),
        (chat("unpriced"), 422),
        (chat("gpt-5-nano", max_tokens=9), 200),
    ],
)
def test_a_callers_own_limit_needs_a_price_too(priced: GatewayProcess, body: dict[str, Any], status: int) -> None:
    anyone = priced.new_key()
    assert call(priced, anyone, "/v1/chat/completions", body)[0] == 200
    limited = body | {"budget": {"max_cost_per_request": 1}}
    assert call(priced, anyone, "/v1/chat/completions", limited)[0] == status


def test_images_cost_by_the_token_or_by_the_image(priced: GatewayProcess, key: NewKey) -> None:
    body = {"model": "pictures", "prompt": "a cat", "n": 2, "size": "1024x1024"}
    status, headers, _ = call(priced, key, "/v1/images/generations", body)
    assert status == 200
    assert (record(priced, key, headers)["usage"]["images"], record(priced, key, headers)["cost_nanos"]) == (
        2,
        80_000_000,
    )
    status, headers, _ = call(
        priced, key, "/v1/images/generations", body | {"model": "gpt-image-1", "size": "1024x1024"}
    )
    paid = record(priced, key, headers)
    usage = paid["usage"]
    assert status == 200
    assert usage["output_tokens"] > 0
    assert paid["cost_nanos"] == usage["input_tokens"] * 5_000 + usage["output_tokens"] * 40_000


def test_speech_costs_by_the_character(priced: GatewayProcess, key: NewKey) -> None:
    body = {"model": "tts-1", "input": "Hello there!", "voice": "alloy", "response_format": "pcm"}
    status, headers, _ = call(priced, key, "/v1/audio/speech", body)
    assert status == 200
    paid = record(priced, key, headers)
    assert (paid["usage"]["characters"], paid["cost_nanos"]) == (12, 12 * 15_000)


@pytest.mark.parametrize("model", ["whisper-1", "told-in-tokens"])
def test_a_transcription_costs_by_the_time(priced: GatewayProcess, key: NewKey, model: str) -> None:
    """Also where the provider tells tokens, which have no price there."""
    samples = 16_000 * 3
    head = b"WAVEfmt " + (16).to_bytes(4, "little") + bytes.fromhex("0100 0100 803e0000 007d0000 0200 1000")
    data = head + b"data" + (samples * 2).to_bytes(4, "little") + bytes(samples * 2)
    wav = b"RIFF" + len(data).to_bytes(4, "little") + data
    form = (
        b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n' + model.encode() + b"\r\n"
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n'
        + wav
        + b"\r\n--b--\r\n"
    )
    status, headers, answer = call(
        priced, key, "/v1/audio/transcriptions", form, **{"content-type": "multipart/form-data; boundary=b"}
    )
    assert status == 200, answer
    paid = record(priced, key, headers)
    assert (paid["usage"]["audio_ms"], paid["cost_nanos"]) == (3_000, 300_000)


def test_a_ranking_costs_by_the_search(priced: GatewayProcess, key: NewKey) -> None:
    body = {"model": "rerank-mine", "query": "a cat", "documents": ["a dog", "the cat sat"]}
    status, headers, _ = call(priced, key, "/v1/rerank", body)
    assert status == 200
    paid = record(priced, key, headers)
    assert (paid["usage"]["searches"], paid["cost_nanos"]) == (1, 2_000_000)


def test_moderation_is_free_and_not_unpriced(priced: GatewayProcess, key: NewKey) -> None:
    status, headers, _ = call(priced, key, "/v1/moderations", {"model": "omni-moderation-latest", "input": "Hello"})
    assert status == 200
    paid = record(priced, key, headers)
    assert (paid["cost_nanos"], paid["held_usd"]) == (0, 0)
    assert paid["price_version"].endswith(":openai/omni-moderation-*")


def test_the_sums_are_those_of_the_records(priced: GatewayProcess, key: NewKey) -> None:
    bodies = [
        ("/v1/chat/completions", chat("gpt-5-mini", service_tier="flex")),
        ("/v1/images/generations", {"model": "pictures", "prompt": "a cat", "size": "1024x1024"}),
        ("/v1/audio/speech", {"model": "tts-1", "input": "Hello", "voice": "alloy"}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hello"}),
    ]
    costs = [record(priced, key, call(priced, key, path, body)[1])["cost_nanos"] for path, body in bodies]
    assert all(costs)
    used = http(f"{priced.base_url}/v1/usage", key=key.api_key)[2]
    assert used["user"]["month_usage_nanos"] == sum(costs)
    assert sum(entry["cost_nanos"] for entry in used["models"]) == sum(costs)
    assert json.dumps(used).count('"model"') == len(bodies)
