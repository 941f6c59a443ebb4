"""What OpenAI, its compatible servers and Anthropic report as used, in the gateway's convention."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from onevault.core.usage import Usage, tier_named, tier_served
from onevault.dialects.anthropic.usage import AnthropicUsage
from onevault.dialects.anthropic.usage import usage_of as anthropics
from onevault.dialects.openai.chat_passing import PassingStream, PassingWhole
from onevault.dialects.openai.usage import OpenAIUsage
from onevault.dialects.openai.usage import usage_of as openais

COUNTED = {"prompt_tokens": 100, "completion_tokens": 50}


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({}, {}),
        ({"prompt_tokens_details": {"cached_tokens": 30}}, {"cache_read_tokens": 30}),
        ({"num_cached_tokens": 20}, {"cache_read_tokens": 20}),
        ({"cached_tokens": 20}, {"cache_read_tokens": 20}),
        ({"prompt_cache_hit_tokens": 20}, {"cache_read_tokens": 20}),
        ({"prompt_tokens_details": {"cached_tokens": 500}}, {"cache_read_tokens": 100}),
        ({"prompt_tokens_details": {"image_tokens": 40, "video_tokens": 7}}, {"input_image_tokens": 40, "input_video_tokens": 7}),
        ({"completion_tokens_details": {"image_tokens": 40}}, {"output_image_tokens": 40}),
        ({"prompt_audio_seconds": 4}, {"audio_ms": 4000}),
        ({"prompt_audio_seconds": {}}, {}),
        ({"prompt_audio_seconds": -1}, {}),
        ({"server_tool_use": {"web_search_requests": 2}}, {"searches": 2}),
        ({"server_tool_use_details": {"web_search_requests": 2}}, {"searches": 2}),
        ({"num_search_queries": 3}, {"searches": 3}),
        ({"num_search_queries": -3}, {}),
    ],
)  # fmt: skip
def test_openais_report(reported: dict[str, Any], expected: dict[str, Any]) -> None:
    wire = msgspec.convert(COUNTED | reported, OpenAIUsage)
    assert openais(wire) == Usage(input_tokens=100, output_tokens=50, **expected)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({}, {}),
        ({"service_tier": "standard"}, {}),
        ({"service_tier": "batch"}, {"tier": "batch"}),
        ({"service_tier": "priority"}, {"tier": "priority"}),
        ({"service_tier": "standard", "inference_geo": "not_available"}, {}),
        ({"service_tier": "standard", "inference_geo": "us"}, {"tier": "us"}),
        ({"service_tier": "batch", "inference_geo": "us"}, {"tier": "batch+us"}),
        ({"service_tier": "standard", "speed": "fast"}, {"tier": "fast"}),
        ({"service_tier": "standard", "speed": "standard"}, {}),
        ({"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1}}, {"searches": 2}),
    ],
)
def test_anthropics_report(reported: dict[str, Any], expected: dict[str, Any]) -> None:
    wire = msgspec.convert({"input_tokens": 100, "output_tokens": 50} | reported, AnthropicUsage)
    assert anthropics(wire) == Usage(input_tokens=100, output_tokens=50, **expected)


@pytest.mark.parametrize(
    ("word", "named", "served"),
    [
        (None, "", ""),
        ("", "", ""),
        ("default", "", ""),
        ("STANDARD", "", ""),
        ("auto", "auto", ""),
        ("flex", "flex", "flex"),
        ("PRIORITY", "priority", "priority"),
        ("ON_DEMAND", "", ""),
        ("ON_DEMAND_FLEX", "flex", "flex"),
        ("PROVISIONED_THROUGHPUT", "provisioned", "provisioned"),
        ("x" * 100, "x" * 40, "x" * 40),
    ],
)
def test_a_service_tier_has_one_name_whoever_says_it(word: str | None, named: str, served: str) -> None:
    assert (tier_named(word), tier_served(word)) == (named, served)


def reports(events: list[Any]) -> list[Usage]:
    return [event.usage for event in events if type(event).__name__ == "UsageReported"]


def test_the_tier_that_an_answer_names_is_in_its_usage() -> None:
    usage = '"usage":{"prompt_tokens":1,"completion_tokens":1}'
    choice = '{"index":0,"message":{"content":"x"},"finish_reason":"stop"}'
    whole = PassingWhole()
    body = f'{{"choices":[{choice}],"service_tier":"flex",{usage}}}'.encode()
    assert [one.tier for one in reports([*whole.feed(body), *whole.close()])] == ["flex"]
    stream = PassingStream(usage_asked=True, choices_asked=1)
    delta = '{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}'
    told = f'{{"choices":[],"service_tier":"priority",{usage}}}'
    frames = f"data: {delta}\n\ndata: {told}\n\ndata: [DONE]\n\n".encode()
    assert [one.tier for one in reports(stream.feed(frames))] == ["priority"]
