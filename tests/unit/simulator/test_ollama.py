"""Ollama's chat, embeddings and lists as Ollama's own SDK reads them."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import ollama
import pytest
from tests.unit.simulator.conftest import TLS, Exchange, Json, request_of

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import DEFAULT_MODELS, Settings

CHAT = "/api/chat"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}


def user(text: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text, **more}]


@pytest.fixture
async def client(simulator: EmbeddedSimulator) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=simulator.base_url, verify=TLS, timeout=5) as client:
        yield client


async def lines(client: ollama.AsyncClient, **request: Any) -> list[ollama.ChatResponse]:
    return [line async for line in await client.chat(model="llama3.2", stream=True, **request)]


@pytest.mark.parametrize(
    ("request_", "done"),
    [
        ({}, "stop"),
        ({"options": {"num_predict": 5}}, "length"),
        ({"messages": user('[[simulate: text="a map b"]]'), "options": {"stop": ["map"]}}, "stop"),
        ({"think": True}, "stop"),
        ({"think": "high", "tools": [WEATHER]}, "stop"),
        ({"tools": [WEATHER, CLOCK], "messages": user("[[simulate: tools=3]]")}, "stop"),
        ({"format": CITY}, "stop"),
        ({"format": "json"}, "stop"),
        ({"messages": user("look", images=[b"12345"])}, "stop"),
        ({"logprobs": True, "top_logprobs": 2}, "stop"),
        ({"messages": user('[[simulate: text="naïve 漢字 🙂"]]')}, "stop"),
    ],
)
async def test_lines_add_up_to_the_whole_answer_of_the_same_request(
    client: ollama.AsyncClient, request_: dict[str, Any], done: str
) -> None:
    request_ = {"messages": user("hello"), **request_}
    whole = await client.chat(model="llama3.2", **request_)
    seen = await lines(client, **request_)
    assert "".join(line.message.content or "" for line in seen) == whole.message.content
    assert "".join(line.message.thinking or "" for line in seen) == (whole.message.thinking or "")
    assert [call for line in seen for call in line.message.tool_calls or ()] == list(whole.message.tool_calls or ())
    assert [row for line in seen for row in line.logprobs or ()] == list(whole.logprobs or ())
    assert [line.done for line in seen] == [False] * (len(seen) - 1) + [True]
    for name in ("done_reason", "prompt_eval_count", "eval_count", "total_duration", "eval_duration"):
        assert getattr(seen[-1], name) == getattr(whole, name)
    assert whole.done_reason == done


async def test_counts_and_durations_are_known_beforehand(client: ollama.AsyncClient) -> None:
    whole = await client.chat(model="llama3.2", messages=user("look", images=[b"12345"]), options={"num_predict": 5})
    assert (whole.prompt_eval_count, whole.eval_count) == (86, 5)
    assert whole.total_duration == (whole.load_duration or 0) + (whole.prompt_eval_duration or 0) + (
        whole.eval_duration or 0
    )
    bare = await client.chat(model="llama3.2", messages=user("[[simulate: no_usage]]"))
    assert (bare.eval_count, bare.total_duration) == (None, None)


async def test_arguments_are_objects_and_a_tools_answer_is_followed_by_text(client: ollama.AsyncClient) -> None:
    called = await client.chat(model="llama3.2", messages=user("hi"), tools=[WEATHER])
    calls = called.message.tool_calls or []
    assert [call.function.name for call in calls] == ["weather"]
    jsonschema_rs.validate(CITY, dict(calls[0].function.arguments))
    messages = [*user("hi"), called.message, {"role": "tool", "tool_name": "weather", "content": "rain"}]
    assert (await client.chat(model="llama3.2", messages=messages, tools=[WEATHER])).message.content


async def test_a_format_is_followed(client: ollama.AsyncClient) -> None:
    whole = await client.chat(model="llama3.2", messages=user("x"), format=CITY)  # type: ignore[arg-type]
    jsonschema_rs.validate(CITY, json.loads(whole.message.content or ""))


async def test_it_streams_unless_told_otherwise_and_only_loads_without_messages(exchange: Exchange, call: Json) -> None:
    answer = await exchange(request_of("POST", CHAT, {"model": "m", "messages": user("x")}, connection="close"))
    assert b"content-type: application/x-ndjson" in answer
    status, loaded = await call("POST", CHAT, {"model": "m"}, authorization="")
    assert (status, loaded["done_reason"], loaded["message"]["content"]) == (200, "load", "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": []}, "model is required"),
        ({"model": 3}, "cannot unmarshal field model"),
        ({"model": "m", "messages": [{}]}, "cannot unmarshal field messages[0]"),
        (b"{not json", "invalid character"),
        (b"", "missing request body"),
    ],
)
async def test_a_bad_request_is_refused_in_ollamas_shape(call: Json, body: Any, words: str) -> None:
    status, answer = await call("POST", CHAT, body)
    assert status == 400
    assert set(answer) == {"error"}
    assert words in answer["error"]


@pytest.mark.parametrize(
    ("name", "status", "words"), [("503", 503, "server busy"), ("429", 429, "too many"), ("500", 500, "llama runner")]
)
async def test_faults_have_ollamas_words(client: ollama.AsyncClient, name: str, status: int, words: str) -> None:
    with pytest.raises(ollama.ResponseError, match=words) as raised:
        await client.chat(model="m", messages=user(f"[[simulate: error={name}]]"))
    assert raised.value.status_code == status


async def test_an_error_within_a_stream_is_a_line(client: ollama.AsyncClient) -> None:
    with pytest.raises(ollama.ResponseError, match="llama runner process has terminated"):
        await lines(client, messages=user("[[simulate: malformed=status_in_stream]]"))


async def test_a_model_that_is_not_there_is_named() -> None:
    async with (
        EmbeddedSimulator(Settings(models=("known",))) as strict,
        ollama.AsyncClient(host=strict.base_url, verify=TLS) as client,
    ):
        with pytest.raises(ollama.ResponseError, match="model 'other' not found") as raised:
            await client.chat(model="other", messages=user("x"))
        assert raised.value.status_code == 404
        assert [model.model for model in (await client.list()).models] == ["known"]


async def test_models_and_version_are_told_to_anyone(client: ollama.AsyncClient, call: Json) -> None:
    listed = await client.list()
    assert [model.model for model in listed.models] == list(DEFAULT_MODELS)
    assert (await call("GET", "/api/version", authorization=""))[1] == {"version": "0.12.6"}


@pytest.mark.parametrize(("given", "count", "tokens"), [("hello", 1, 2), (["hello", "the cat"], 2, 4), ("", 0, 0)])
@pytest.mark.parametrize("dimensions", [None, 8])
async def test_texts_become_vectors_of_length_one(
    client: ollama.AsyncClient, given: Any, count: int, tokens: int, dimensions: int | None
) -> None:
    answer = await client.embed(model="m", input=given, dimensions=dimensions)
    assert len(answer.embeddings) == count
    assert answer.prompt_eval_count == tokens
    for vector in answer.embeddings:
        assert len(vector) == (dimensions or 1536)
        assert math.isclose(sum(value * value for value in vector), 1, rel_tol=1e-5)
