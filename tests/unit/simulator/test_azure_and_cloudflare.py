"""Azure OpenAI as OpenAI's own SDK for it reads it, and Cloudflare's AI Gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import openai as openai_sdk
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from tests.unit.simulator.conftest import KEY, Exchange, Json, body_of, request_of

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings
from onevault.simulator.sounds import wav

CHAT = "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
USER: Any = [{"role": "user", "content": "hello"}]


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture
async def azure(simulator: EmbeddedSimulator) -> AsyncIterator[AsyncAzureOpenAI]:
    async with AsyncAzureOpenAI(
        azure_endpoint=simulator.base_url, api_version="2025-03-01-preview", api_key=KEY, max_retries=0, timeout=5
    ) as client:
        yield client


async def test_every_operation_is_served_under_a_deployment(
    azure: AsyncAzureOpenAI, simulator: EmbeddedSimulator
) -> None:
    assert (await azure.chat.completions.create(model="mine", messages=USER)).model == "mine"
    assert (await azure.completions.create(model="mine", prompt="x")).model == "mine"
    assert (await azure.embeddings.create(model="mine", input="x")).model == "mine"
    assert (await azure.responses.create(model="mine", input="x")).model == "mine"
    assert (await azure.images.generate(model="mine", prompt="x")).usage
    speech = await azure.audio.speech.create(model="mine", voice="alloy", input="x", response_format="pcm")
    assert len(speech.content) == 480
    heard: Any = await azure.audio.transcriptions.create(model="mine", file=("x.wav", wav(1)))
    assert heard.usage.type == "tokens"
    scoped = [call.path.startswith("/openai/deployments/mine/") for call in simulator.calls]
    assert scoped == [True, True, True, False, True, True, True]


async def test_what_the_filter_found_comes_with_the_choices(azure: AsyncAzureOpenAI) -> None:
    answer = (await azure.chat.completions.create(model="mine", messages=USER)).to_dict()
    assert answer["prompt_filter_results"][0]["content_filter_results"]["jailbreak"] == {  # type: ignore[index]
        "filtered": False,
        "detected": False,
    }
    assert answer["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}  # type: ignore[index]
    cut = await azure.chat.completions.create(model="mine", messages=ask("[[simulate: finish=content_filter]]"))
    assert cut.to_dict()["choices"][0]["content_filter_results"]["violence"]["filtered"] is True  # type: ignore[index]


async def test_the_first_chunk_of_a_stream_has_no_choices(azure: AsyncAzureOpenAI) -> None:
    whole = await azure.chat.completions.create(model="mine", messages=USER)
    stream = await azure.chat.completions.create(
        model="mine", messages=USER, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert (chunks[0].choices, chunks[0].model, chunks[0].id) == ([], "", "")
    assert chunks[0].to_dict()["prompt_filter_results"]
    assert chunks[-1].usage == whole.usage
    parts = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(part.delta.content or "" for part in parts) == whole.choices[0].message.content
    assert all("content_filter_results" in part.to_dict() for part in parts)


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        (CHAT.partition("?")[0], {}, 404, "404"),
        (CHAT, {"authorization": ""}, 401, "401"),
        (CHAT, {"x_simulate": "error=401"}, 401, "401"),
        (CHAT, {"x_simulate": "error=429"}, 429, "429"),
        (CHAT, {"x_simulate": "error=404"}, 404, "DeploymentNotFound"),
        (CHAT, {"x_simulate": "error=content_filter"}, 400, "content_filter"),
        (CHAT, {"x_simulate": "error=context_length"}, 400, "context_length_exceeded"),
        (CHAT, {"x_simulate": "error=500"}, 500, None),
        ("/openai/v1/chat/completions", {"x_simulate": "error=429"}, 429, "rate_limit_exceeded"),
        ("/openai/deployments/mine/unknown?api-version=1", {}, 404, None),
    ],
)
async def test_errors_are_azures_own(
    call: Json, path: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    got, answer = await call("POST", path, body_of(CHAT), **headers)
    assert (got, answer["error"]["code"]) == (status, code)
    if code == "content_filter":
        found = answer["error"]["innererror"]
        assert found["code"] == "ResponsibleAIPolicyViolation"
        assert found["content_filter_result"]["violence"]["filtered"] is True


async def test_a_limit_says_when_to_come_back(exchange: Exchange) -> None:
    answer = await exchange(
        request_of("POST", CHAT, body_of(CHAT), x_simulate="error=429; retry_after=0.5", connection="close")
    )
    head = answer.partition(b"\r\n\r\n")[0]
    assert b"retry-after: 1\r\n" in head
    assert b"retry-after-ms: 500" in head
    assert b"x-ratelimit-remaining-requests: 0" in head


async def test_only_the_settings_deployments_and_keys_are_there() -> None:
    async with (
        EmbeddedSimulator(Settings(models=("known",), keys=(KEY,))) as strict,
        AsyncAzureOpenAI(azure_endpoint=strict.base_url, api_version="1", api_key=KEY, max_retries=0) as client,
        AsyncAzureOpenAI(azure_endpoint=strict.base_url, api_version="1", api_key="wrong", max_retries=0) as stranger,
    ):
        await client.chat.completions.create(model="known", messages=USER)
        with pytest.raises(openai_sdk.NotFoundError) as unknown:
            await client.chat.completions.create(model="other", messages=USER)
        assert unknown.value.code == "DeploymentNotFound"
        with pytest.raises(openai_sdk.AuthenticationError):
            await stranger.chat.completions.create(model="known", messages=USER)


async def test_the_version_without_versions_is_openais(simulator: EmbeddedSimulator) -> None:
    async with AsyncOpenAI(base_url=simulator.base_url + "/openai/v1", api_key=KEY, max_retries=0) as client:
        assert (
            "content_filter_results"
            not in (await client.chat.completions.create(model="mine", messages=USER)).choices[0].to_dict()
        )
        response = await client.responses.create(model="mine", input="x")
        assert await client.responses.retrieve(response.id) == response
        assert [model.object async for model in client.models.list()]
        stream = await client.chat.completions.create(model="mine", messages=USER, stream=True)
        assert all(chunk.choices for chunk in [chunk async for chunk in stream])


async def test_a_key_is_taken_in_azures_header(call: Json) -> None:
    assert (await call("POST", CHAT, body_of(CHAT), authorization="", api_key=KEY))[0] == 200


COMPAT = "/compat/chat/completions"


@pytest.mark.parametrize("path", [COMPAT, "/v1/account/gateway/compat/chat/completions"])
async def test_cloudflare_serves_the_model_after_the_providers_name(exchange: Exchange, path: str) -> None:
    body = {**body_of(COMPAT), "model": "openai/gpt-5"}
    headers = {"cf_aig_metadata": '{"team":"a"}', "cf_aig_custom_cost": "{}", "cf_aig_cache_ttl": "60"}
    answer = await exchange(request_of("POST", path, body, connection="close", **headers))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"cf-aig-cache-status: MISS" in head
    assert json.loads(rest)["model"] == "gpt-5"


async def test_cloudflares_own_key_is_enough_and_seen_only_at_its_end(call: Json, simulator: EmbeddedSimulator) -> None:
    body = {**body_of(COMPAT), "model": "openai/gpt-5"}
    assert (await call("POST", COMPAT, body, authorization=""))[0] == 401
    assert (await call("POST", COMPAT, body, authorization="", cf_aig_authorization=f"Bearer {KEY}"))[0] == 200
    assert ("cf-aig-authorization", "Bearer …6789") in simulator.calls[-1].headers


@pytest.mark.parametrize("model", ["gpt-5", "/gpt-5", "openai/"])
async def test_a_model_without_a_provider_is_refused(call: Json, model: str) -> None:
    status, answer = await call("POST", COMPAT, {**body_of(COMPAT), "model": model})
    assert (status, answer["error"]["param"]) == (400, "model")
