"""OpenAI's chat completions as OpenAI's own SDK reads them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

USER = {"role": "user", "content": "hello"}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "clock"}}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


async def whole(client: AsyncOpenAI, **request: Any) -> ChatCompletion:
    return await client.chat.completions.create(**{"model": "gpt-5", "messages": [USER], **request})


async def chunks(client: AsyncOpenAI, **request: Any) -> list[ChatCompletionChunk]:
    request = {"stream_options": {"include_usage": True}, **request}
    stream = await client.chat.completions.create(**{"model": "gpt-5", "messages": [USER], "stream": True, **request})
    return [chunk async for chunk in stream]


def folded(events: list[ChatCompletionChunk], choice: int = 0) -> dict[str, Any]:
    """What a whole answer's choice would be, put together from a stream."""
    text, refusal, finish = "", "", None
    calls: dict[int, list[str]] = {}
    for event in events:
        for part in event.choices:
            if part.index != choice:
                continue
            text += part.delta.content or ""
            refusal += part.delta.refusal or ""
            finish = part.finish_reason or finish
            for tool in part.delta.tool_calls or ():
                entry = calls.setdefault(tool.index, ["", "", ""])
                entry[0] += tool.id or ""
                entry[1] += tool.function.name or ""
                entry[2] += tool.function.arguments or ""
    return {
        "content": text or None,
        "refusal": refusal or None,
        "calls": [calls[at] for at in sorted(calls)],
        "finish": finish,
    }


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"messages": [user("say [[simulate: output_tokens=50]]")]},
        {"max_tokens": 5},
        {"max_completion_tokens": 7, "messages": [user("x [[simulate: reasoning_tokens=3]]")]},
        {"n": 3},
        {"tools": [WEATHER]},
        {"tools": [WEATHER, CLOCK], "messages": [user("x [[simulate: tools=3]]")]},
        {"tools": [WEATHER], "max_tokens": 4},
        {"messages": [user("x [[simulate: refusal]]")]},
        {"messages": [user('x [[simulate: text="naïve 漢字 🙂 text; with ]] in it"]]')]},
        {"messages": [user("echo me [[simulate: echo]]")]},
        {"messages": [user("x [[simulate: finish=content_filter]]")]},
        {"stop": ["map "], "messages": [user('x [[simulate: text="one map two"]]')]},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}}},
    ],
)
async def test_a_stream_adds_up_to_the_whole_answer_of_the_same_request(
    openai: AsyncOpenAI, request_: dict[str, Any]
) -> None:
    answer = await whole(openai, **request_)
    events = await chunks(openai, **request_)
    assert {event.id for event in events} == {answer.id}
    assert events[-1].choices == []
    assert events[-1].usage == answer.usage
    for choice in answer.choices:
        message = choice.message
        calls = [[c.id, c.function.name, c.function.arguments] for c in message.tool_calls or ()]
        expected = {
            "content": message.content or None,
            "refusal": message.refusal,
            "calls": calls,
            "finish": choice.finish_reason,
        }
        assert folded(events, choice.index) == expected


@pytest.mark.parametrize(
    ("request_", "tokens", "finish"),
    [
        ({}, 24, "stop"),
        ({"max_tokens": 24}, 24, "stop"),
        ({"max_tokens": 23}, 23, "length"),
        ({"max_completion_tokens": 1, "max_tokens": 9}, 1, "length"),
        ({"messages": [user("x [[simulate: output_tokens=300]]")]}, 300, "stop"),
        ({"messages": [user("x [[simulate: output_tokens=5000]]")]}, 5000, "stop"),
        ({"messages": [user("x [[simulate: output_tokens=300]]")], "max_tokens": 100}, 100, "length"),
        ({"messages": [user("x [[simulate: reasoning_tokens=30; output_tokens=10]]")]}, 40, "stop"),
        ({"messages": [user("x [[simulate: reasoning_tokens=30; output_tokens=10]]")], "max_tokens": 32}, 32, "length"),
        ({"messages": [user("x [[simulate: text=12345]]")]}, 2, "stop"),
        ({"messages": [user("x [[simulate: text=12345]]")], "max_tokens": 1}, 1, "length"),
        ({"n": 2}, 48, "stop"),
        ({"messages": [user("x [[simulate: output_tokens=0]]")]}, 0, "stop"),
    ],
)
async def test_the_length_of_an_answer_is_known_beforehand(
    openai: AsyncOpenAI, request_: dict[str, Any], tokens: int, finish: str
) -> None:
    answer = await whole(openai, **request_)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == tokens
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + tokens
    assert answer.choices[0].finish_reason == finish


@pytest.mark.parametrize(
    ("messages", "tokens"),
    [
        ([user("")], 1),
        ([user("four")], 1),
        ([user("fours")], 2),
        ([user("漢字")], 2),
        ([{"role": "system", "content": "abc"}, user("abc")], 2),
        ([user([{"type": "text", "text": "12345678"}, {"type": "image_url", "image_url": {"url": "data:,"}}])], 87),  # type: ignore[arg-type]
    ],
)
async def test_input_is_counted_by_the_documented_rule(openai: AsyncOpenAI, messages: list[Any], tokens: int) -> None:
    answer = await whole(openai, messages=messages)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == tokens


async def test_usage_tells_cached_and_reasoning_tokens(openai: AsyncOpenAI) -> None:
    usage = (
        await whole(openai, messages=[user("x" * 400 + "[[simulate: cached_tokens=64; reasoning_tokens=9]]")])
    ).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 64
    assert usage.completion_tokens_details.reasoning_tokens == 9


async def test_the_same_request_gives_the_same_answer_and_another_one_another(openai: AsyncOpenAI) -> None:
    first, again, other = await whole(openai), await whole(openai), await whole(openai, messages=[user("other")])
    assert first == again
    assert first.choices[0].message.content != other.choices[0].message.content
    assert first.id != other.id


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"tools": [WEATHER, CLOCK]}, ["weather"]),
        ({"tools": [WEATHER, CLOCK], "tool_choice": "none"}, []),
        ({"tools": [WEATHER, CLOCK], "tool_choice": {"type": "function", "function": {"name": "clock"}}}, ["clock"]),
        ({"tools": [WEATHER, CLOCK], "messages": [user("[[simulate: tools=3]]")]}, ["weather", "clock", "weather"]),
        (
            {"tools": [WEATHER, CLOCK], "messages": [user("[[simulate: tools=3]]")], "parallel_tool_calls": False},
            ["weather"],
        ),
        ({"tools": [WEATHER, CLOCK], "messages": [user("[[simulate: tool=clock]]")]}, ["clock"]),
        ({"tools": [WEATHER], "messages": [user("[[simulate: tools=0]]")]}, []),
        ({"messages": [user("[[simulate: tool=undeclared]]")]}, ["undeclared"]),
    ],
)
async def test_tools_are_called_as_the_request_and_the_directives_say(
    openai: AsyncOpenAI, more: dict[str, Any], names: list[str]
) -> None:
    choice = (await whole(openai, **more)).choices[0]
    calls = choice.message.tool_calls or []
    assert [call.function.name for call in calls] == names  # type: ignore[union-attr]
    assert len({call.id for call in calls}) == len(names)
    assert choice.finish_reason == ("tool_calls" if names else "stop")
    for call in calls:
        if call.function.name == "weather":  # type: ignore[union-attr]
            jsonschema_rs.validate(CITY, json.loads(call.function.arguments))  # type: ignore[union-attr]


async def test_a_tools_answer_is_followed_by_text(openai: AsyncOpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"x"}'}}
    turn = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    choice = (await whole(openai, messages=turn, tools=[WEATHER])).choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content


async def test_logprobs_cover_every_piece_of_the_text(openai: AsyncOpenAI) -> None:
    request = {"logprobs": True, "top_logprobs": 3, "max_tokens": 4}
    choice = (await whole(openai, **request)).choices[0]
    assert choice.logprobs is not None
    rows = choice.logprobs.content or []
    assert "".join(row.token for row in rows) == choice.message.content
    assert {len(row.top_logprobs) for row in rows} == {3}
    streamed = [
        row
        for event in await chunks(openai, **request)
        for c in event.choices
        if c.logprobs
        for row in c.logprobs.content or ()
    ]
    assert streamed == rows


async def test_usage_is_streamed_only_to_who_asks(openai: AsyncOpenAI) -> None:
    assert all(event.usage is None and event.choices for event in await chunks(openai, stream_options=None))
    without = await chunks(openai, messages=[user("[[simulate: no_usage]]")])
    assert all(event.usage is None for event in without)


async def test_no_usage_leaves_it_out_of_a_whole_answer(openai: AsyncOpenAI) -> None:
    assert (await whole(openai, messages=[user("[[simulate: no_usage]]")])).usage is None
