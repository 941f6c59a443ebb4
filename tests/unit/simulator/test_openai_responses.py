"""OpenAI's responses as OpenAI's own SDK reads them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import openai as openai_sdk
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent
from tests.unit.simulator.conftest import Json

from onevault.simulator.conversations import Conversations
from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Limits, Settings

PATH = "/v1/responses"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "weather", "parameters": CITY, "strict": True}
CLOCK = {"type": "function", "name": "clock", "parameters": {"type": "object"}, "strict": False}
THOUGHT = {"effort": "high", "summary": "auto"}


async def whole(client: AsyncOpenAI, **request: Any) -> Response:
    return await client.responses.create(**{"model": "gpt-5", "input": "hello", **request})


async def events(client: AsyncOpenAI, **request: Any) -> list[ResponseStreamEvent]:
    stream = await client.responses.create(**{"model": "gpt-5", "input": "hello", "stream": True, **request})
    return [event async for event in stream]


def folded(seen: list[Any]) -> list[dict[str, Any]]:
    """The items that a stream's deltas add up to: their kind, their text, and a summary."""
    items: list[dict[str, Any]] = []
    for event in seen:
        match event.type:
            case "response.output_item.added":
                items.append({"type": event.item.type, "text": "", "summary": ""})
            case "response.output_text.delta" | "response.refusal.delta" | "response.function_call_arguments.delta":
                items[event.output_index]["text"] += event.delta
            case "response.reasoning_summary_text.delta":
                items[event.output_index]["summary"] += event.delta
    return items


def said(response: Response) -> list[dict[str, Any]]:
    """The same of a whole answer."""
    items = []
    for item in response.output:
        text, summary = "", ""
        if item.type == "message":
            part = item.content[0]
            text = part.text if part.type == "output_text" else part.refusal
        elif item.type == "function_call":
            text = item.arguments
        elif item.type == "reasoning":
            summary = "".join(part.text for part in item.summary)
        items.append({"type": item.type, "text": text, "summary": summary})
    return items


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"max_output_tokens": 16},
        {"reasoning": THOUGHT},
        {"reasoning": THOUGHT, "include": ["reasoning.encrypted_content"], "store": False},
        {"reasoning": THOUGHT, "max_output_tokens": 16, "input": "x [[simulate: reasoning_tokens=40]]"},
        {"tools": [WEATHER]},
        {"tools": [WEATHER, CLOCK], "input": "x [[simulate: tools=3]]"},
        {"tools": [WEATHER], "max_output_tokens": 16, "input": "x [[simulate: thinking=13]]"},
        {"input": "x [[simulate: refusal]]"},
        {"input": 'x [[simulate: text="naïve 漢字 🙂"]]'},
        {"input": "x [[simulate: finish=content_filter]]"},
        {"text": {"format": {"type": "json_schema", "name": "city", "schema": CITY, "strict": True}}},
        {"text": {"format": {"type": "json_object"}}},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "max_output_tokens": 16},
    ],
)
async def test_a_stream_adds_up_to_the_whole_response_of_the_same_request(
    openai: AsyncOpenAI, request_: dict[str, Any]
) -> None:
    response = await whole(openai, **request_)
    seen = await events(openai, **request_)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert [event.type for event in seen[:2]] == ["response.created", "response.in_progress"]
    last = seen[-1]
    assert last.type == f"response.{response.status}"
    assert last.response == response
    assert folded(seen) == said(response)
    done = [event.item for event in seen if event.type == "response.output_item.done"]
    assert done == response.output


@pytest.mark.parametrize(
    ("request_", "status", "reason", "output_tokens", "reasoning_tokens"),
    [
        ({}, "completed", None, 24, 0),
        ({"max_output_tokens": 16}, "incomplete", "max_output_tokens", 16, 0),
        ({"reasoning": THOUGHT}, "completed", None, 32, 8),
        ({"reasoning": {"effort": "none"}}, "completed", None, 24, 0),
        (
            {"input": "x [[simulate: reasoning_tokens=40]]", "max_output_tokens": 16},
            "incomplete",
            "max_output_tokens",
            16,
            16,
        ),
        ({"input": "x [[simulate: finish=content_filter]]"}, "incomplete", "content_filter", 24, 0),
    ],
)
async def test_status_and_usage_tell_how_it_ended(
    openai: AsyncOpenAI,
    request_: dict[str, Any],
    status: str,
    reason: str | None,
    output_tokens: int,
    reasoning_tokens: int,
) -> None:
    response = await whole(openai, **request_)
    assert response.status == status
    assert (response.incomplete_details and response.incomplete_details.reason) == reason
    assert response.usage is not None
    assert response.usage.output_tokens == output_tokens
    assert response.usage.output_tokens_details.reasoning_tokens == reasoning_tokens
    assert response.usage.total_tokens == response.usage.input_tokens + output_tokens


async def test_a_limit_that_thinking_used_up_leaves_no_message(openai: AsyncOpenAI) -> None:
    response = await whole(openai, input="x [[simulate: reasoning_tokens=40]]", max_output_tokens=16)
    assert [item.type for item in response.output] == ["reasoning"]


async def test_cached_tokens_and_tier_are_reported(openai: AsyncOpenAI) -> None:
    response = await whole(openai, input="x" * 400 + "[[simulate: cached_tokens=64]]", service_tier="flex")
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 64
    assert response.service_tier == "flex"
    assert (await whole(openai, input="[[simulate: no_usage]]")).usage is None


async def test_reasoning_is_shown_and_sealed_only_for_who_asks(openai: AsyncOpenAI) -> None:
    plain = (await whole(openai, reasoning={"effort": "low"})).output[0]
    assert plain.type == "reasoning"
    assert (plain.summary, plain.encrypted_content) == ([], None)
    shown = (await whole(openai, reasoning=THOUGHT, include=["reasoning.encrypted_content"])).output[0]
    assert shown.type == "reasoning"
    assert shown.summary[0].text
    assert shown.encrypted_content
    again = (await whole(openai, input=[{"role": "user", "content": "hello"}, shown.to_dict(), *CALLED])).output
    assert again[-1].type == "message"


CALLED = [
    {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"x"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"tools": [WEATHER, CLOCK]}, ["weather"]),
        ({"tools": [WEATHER, CLOCK], "tool_choice": "none"}, []),
        ({"tools": [WEATHER, CLOCK], "tool_choice": {"type": "function", "name": "clock"}}, ["clock"]),
        ({"tools": [WEATHER, CLOCK], "input": "[[simulate: tools=3]]"}, ["weather", "clock", "weather"]),
        ({"tools": [WEATHER, CLOCK], "input": "[[simulate: tools=3]]", "parallel_tool_calls": False}, ["weather"]),
        (
            {
                "tools": [WEATHER, CLOCK],
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "required",
                    "tools": [{"type": "function", "name": "clock"}],
                },
            },
            ["clock"],
        ),
        ({"tools": [WEATHER], "input": [{"role": "user", "content": "hi"}, *CALLED]}, []),
        ({"tools": [{"type": "web_search"}]}, []),
    ],
)
async def test_functions_are_called_as_the_request_and_the_directives_say(
    openai: AsyncOpenAI, more: dict[str, Any], names: list[str]
) -> None:
    response = await whole(openai, **more)
    calls = [item for item in response.output if item.type == "function_call"]
    assert [call.name for call in calls] == names
    assert len({call.call_id for call in calls}) == len({call.id for call in calls}) == len(names)
    for call in calls:
        if call.name == "weather":
            jsonschema_rs.validate(CITY, json.loads(call.arguments))


async def test_a_structured_text_follows_its_schema(openai: AsyncOpenAI) -> None:
    wanted = {"format": {"type": "json_schema", "name": "city", "schema": CITY, "strict": True}}
    response = await whole(openai, text=wanted)
    jsonschema_rs.validate(CITY, json.loads(response.output_text))
    assert response.text is not None
    assert response.text.format is not None
    assert response.text.format.type == "json_schema"


async def test_a_conversation_goes_on_from_the_response_before(openai: AsyncOpenAI) -> None:
    first = await whole(openai, input="my name is Ada")
    second = await whole(openai, input="and now?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens == first.usage.input_tokens + first.usage.output_tokens + 2
    called = await whole(openai, tools=[WEATHER], previous_response_id=second.id)
    call = called.output[0]
    assert call.type == "function_call"
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    last = await whole(openai, tools=[WEATHER], previous_response_id=called.id, input=[output])
    assert last.output[0].type == "message"


async def test_a_response_is_kept_until_it_is_deleted_unless_it_was_not_to_be_stored(openai: AsyncOpenAI) -> None:
    response = await whole(openai)
    assert await openai.responses.retrieve(response.id) == response
    await openai.responses.delete(response.id)
    other = await whole(openai, store=False, input="other")
    for identity in (response.id, other.id, "resp_unknown"):
        with pytest.raises(openai_sdk.NotFoundError, match=identity):
            await openai.responses.retrieve(identity)
    with pytest.raises(openai_sdk.BadRequestError) as refused:
        await whole(openai, previous_response_id=other.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_is_remembered_is_bounded_in_number_and_bytes() -> None:
    kept = Conversations(kept_max=3, bytes_max=1000)
    for number in range(5):
        kept.keep(str(number), [{"n": number}], b"{}")
    assert [kept.response(str(number)) is not None for number in range(5)] == [False, False, True, True, True]
    kept.keep("large", [{"text": "x" * 900}], b"{}")
    assert kept.items("4") is not None
    kept.keep("too large", [{"text": "x" * 1200}], b"{}")
    assert kept.items("too large") is None
    assert not any(kept.forget(name) for name in ("0", "4", "large", "too large"))


async def test_the_oldest_response_is_forgotten_first() -> None:
    async with (
        EmbeddedSimulator(Settings(limits=Limits(conversations_kept_max=1))) as simulator,
        AsyncOpenAI(base_url=simulator.base_url + "/v1", api_key="any", max_retries=0) as client,
    ):
        first = await whole(client)
        second = await whole(client, input="second")
        with pytest.raises(openai_sdk.NotFoundError):
            await client.responses.retrieve(first.id)
        assert (await client.responses.retrieve(second.id)).id == second.id


@pytest.mark.parametrize(
    ("body", "param", "code", "words"),
    [
        ({"input": "x"}, "model", "missing_required_parameter", "'model'"),
        ({"model": "m"}, "input", "missing_required_parameter", "'input'"),
        ({"model": "m", "input": []}, "input", "empty_array", "minimum length 1"),
        ({"model": "m", "input": 3}, "input", "invalid_type", "got an integer"),
        ({"model": "m", "input": "x", "max_output_tokens": 5}, "max_output_tokens", "integer_below_min_value", ">= 16"),
        ({"model": "m", "input": "x", "temperature": -1.0}, "temperature", "decimal_below_min_value", ">= 0"),
        ({"model": "m", "input": "x", "service_tier": "gold"}, "service_tier", "invalid_value", "'flex'"),
        (
            {"model": "m", "input": "x", "tools": [{"type": "function"}]},
            "tools[0].name",
            "missing_required_parameter",
            "",
        ),
        (
            {"model": "m", "input": "x", "text": {"format": {"type": "xml"}}},
            "text.format.type",
            "invalid_value",
            "'xml'",
        ),
        ({"model": "m", "input": [{"content": "x"}]}, "input[0].role", "missing_required_parameter", ""),
        ({"model": "m", "input": CALLED[:1]}, "input", None, "No tool output found for function call call_1"),
        (
            {"model": "m", "input": CALLED[1:]},
            "input",
            None,
            "No tool call found for function call output with call_id call_1",
        ),
        (
            {
                "model": "m",
                "input": [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "x"}],
            },
            "input",
            None,
            "without its required following item",
        ),
        (
            {"model": "m", "input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "EpcB"}]},
            None,
            "invalid_encrypted_content",
            "EpcB...",
        ),
        (b"{not json", None, None, "could not parse the JSON body"),
    ],
)
async def test_a_bad_request_is_refused_in_openais_words(
    call: Json, body: Any, param: str | None, code: str | None, words: str
) -> None:
    status, answer = await call("POST", PATH, body)
    assert status == 400
    error = answer["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert words in error["message"]


async def test_an_error_in_a_stream_is_followed_by_the_response_that_failed(openai: AsyncOpenAI) -> None:
    seen = await events(openai, input="[[simulate: malformed=status_in_stream]]")
    assert [event.type for event in seen[-2:]] == ["error", "response.failed"]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert seen[-1].response.status == "failed"
    assert seen[-1].response.error.code == "server_error"
    assert seen[-1].response.id == seen[0].response.id
