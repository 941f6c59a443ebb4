"""Cohere's chat, embeddings and ranking as Cohere's own SDK reads them."""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections.abc import AsyncIterator
from typing import Any

import cohere
import httpx
import jsonschema_rs
import pytest
from cohere.core.api_error import ApiError
from tests.unit.simulator.conftest import KEY, TLS, Exchange, Json, request_of

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings

CHAT = "/v2/chat"
MODEL = "command-a-03-2025"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
CALL = {"id": "weather_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"x"}'}}
ANSWERED = [
    {"role": "user", "content": "rain?"},
    {"role": "assistant", "tool_calls": [CALL], "tool_plan": "I will look."},
    {
        "role": "tool",
        "tool_call_id": "weather_1",
        "content": [{"type": "document", "document": {"data": {"rain": "yes"}}}],
    },
]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
async def client(simulator: EmbeddedSimulator) -> AsyncIterator[cohere.AsyncClientV2]:
    async with httpx.AsyncClient(verify=TLS, timeout=5) as http:
        yield cohere.AsyncClientV2(api_key=KEY, base_url=simulator.base_url, httpx_client=http)


def folded(events: list[Any]) -> dict[str, Any]:
    """The message that a stream adds up to."""
    message: dict[str, Any] = {"tool_plan": "", "content": [], "calls": [], "citations": []}
    for event in events:
        match event.type:
            case "content-start":
                content = event.delta.message.content
                message["content"].append([content.type, ""])
            case "content-delta":
                content = event.delta.message.content
                message["content"][event.index][1] += content.text or content.thinking or ""
            case "tool-plan-delta":
                message["tool_plan"] += event.delta.message.tool_plan
            case "tool-call-start":
                call = event.delta.message.tool_calls
                message["calls"].append([call.id, call.function.name, ""])
            case "tool-call-delta":
                message["calls"][event.index][2] += event.delta.message.tool_calls.function.arguments
            case "citation-start":
                message["citations"].append(event.delta.message.citations.model_dump())
            case _:
                pass
    return message


@pytest.mark.parametrize(
    ("request_", "finish"),
    [
        ({}, "COMPLETE"),
        ({"max_tokens": 5}, "MAX_TOKENS"),
        ({"messages": user('[[simulate: text="a map b"]]'), "stop_sequences": ["map"]}, "STOP_SEQUENCE"),
        ({"thinking": {"type": "enabled"}}, "COMPLETE"),
        ({"tools": [WEATHER]}, "TOOL_CALL"),
        ({"tools": [WEATHER, CLOCK], "messages": user("[[simulate: tools=3]]")}, "TOOL_CALL"),
        ({"tools": [WEATHER], "thinking": {"type": "enabled"}}, "TOOL_CALL"),
        ({"tools": [WEATHER], "messages": ANSWERED}, "COMPLETE"),
        ({"documents": ["one", {"id": "b", "data": {"text": "two"}}]}, "COMPLETE"),
        ({"response_format": {"type": "json_object", "json_schema": CITY}}, "COMPLETE"),
        ({"messages": user("[[simulate: refusal]]")}, "COMPLETE"),
    ],
)
async def test_a_stream_adds_up_to_the_whole_answer_of_the_same_request(
    client: cohere.AsyncClientV2, request_: dict[str, Any], finish: str
) -> None:
    request_ = {"model": MODEL, "messages": user("hello"), **request_}
    answer = await client.chat(**request_)
    events = [event async for event in client.chat_stream(**request_)]
    assert events[0].type == "message-start"
    assert events[0].id == answer.id
    assert events[-1].type == "message-end"
    assert events[-1].delta.finish_reason == answer.finish_reason == finish
    assert events[-1].delta.usage == answer.usage
    message = answer.message
    assert folded(events) == {
        "tool_plan": message.tool_plan or "",
        "content": [[part.type, getattr(part, part.type)] for part in message.content or ()],
        "calls": [[call.id, call.function.name, call.function.arguments] for call in message.tool_calls or ()],
        "citations": [citation.model_dump() for citation in message.citations or ()],
    }


async def test_thinking_and_the_template_are_counted_but_not_billed(client: cohere.AsyncClientV2) -> None:
    answer = await client.chat(model=MODEL, messages=user("x" * 400 + "[[simulate: thinking=30; cached_tokens=50]]"))
    usage = answer.usage
    assert (usage.billed_units.output_tokens, usage.tokens.output_tokens) == (24, 54)
    assert usage.tokens.input_tokens > usage.billed_units.input_tokens >= 100
    assert usage.cached_tokens == 50
    assert (await client.chat(model=MODEL, messages=user("[[simulate: no_usage]]"))).usage is None


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, ["weather"]),
        ({"tool_choice": "NONE"}, []),
        ({"tool_choice": "REQUIRED"}, ["weather"]),
        ({"messages": user("[[simulate: tools=3]]")}, ["weather", "clock", "weather"]),
        ({"messages": ANSWERED}, []),
        ({"messages": ANSWERED, "tool_choice": "REQUIRED"}, ["weather"]),
    ],
)
async def test_tools_are_called_after_a_plan(
    client: cohere.AsyncClientV2, more: dict[str, Any], names: list[str]
) -> None:
    request_: dict[str, Any] = {"model": MODEL, "messages": user("hello"), "tools": [WEATHER, CLOCK], **more}
    message = (await client.chat(**request_)).message
    calls = message.tool_calls or []
    assert [call.function.name for call in calls] == names
    assert len({call.id for call in calls}) == len(names)
    assert bool(message.tool_plan) == bool(names)
    for call in calls:
        if call.function.name == "weather":
            jsonschema_rs.validate(CITY, json.loads(call.function.arguments))


async def test_an_answer_cites_the_tool_or_the_document_it_rests_on(client: cohere.AsyncClientV2) -> None:
    told = (await client.chat(model=MODEL, messages=ANSWERED, tools=[WEATHER])).message
    citation = told.citations[0]
    assert citation.text == told.content[0].text[citation.start : citation.end]
    assert citation.sources[0].model_dump() == {"type": "tool", "id": "weather_1:0", "tool_output": {"rain": "yes"}}
    documents = ["one", {"id": "b", "data": {"text": "two"}}]
    read = (await client.chat(model=MODEL, messages=user("x"), documents=documents)).message
    assert [one.sources[0].id for one in read.citations] == ["doc:0", "b"]
    off = {"mode": "OFF"}
    assert (
        await client.chat(model=MODEL, messages=user("x"), documents=documents, citation_options=off)
    ).message.citations is None


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"messages": user("x")}, 400, "model is required"),
        ({"model": "m"}, 400, "messages is required"),
        ({"model": "m", "messages": []}, 400, "at least one message"),
        ({"model": "m", "messages": "x"}, 422, "parameter messages is of the wrong type"),
        ({"model": "m", "messages": [{"role": "ghost", "content": "x"}]}, 422, "messages[0].role"),
        ({"model": "m", "messages": user("x"), "temperature": 2.0}, 400, "temperature must be between 0.0 and 1.0"),
        ({"model": "m", "messages": user("x"), "tools": [{"type": "function"}]}, 400, "must have a name"),
        ({"model": "m", "messages": ANSWERED[:2]}, 400, "must be answered by a tool message"),
        ({"model": "m", "messages": ANSWERED[2:]}, 400, "tool call id not found in previous tool calls: weather_1"),
        (b"{not json", 400, "not valid JSON"),
    ],
)
async def test_a_bad_request_is_refused_in_coheres_words(call: Json, body: Any, status: int, words: str) -> None:
    got, answer = await call("POST", CHAT, body)
    assert got == status
    assert words in answer["message"]
    assert set(answer) == {"id", "message"}
    assert [len(part) for part in answer["id"].split("-")] == [8, 4, 4, 4, 12]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("429", 429, "per minute"),
        ("401", 401, "invalid api token"),
        ("500", 500, "internal server error"),
        ("418", 418, "told to refuse"),
    ],
)
async def test_faults_have_coheres_words_and_status(
    client: cohere.AsyncClientV2, name: str, status: int, words: str
) -> None:
    with pytest.raises(ApiError) as raised:
        await client.chat(model=MODEL, messages=user(f"[[simulate: error={name}]]"), request_options={"max_retries": 0})
    assert raised.value.status_code == status
    assert words in raised.value.body["message"]


async def test_only_the_settings_models_are_known_and_a_key_is_needed(call: Json) -> None:
    assert (await call("POST", CHAT, {}, authorization=""))[1]["message"] == "no api key supplied"
    async with EmbeddedSimulator(Settings(models=("known",))) as strict, httpx.AsyncClient(verify=TLS) as http:
        client = cohere.AsyncClientV2(api_key=KEY, base_url=strict.base_url, httpx_client=http)
        with pytest.raises(ApiError) as unknown:
            await client.chat(model="other", messages=user("x"))
        assert unknown.value.status_code == 404
        assert unknown.value.body["message"].startswith("model 'other' not found, make sure")


async def test_an_error_in_a_stream_is_its_end(client: cohere.AsyncClientV2) -> None:
    request_: dict[str, Any] = {"model": MODEL, "messages": user("[[simulate: malformed=status_in_stream]]")}
    events = [event async for event in client.chat_stream(**request_)]
    assert events[-1].delta.finish_reason == "ERROR"
    assert "internal server error" in events[-1].delta.error


async def test_a_stream_ends_with_done(exchange: Exchange) -> None:
    body = {"model": MODEL, "messages": user("x"), "stream": True}
    answer = await exchange(request_of("POST", CHAT, body, connection="close"))
    assert answer.rstrip().removesuffix(b"0").rstrip().endswith(b"data: [DONE]")


async def test_a_vector_is_the_same_in_every_type(client: cohere.AsyncClientV2) -> None:
    types: Any = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    answer = await client.embed(
        model="embed-v4.0",
        texts=["hello", "the cat"],
        input_type="search_query",
        embedding_types=types,
        output_dimension=256,
    )
    assert answer.texts == ["hello", "the cat"]
    found = answer.embeddings
    for at, vector in enumerate(found.float_ or ()):
        assert len(vector) == 256
        assert math.isclose(sum(value * value for value in vector), 1, rel_tol=1e-5)
        assert found.int8[at] == [round(value * 127) for value in vector]  # type: ignore[index]
        assert [value - 128 for value in found.uint8[at]] == found.int8[at]  # type: ignore[index]
        assert "".join(f"{byte:08b}" for byte in found.ubinary[at]) == "".join(str(int(v > 0)) for v in vector)  # type: ignore[index]
        assert [value + 128 for value in found.binary[at]] == found.ubinary[at]  # type: ignore[index]
        assert array("f", base64.b64decode(found.base64[at])) == array("f", vector)  # type: ignore[index]
    assert answer.meta.billed_units.input_tokens == 4  # type: ignore[union-attr]


async def test_images_and_mixed_inputs_are_embedded_and_billed_as_images(client: cohere.AsyncClientV2) -> None:
    image = "data:image/png;base64,AAAA"
    answer = await client.embed(model="embed-v4.0", images=[image], input_type="image", embedding_types=["float"])
    assert answer.meta.billed_units.image_tokens == 85  # type: ignore[union-attr]
    content: Any = [{"type": "text", "text": "cat"}, {"type": "image_url", "image_url": {"url": image}}]
    mixed = await client.embed(model="embed-v4.0", inputs=[{"content": content}], input_type="search_document")
    assert len(mixed.embeddings.float_ or ()) == 1


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({}, 400, "exactly one of texts, images and inputs"),
        ({"texts": []}, 400, "exactly one of"),
        ({"texts": ["x"], "images": ["y"]}, 400, "exactly one of"),
        ({"texts": ["x"] * 97}, 400, "at most 96"),
        ({"texts": ["x"], "output_dimension": 7}, 400, "256, 512, 1024, 1536"),
        ({"texts": ["x"], "input_type": "poem"}, 422, "input_type"),
        ({"texts": ["x"], "embedding_types": ["int4"]}, 422, "embedding_types[0]"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(call: Json, more: dict[str, Any], status: int, words: str) -> None:
    got, answer = await call("POST", "/v2/embed", {"model": "m", "input_type": "search_query", **more})
    assert got == status
    assert words in answer["message"]


async def test_the_best_documents_come_first_and_units_are_billed(client: cohere.AsyncClientV2) -> None:
    documents = ["quarterly revenue grew", "the cat sat on the mat", "a cat"]
    answer = await client.rerank(model="rerank-v3.5", query="the cat on the mat", documents=documents, top_n=2)
    assert [row.index for row in answer.results] == [1, 2]
    assert answer.results[0].relevance_score > answer.results[1].relevance_score > 0
    assert answer.meta.billed_units.search_units == 1  # type: ignore[union-attr]
    with pytest.raises(ApiError, match="must not be empty"):
        await client.rerank(model="rerank-v3.5", query="q", documents=[])
