"""What a key may use, as OpenAI's, Anthropic's and Google's SDKs list it; and what is said where a model cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from google import genai
from google.genai import errors, types
from openai import OpenAI

from tests.support.processes import GatewayProcess, SimulatorProcess, http

CONFIG = """
providers:
  openai:
    api_key: sk-simulated
    base_url: {url}/v1
    models:
      - gpt-3.5-turbo
      - {{name: gpt-4o-mini, alias: small}}
      - text-embedding-3-small
      - gpt-5
      - gpt-image-1
      - {{name: acme-support, base: gpt-4o-mini}}
      - never-priced
      - {{name: unheard-of, prices: {{input: 1, output: 2, search: 0.01}}}}
  anthropic: {{api_key: sk-ant-simulated, base_url: "{url}"}}
routing: {{aliases: {{best: gpt-5}}}}
"""
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]


@pytest.fixture(scope="module")
def offering(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    directory: Path = tmp_path_factory.mktemp("catalog")
    made = GatewayProcess(directory, config=CONFIG.format(url=simulator.base_url))
    made.start()
    yield made
    assert made.stop() == 0


def read(gateway: GatewayProcess, path: str, **headers: str) -> tuple[int, Any]:
    status, _, document = http(f"{gateway.base_url}{path}", key=gateway.api_key, headers=headers)
    return status, document


def chat(gateway: GatewayProcess, **body: Any) -> tuple[int, Any]:
    asked = {"messages": [{"role": "user", "content": "Hello"}]} | body
    status, _, answer = http(f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body=asked)
    return status, answer


def test_a_model_is_listed_with_all_that_is_known_of_it(offering: GatewayProcess) -> None:
    status, listed = read(offering, "/v1/models")
    assert status == 200
    by_id = {entry["id"]: entry for entry in listed["data"]}
    small = by_id["gpt-4o-mini"]
    assert (small["context_length"], small["max_output_tokens"], small["owned_by"]) == (128_000, 16_384, "openai")
    assert small["modalities"] == {"input": ["text", "image", "file"], "output": ["text"]}
    assert {"tools", "structured_output", "logprobs"} <= set(small["capabilities"])
    assert "audio_input" not in small["capabilities"]
    assert small["operations"] == ["chat", "count_tokens"]
    assert small["aliases"] == ["small"]
    pricing = small["pricing"]
    assert (pricing["input_usd_per_mtok"], pricing["output_usd_per_mtok"]) == (0.15, 0.6)
    assert pricing["usd_per_search"] == 0.01
    assert pricing["service_tiers"]["batch"]["input_usd_per_mtok"] == 0.075
    assert pricing["version"].endswith(":openai/gpt-4o-mini")
    assert by_id["gpt-image-1"]["modalities"] == {"input": ["text", "image"], "output": ["image"]}
    assert by_id["gpt-image-1"]["pricing"]["input_image_usd_per_mtok"] == 10
    assert by_id["gpt-5"]["aliases"] == ["best"]
    assert by_id["acme-support"]["context_length"] == 128_000
    assert by_id["acme-support"]["pricing"]["input_usd_per_mtok"] == 0.15
    assert (by_id["never-priced"]["pricing"], by_id["never-priced"]["unpriced"]) == (None, "no price is known for it")
    unheard = by_id["unheard-of"]
    assert (unheard["capabilities"], unheard["modalities"], unheard["context_length"]) == (None, None, None)


def test_openais_sdk_lists_and_reads_models(offering: GatewayProcess) -> None:
    client = OpenAI(api_key=offering.api_key, base_url=f"{offering.base_url}/v1", max_retries=0)
    listed = {model.id for model in client.models.list()}
    assert {"gpt-4o-mini", "best", "small", "claude-haiku-4-5"} <= listed
    assert client.models.retrieve("openai/gpt-5").owned_by == "openai"
    assert client.models.retrieve("best").id == "best"


def test_anthropics_sdk_lists_and_reads_models(offering: GatewayProcess) -> None:
    client = Anthropic(api_key=offering.api_key, base_url=offering.base_url, max_retries=0)
    listed = {model.id: model for model in client.models.list()}
    claude = listed["claude-haiku-4-5"]
    assert (claude.type, claude.max_input_tokens, claude.max_tokens) == ("model", 200_000, 64_000)
    one = client.models.retrieve("claude-haiku-4-5")
    assert (one.id, one.display_name, one.lifecycle) == ("claude-haiku-4-5", "claude-haiku-4-5", "active")


@pytest.fixture(scope="module")
def googles(offering: GatewayProcess) -> genai.Client:
    return genai.Client(api_key=offering.api_key, http_options=types.HttpOptions(base_url=offering.base_url))


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5-20251001", "claude-haiku-4-5"),
    ],
)
def test_a_model_that_can_be_called_and_is_not_listed_can_be_read(
    offering: GatewayProcess, name: str, like: str
) -> None:
    found, listed = (read(offering, f"/v1/models/{one}")[1] for one in (name, like))
    assert found["id"] == name
    assert {key: found[key] for key in ("context_length", "operations", "capabilities", "pricing")} == {
        key: listed[key] for key in ("context_length", "operations", "capabilities", "pricing")
    }


@pytest.mark.parametrize("name", ["anthropic/nobody-knows-it", "gpt-4o", "auto", ""])
def test_a_name_that_nobody_knows_is_no_model(offering: GatewayProcess, name: str) -> None:
    assert read(offering, f"/v1/models/{name}")[0] == 404


def test_googles_sdk_lists_models_page_by_page(offering: GatewayProcess, googles: genai.Client) -> None:
    everything = {entry["id"] for entry in read(offering, "/v1/models")[1]["data"]}
    pager = googles.models.list(config={"page_size": 3})
    assert len(pager.page) == 3
    assert {str(model.name) for model in pager} == {f"models/{name}" for name in everything}


def test_googles_sdk_reads_a_model(googles: genai.Client) -> None:
    model = googles.models.get(model="gpt-4o-mini")
    assert (model.name, model.input_token_limit, model.output_token_limit) == ("models/gpt-4o-mini", 128_000, 16_384)
    assert "generateContent" in (model.supported_actions or [])
    assert googles.models.get(model="text-embedding-3-small").supported_actions == ["embedContent"]
    with pytest.raises(errors.ClientError) as refused:
        googles.models.get(model="nobody-has-this")
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")


def test_googles_sdk_reads_that_there_are_no_files(googles: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as refused:
        googles.files.list()
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["/v1beta/models?pageSize=x", "/v1beta/models?pageToken=-1", "/v1beta/models?pageToken=²"]
)
def test_a_page_that_is_none_is_refused_googles_way(offering: GatewayProcess, path: str) -> None:
    status, document = read(offering, path.replace("²", "%C2%B2"))
    assert (status, document["error"]["code"], document["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")


def test_googles_models_need_a_key_too(offering: GatewayProcess) -> None:
    status, _, document = http(f"{offering.base_url}/v1beta/models")
    assert (status, document["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_a_page_beyond_the_last_is_empty(offering: GatewayProcess) -> None:
    assert read(offering, "/v1beta/models?pageToken=999999") == (200, {"models": []})


# ---- what a model cannot do -----------------------------------------------------------------------------------------


def test_a_capability_that_the_model_lacks_is_named_with_models_that_have_it(offering: GatewayProcess) -> None:
    status, answer = chat(offering, model="gpt-3.5-turbo", messages=PICTURE)
    error = answer["error"]
    assert (status, error["code"], error["param"]) == (400, "UNSUPPORTED_PARAMETER", "messages")
    assert error["message"] == (
        "This model does not support images as input. Models that do: best, gpt-4o-mini, small."
    )
    assert chat(offering, model="gpt-4o-mini", messages=PICTURE)[0] == 200


def test_what_nobody_knows_is_not_refused(offering: GatewayProcess) -> None:
    assert chat(offering, model="unheard-of", messages=PICTURE)[0] == 200


def test_a_refused_capability_reaches_no_provider_and_costs_nothing(
    offering: GatewayProcess, simulator: SimulatorProcess
) -> None:
    before = len(simulator.calls())
    key = offering.new_key()
    body = {"model": "gpt-3.5-turbo", "messages": PICTURE}
    status, headers, _ = http(f"{offering.base_url}/v1/chat/completions", key=key.api_key, body=body)
    assert status == 400
    assert len(simulator.calls()) == before
    call = http(f"{offering.base_url}/v1/requests/{headers['x-request-id']}", key=key.api_key)[2]
    assert (call["cost_nanos"], call["explain"]["attempts"]) == (0, [])


def test_an_operation_that_the_model_has_not_names_models_that_have_it(offering: GatewayProcess) -> None:
    body = {"model": "gpt-4o-mini", "input": "x"}
    status, _, answer = http(f"{offering.base_url}/v1/embeddings", key=offering.api_key, body=body)
    assert (status, answer["error"]["code"]) == (400, "UNSUPPORTED_PARAMETER")
    assert "Models that do: text-embedding-3-small" in answer["error"]["message"]


def test_an_unknown_model_names_the_nearest(offering: GatewayProcess) -> None:
    status, answer = chat(offering, model="gpt-4-mini")
    assert (status, answer["error"]["code"]) == (404, "MODEL_NOT_FOUND")
    assert "gpt-4o-mini" in answer["error"]["message"]
