"""Providers' own SDKs through the gateway's relay: what they say passes, what it costs is told, their key is the gateway's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import cohere
import ollama
import openai
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from google import genai
from google.genai import types

from tests.support.every_provider import CLAUDE_AT_AWS
from tests.support.processes import GatewayProcess, SimulatorProcess, http

HELLO = "Hi there."


def newest(gateway: GatewayProcess, request_id: str) -> Any:
    return http(f"{gateway.base_url}/v1/requests/{request_id}", key=gateway.api_key)[2]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", ["google", "simulator"])
def test_googles_sdk(every: GatewayProcess, provider: str, stream: bool) -> None:
    options = types.HttpOptions(base_url=f"{every.base_url}/passthrough/{provider}")
    asked: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": HELLO}
    with genai.Client(api_key=every.api_key, http_options=options) as client:
        answers = (
            list(client.models.generate_content_stream(**asked))
            if stream
            else [client.models.generate_content(**asked)]
        )
    usage, head = answers[-1].usage_metadata, answers[0].sdk_http_response
    assert usage is not None
    assert head is not None
    assert head.headers is not None
    call = newest(every, head.headers["x-request-id"])
    assert (call["provider"], call["model"], call["type"]) == (provider, "gemini-2.5-flash", "chat")
    assert call["usage"]["output_tokens"] == usage.candidates_token_count
    assert call["cost_usd"] > 0


@pytest.fixture
def boto(every: GatewayProcess) -> Iterator[Any]:
    """With the gateway's key as a bearer, which the SDK itself sends over TLS only."""
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"{every.base_url}/passthrough/bedrock",
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 1}),
    )
    bearer = f"Bearer {every.api_key}"
    made.meta.events.register("before-send", lambda request, **_: request.headers.update(authorization=bearer))
    yield made
    made.close()


def test_amazons_sdk(every: GatewayProcess, boto: Any) -> None:
    asked = {"modelId": CLAUDE_AT_AWS, "messages": [{"role": "user", "content": [{"text": HELLO}]}]}
    answer = boto.converse(**asked)
    call = newest(every, answer["ResponseMetadata"]["HTTPHeaders"]["x-request-id"])
    assert (call["provider"], call["model"], call["type"]) == ("bedrock", CLAUDE_AT_AWS, "chat")
    assert call["usage"]["output_tokens"] == answer["usage"]["outputTokens"] > 0
    assert call["cost_usd"] > 0
    told = boto.converse_stream(**asked)
    (usage,) = [event["metadata"]["usage"] for event in told["stream"] if "metadata" in event]
    assert usage == answer["usage"]
    streamed = newest(every, told["ResponseMetadata"]["HTTPHeaders"]["x-request-id"])
    assert (streamed["usage"]["source"], streamed["cost_usd"]) == ("provider", call["cost_usd"])


def test_what_amazon_is_asked_at_invoke_passes_unpriced(every: GatewayProcess, boto: Any) -> None:
    answer = boto.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps({"inputText": HELLO}))
    assert json.loads(answer["body"].read())["embedding"]
    call = newest(every, answer["ResponseMetadata"]["HTTPHeaders"]["x-request-id"])
    assert (call["provider"], call["type"], call["price_version"]) == ("bedrock", "passthrough", None)


def test_coheres_sdk(every: GatewayProcess, simulator: SimulatorProcess) -> None:
    simulator.reset()
    with cohere.ClientV2(api_key=every.api_key, base_url=f"{every.base_url}/passthrough/cohere") as client:
        messages: Any = [{"role": "user", "content": HELLO}]
        assert client.chat(model="command-a-03-2025", messages=messages).message.content
        events = list(client.chat_stream(model="command-a-03-2025", messages=messages))
        assert events[-1].type == "message-end"
    assert [call["path"] for call in simulator.calls()] == ["/v2/chat"] * 2


def test_ollamas_sdk(every: GatewayProcess, simulator: SimulatorProcess) -> None:
    simulator.reset()
    headers = {"authorization": f"Bearer {every.api_key}"}
    messages = [{"role": "user", "content": HELLO}]
    with ollama.Client(host=f"{every.base_url}/passthrough/ollama", headers=headers) as client:
        assert client.chat(model="llama3.2", messages=messages).message.content
        assert list(client.chat(model="llama3.2", messages=messages, stream=True))[-1].done
    assert [call["path"] for call in simulator.calls()] == ["/api/chat"] * 2


@pytest.mark.parametrize("provider", ["azure", "dated"])
def test_azures_client(every: GatewayProcess, provider: str) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=f"{every.base_url}/passthrough/{provider}",
        api_key=every.api_key,
        api_version="2024-10-21",
        max_retries=0,
    ) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": HELLO}]
        )
    assert raw.parse().choices[0].message.content
    assert newest(every, raw.headers["x-request-id"])["provider"] == provider


@pytest.mark.parametrize("query", ["key={key}", "alt=sse&key={key}", "%6Bey={key}&alt=sse", "x=1&k%65y={key}&key=2"])
def test_a_key_in_the_query_goes_no_further(every: GatewayProcess, simulator: SimulatorProcess, query: str) -> None:
    simulator.reset()
    path = "/passthrough/google/v1beta/models/gemini-2.5-flash:generateContent?"
    body = {"contents": [{"parts": [{"text": HELLO}]}]}
    status, _, answer = http(every.base_url + path + query.format(key=every.api_key), body=body)
    if query.endswith("key=2"):
        assert status == 401  # of a repeated field the last one counts
    else:
        assert status == 200, answer
    assert every.api_key not in json.dumps(simulator.calls())
    assert "key=" not in json.dumps(simulator.calls())
