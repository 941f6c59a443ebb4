"""OpenAI's legacy completions as OpenAI's own SDK reads them."""

from __future__ import annotations

from typing import Any

import openai as openai_sdk
import pytest
from openai import AsyncOpenAI
from openai.types import Completion


async def whole(client: AsyncOpenAI, **request: Any) -> Completion:
    return await client.completions.create(**{"model": "gpt-3.5-turbo-instruct", "prompt": "once", **request})


async def chunks(client: AsyncOpenAI, **request: Any) -> list[Completion]:
    more = {"model": "gpt-3.5-turbo-instruct", "prompt": "once", "stream_options": {"include_usage": True}}
    stream = await client.completions.create(**{**more, "stream": True, **request})
    return [chunk async for chunk in stream]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"max_tokens": 40},
        {"n": 3},
        {"prompt": ["one", "two"], "n": 2},
        {"prompt": [1, 2, 3], "echo": True},
        {"prompt": [[1], [2, 3]]},
        {"echo": True, "logprobs": 2},
        {"logprobs": 0, "max_tokens": 3},
        {"prompt": 'x [[simulate: text="a map b"]]', "stop": "map"},
        {"prompt": "x [[simulate: finish=content_filter]]", "max_tokens": 30},
    ],
)
async def test_a_stream_adds_up_to_the_whole_completion(openai: AsyncOpenAI, request_: dict[str, Any]) -> None:
    completion = await whole(openai, **request_)
    seen = await chunks(openai, **request_)
    assert seen[-1].choices == []
    assert seen[-1].usage == completion.usage
    assert {chunk.id for chunk in seen} == {completion.id}
    for choice in completion.choices:
        own = [part for chunk in seen for part in chunk.choices if part.index == choice.index]
        assert "".join(part.text for part in own) == choice.text
        assert [part.finish_reason for part in own if part.finish_reason] == [choice.finish_reason]
        streamed = [part.logprobs for part in own if part.logprobs]
        if choice.logprobs is None:
            assert not streamed
        else:
            assert [token for rows in streamed for token in rows.tokens or ()] == choice.logprobs.tokens
            assert [at for rows in streamed for at in rows.text_offset or ()] == choice.logprobs.text_offset


@pytest.mark.parametrize(
    ("request_", "choices", "tokens", "finish"),
    [
        ({}, 1, 16, "length"),
        ({"max_tokens": 24}, 1, 24, "stop"),
        ({"n": 2, "max_tokens": 5}, 2, 10, "length"),
        ({"prompt": ["a", "b", "c"], "n": 2, "max_tokens": 1}, 6, 6, "length"),
    ],
)
async def test_length_and_number_are_known_beforehand(
    openai: AsyncOpenAI, request_: dict[str, Any], choices: int, tokens: int, finish: str
) -> None:
    completion = await whole(openai, **request_)
    assert [choice.index for choice in completion.choices] == list(range(choices))
    assert completion.usage is not None
    assert completion.usage.completion_tokens == tokens
    assert completion.choices[0].finish_reason == finish


async def test_echo_repeats_each_prompt_before_its_own_choices(openai: AsyncOpenAI) -> None:
    completion = await whole(openai, prompt=["one ", "two "], n=2, echo=True)
    assert [choice.text[:4] for choice in completion.choices] == ["one ", "one ", "two ", "two "]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"prompt": None}, "Missing required parameter: 'prompt'"),
        ({"prompt": []}, "minimum length 1"),
        ({"prompt": ["a", 1]}, r"prompt\[1\]"),
        ({"prompt": ["a"] * 100, "n": 100}, "Too many prompts"),
        ({"logprobs": 6}, "<= 5"),
        ({"n": 3, "best_of": 2}, "best_of"),
    ],
)
async def test_a_bad_request_is_refused(openai: AsyncOpenAI, request_: dict[str, Any], words: str) -> None:
    with pytest.raises(openai_sdk.BadRequestError, match=words):
        await whole(openai, **request_)
