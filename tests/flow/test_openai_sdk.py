"""The official OpenAI SDK against a real gateway, unchanged but for its base URL."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.support.processes import GatewayProcess, http

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
MODELS = ["gpt-4o-mini", "claude-haiku-4-5"]


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.base_url}/v1", api_key=gateway.api_key, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_answer_has_content_usage_and_the_gateways_headers(client: OpenAI, model: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO, max_tokens=20)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 20
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 20
    assert answer.choices[0].finish_reason == "length"
    assert raw.headers["x-gateway-provider"] == ("openai" if model.startswith("gpt") else "anthropic")
    assert raw.headers["x-gateway-model"] == model
    assert float(raw.headers["x-gateway-cost-usd"]) > 0
    assert raw.headers["x-gateway-attempts"] == "1"
    assert float(raw.headers["x-gateway-overhead-ms"]) >= 0
    assert raw.headers["x-request-id"]


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_adds_up_to_the_whole_answer(client: OpenAI, model: str) -> None:
    whole = client.chat.completions.create(model=model, messages=HELLO, max_tokens=20)
    chunks = list(client.chat.completions.create(model=model, messages=HELLO, max_tokens=20, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices
    assert chunks[-1].choices[0].finish_reason == "length"
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_has_a_usage_chunk_exactly_when_it_is_asked_for(client: OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model, messages=HELLO, max_tokens=7, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 7


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tool_calls_keep_their_indexes_and_arguments(client: OpenAI, model: str, stream: bool) -> None:
    messages = [{"role": "user", "content": "Weather in Bern and Rome? [[simulate: tools=2]]"}]
    if stream:
        calls: dict[int, dict[str, str]] = {}
        for chunk in client.chat.completions.create(
            model=model, messages=messages, tools=[WEATHER], stream=True, max_tokens=200
        ):
            for delta in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
                call = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
                call["id"] += delta.id or ""
                call["name"] += (delta.function.name or "") if delta.function else ""
                call["arguments"] += (delta.function.arguments or "") if delta.function else ""
        found = [calls[index] for index in sorted(calls)]
        assert sorted(calls) == [0, 1]
    else:
        answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER], max_tokens=200)
        assert answer.choices[0].finish_reason == "tool_calls"
        found = [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
            for call in answer.choices[0].message.tool_calls or []
        ]
    assert len({call["id"] for call in found}) == 2
    assert {call["name"] for call in found} == {"weather"}
    assert all("city" in json.loads(call["arguments"]) for call in found)


@pytest.mark.parametrize("model", MODELS)
def test_tool_results_go_back_to_the_model(client: OpenAI, model: str) -> None:
    asked = [{"role": "user", "content": "Weather in Bern and Rome? [[simulate: tools=2]]"}]
    first = client.chat.completions.create(model=model, messages=asked, tools=[WEATHER], max_tokens=200)
    calls = first.choices[0].message.tool_calls or []
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    history = [
        *asked,
        first.choices[0].message.model_dump(exclude_none=True),
        *results,
        {"role": "user", "content": "So? [[simulate: tools=0]]"},
    ]
    answer = client.chat.completions.create(model=model, messages=history, tools=[WEATHER], max_tokens=200)
    assert answer.choices[0].message.content


class Person(BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("model", MODELS)
def test_structured_output_parses(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.parse(model=model, messages=HELLO, response_format=Person, max_tokens=400)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_embeddings_come_as_vectors(client: OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"], dimensions=8)
    assert [len(item.embedding) for item in answer.data] == [8, 8]
    assert answer.usage.prompt_tokens > 0


async def test_the_asynchronous_client_works_alike(gateway: GatewayProcess) -> None:
    async with AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key=gateway.api_key, max_retries=0) as client:
        whole = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=9)
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=9, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == whole.choices[0].message.content


def test_models_are_listed_with_price_and_context(client: OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"gpt-4o-mini", "text-embedding-3-small", "claude-haiku-4-5"} <= set(listed)
    one = client.models.retrieve("openai/gpt-4o-mini")
    assert one.id == "gpt-4o-mini"
    extra = one.model_dump()
    assert extra["context_length"] == 128_000
    assert extra["pricing"]["input_usd_per_mtok"] == 0.15


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (openai.AuthenticationError, {"api_key": "gw_live_" + "x" * 43}, "UNAUTHENTICATED"),
        (openai.NotFoundError, {"model": "gpt-4o-mimi"}, "MODEL_NOT_FOUND"),
        (openai.BadRequestError, {"messages": [{"role": "robot", "content": "x"}]}, "INVALID_REQUEST"),
        (openai.RateLimitError, {"directive": "error=429;retry_after=7"}, "RATE_LIMITED"),
        (openai.APIStatusError, {"directive": "error=503"}, None),
    ],
)
def test_faults_are_the_sdks_own_exceptions(
    gateway: GatewayProcess, kind: type[openai.APIStatusError], changes: dict, code: str | None
) -> None:
    key = changes.get("api_key", gateway.api_key)
    directive = f" [[simulate: {changes['directive']}]]" if "directive" in changes else ""
    messages = changes.get("messages", [{"role": "user", "content": "Hi" + directive}])
    with OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0) as client, pytest.raises(kind) as raised:
        client.chat.completions.create(model=changes.get("model", "gpt-4o-mini"), messages=messages)
    body = raised.value.response.json()
    assert set(body["error"]) == {"message", "type", "param", "code"}
    if code:
        assert raised.value.code == code


def test_a_wrong_model_names_the_nearest_ones(gateway: GatewayProcess) -> None:
    status, _, body = http(
        f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body={"model": "gpt-4o-mimi", "messages": HELLO}
    )
    assert status == 404
    assert "gpt-4o-mini" in body["error"]["message"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fault", ["cut_after=3", "reset_after=3", "malformed=frame", "malformed=status_in_stream"])
def test_a_stream_that_breaks_is_never_presented_as_complete(client: OpenAI, model: str, fault: str) -> None:
    messages = [{"role": "user", "content": f"Go on. [[simulate: output_tokens=60;{fault}]]"}]
    finished = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=model, messages=messages, stream=True, max_tokens=60):
            finished += [choice.finish_reason for choice in chunk.choices if choice.finish_reason]
    assert finished == []


def test_a_provider_that_fails_twice_is_tried_again(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "Hi [[simulate: error=503;error_times=2;id=twice]]"}]
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=messages, max_tokens=5)
    assert raw.headers["x-gateway-attempts"] == "3"


def test_a_provider_that_goes_on_failing_is_told_with_the_attempts_it_took(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "Hi [[simulate: error=503]]"}]
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=5)
    assert raised.value.response.headers["x-gateway-attempts"] == "3"


def test_the_call_can_be_looked_up_with_its_cost_and_route(client: OpenAI, gateway: GatewayProcess) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=HELLO, max_tokens=11, metadata={"team": "blue"}, user="someone"
    )
    status, _, call = http(f"{gateway.base_url}/v1/requests/{raw.headers['x-request-id']}", key=gateway.api_key)
    assert status == 200
    assert call["status"] == "SUCCESS"
    assert call["cost_usd"] == float(raw.headers["x-gateway-cost-usd"])
    assert call["usage"]["output_tokens"] == 11
    assert call["metadata"] == {"team": "blue"}
    assert call["end_user"] == "someone"
    assert call["explain"]["attempts"][0]["provider"] == "openai"
