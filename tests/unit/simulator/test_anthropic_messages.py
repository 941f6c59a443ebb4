"""Anthropic's messages as Anthropic's own SDK reads them."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "input_schema": CITY}
CLOCK = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
LONG = "x" * 4000


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def text(value: str, ttl: str | None = None) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": value}
    return {**block, "cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else block


def request_of(**more: Any) -> dict[str, Any]:
    return {"model": "claude-sim", "max_tokens": 2000, "messages": user("hello"), **more}


async def whole(client: AsyncAnthropic, **more: Any) -> Message:
    return await client.messages.create(**request_of(**more))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_tokens": 3},
        {"messages": user("x [[simulate: output_tokens=50]]")},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"messages": user("x [[simulate: thinking=5; redacted_thinking]]")},
        {"tools": [WEATHER]},
        {"tools": [WEATHER, CLOCK], "messages": user("x [[simulate: tools=3; thinking=2]]")},
        {"messages": user("x [[simulate: refusal]]")},
        {"messages": user('x [[simulate: text="naïve 漢字 🙂"]]')},
        {"messages": user('x [[simulate: text="one two three"]]'), "stop_sequences": ["two", "three"]},
        {"messages": user("x [[simulate: finish=pause]]")},
        {"messages": user([text(LONG, "1h"), text("x" * 400, "5m"), text("rest")])},
        {"output_config": {"format": {"type": "json_schema", "schema": CITY}}},
    ],
)
async def test_a_stream_adds_up_to_the_whole_answer_of_the_same_request(
    anthropic: AsyncAnthropic, more: dict[str, Any]
) -> None:
    answer = await whole(anthropic, **more)
    async with anthropic.messages.stream(**request_of(**more)) as stream:
        kinds = [event.type async for event in stream]
        added = await stream.get_final_message()
    ours = answer.model_dump(exclude={"usage": {"output_tokens_details"}})
    theirs = added.model_dump(exclude={"usage": {"output_tokens_details"}, "content": {"__all__": {"parsed_output"}}})
    assert theirs == ours
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"


@pytest.mark.parametrize(
    ("more", "tokens", "reason"),
    [
        ({}, 24, "end_turn"),
        ({"max_tokens": 24}, 24, "end_turn"),
        ({"max_tokens": 7}, 7, "max_tokens"),
        ({"messages": user("[[simulate: thinking=6; output_tokens=10]]")}, 16, "end_turn"),
        ({"messages": user("[[simulate: thinking=6]]"), "max_tokens": 8}, 8, "max_tokens"),
        ({"messages": user("[[simulate: refusal]]")}, 10, "refusal"),
        ({"messages": user("[[simulate: finish=content_filter]]")}, 24, "refusal"),
        ({"messages": user("[[simulate: finish=pause]]")}, 24, "pause_turn"),
        ({"messages": user('[[simulate: text="one two"]]'), "stop_sequences": ["two"]}, 1, "stop_sequence"),
        ({"tools": [CLOCK]}, 3, "tool_use"),
        ({"tools": [CLOCK], "max_tokens": 2}, 2, "max_tokens"),
    ],
)
async def test_length_and_stop_reason_are_known_beforehand(
    anthropic: AsyncAnthropic, more: dict[str, Any], tokens: int, reason: str
) -> None:
    answer = await whole(anthropic, **more)
    assert answer.usage.output_tokens == tokens
    assert answer.stop_reason == reason
    assert answer.stop_sequence == ("two" if reason == "stop_sequence" else None)


@pytest.mark.parametrize(
    ("more", "usage"),
    [
        ({"messages": user([text(LONG), text("abcd")])}, (1001, 0, 0, 0)),
        ({"messages": user([text(LONG, "5m"), text("abcd")])}, (1, 1000, 0, 0)),
        ({"messages": user([text(LONG, "1h"), text("x" * 400, "5m"), text("abcd")])}, (1, 100, 1000, 0)),
        ({"system": [text(LONG, "1h")], "messages": user("abcd")}, (1, 0, 1000, 0)),
        ({"messages": user(LONG), "cache_control": {"type": "ephemeral"}}, (0, 1000, 0, 0)),
        ({"messages": user([text(LONG, "5m"), text("[[simulate: cached_tokens=600]]")])}, (8, 400, 0, 600)),
        ({"messages": user([text(LONG, "5m"), text("[[simulate: cached_tokens=9999]]")])}, (0, 0, 0, 1008)),
    ],
)
async def test_cache_marks_split_the_input_tokens(
    anthropic: AsyncAnthropic, more: dict[str, Any], usage: tuple[int, ...]
) -> None:
    got = (await whole(anthropic, **more)).usage
    assert got.cache_creation is not None
    creation = (got.cache_creation.ephemeral_5m_input_tokens, got.cache_creation.ephemeral_1h_input_tokens)
    assert (got.input_tokens, *creation, got.cache_read_input_tokens) == usage
    assert got.cache_creation_input_tokens == sum(creation)


async def test_count_tokens_agrees_with_the_usage(anthropic: AsyncAnthropic) -> None:
    request = {"system": "be brief", "messages": user([text(LONG, "5m"), text("more")]), "tools": [WEATHER]}
    counted = await anthropic.messages.count_tokens(model="m", **request)
    usage = (await whole(anthropic, **request)).usage
    assert counted.input_tokens == usage.input_tokens + (usage.cache_creation_input_tokens or 0)


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, ["weather"]),
        ({"tool_choice": {"type": "none"}}, []),
        ({"tool_choice": {"type": "tool", "name": "clock"}}, ["clock"]),
        (
            {
                "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
                "messages": user("[[simulate: tools=3]]"),
            },
            ["weather"],
        ),
        ({"messages": user("[[simulate: tools=3]]")}, ["weather", "clock", "weather"]),
        ({"messages": user([{"type": "tool_result", "tool_use_id": "t", "content": "rain"}])}, []),
    ],
)
async def test_tools_are_used_as_the_request_and_the_directives_say(
    anthropic: AsyncAnthropic, more: dict[str, Any], names: list[str]
) -> None:
    answer = await whole(anthropic, tools=[WEATHER, CLOCK], **more)
    uses = [block for block in answer.content if block.type == "tool_use"]
    assert [use.name for use in uses] == names
    assert len({use.id for use in uses}) == len(names)
    for use in uses:
        if use.name == "weather":
            jsonschema_rs.validate(CITY, use.input)


async def test_thinking_comes_first_and_is_signed(anthropic: AsyncAnthropic) -> None:
    answer = await whole(anthropic, thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[0].signature  # type: ignore[union-attr]
    assert answer.usage.output_tokens_details is not None
    assert answer.usage.output_tokens_details.thinking_tokens == 8


async def test_the_same_request_gives_the_same_answer(anthropic: AsyncAnthropic) -> None:
    assert await whole(anthropic) == await whole(anthropic)


async def test_no_usage_leaves_it_out(anthropic: AsyncAnthropic) -> None:
    answer = await anthropic.messages.with_raw_response.create(**request_of(messages=user("[[simulate: no_usage]]")))
    assert '"usage"' not in await answer.text()
