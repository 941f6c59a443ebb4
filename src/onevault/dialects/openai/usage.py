"""Reads and writes token counts as OpenAI reports them."""

from __future__ import annotations

from math import ceil
from typing import Any, Final

import msgspec

from onevault.core.usage import Usage, tier_served

AUDIO_S_MAX: Final = 1_000_000
"""Eleven days: what is reported beyond is no report."""


class InputDetails(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None


class OutputDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class ServerTools(msgspec.Struct, frozen=True, gc=False):
    web_search_requests: int | None = None


class OpenAIUsage(msgspec.Struct, frozen=True):
    """The `usage` object. Compatible servers leave fields out, and have some of their own: DeepSeek `prompt_cache_hit_tokens`,
    Mistral `num_cached_tokens` and `prompt_audio_seconds`, Together `cached_tokens`, OpenRouter `server_tool_use` (or
    `…_details`), Perplexity `num_search_queries`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    num_cached_tokens: int | None = None
    cached_tokens: int | None = None
    prompt_audio_seconds: float | dict[str, Any] | None = None
    server_tool_use: ServerTools | None = None
    server_tool_use_details: ServerTools | None = None
    num_search_queries: int | None = None


class GroqExtra(msgspec.Struct, frozen=True, gc=False):
    """Where Groq puts the usage of a stream, asked for or not."""

    usage: OpenAIUsage | None = None


_NO_INPUT_DETAILS = InputDetails()
_NO_OUTPUT_DETAILS = OutputDetails()


def usage_of(wire: OpenAIUsage, tier: str | None = None) -> Usage:
    """In OpenAI's counts, input includes cached and output includes reasoning tokens, as it is here. `tier` is the answer's
    `service_tier`.

    Some compatible servers report reasoning apart; their total gives them away.
    """
    read = wire.prompt_tokens_details or _NO_INPUT_DETAILS
    wrote = wire.completion_tokens_details or _NO_OUTPUT_DETAILS
    prompt, completion = max(wire.prompt_tokens or 0, 0), max(wire.completion_tokens or 0, 0)
    reasoning = max(wrote.reasoning_tokens or 0, 0)
    if reasoning and wire.total_tokens == prompt + completion + reasoning:
        completion += reasoning
    cached = read.cached_tokens or wire.prompt_cache_hit_tokens or wire.num_cached_tokens or wire.cached_tokens
    cache_read = min(max(cached or 0, 0), prompt)
    heard_s = wire.prompt_audio_seconds
    tools = wire.server_tool_use or wire.server_tool_use_details
    searches = tools.web_search_requests if tools is not None else wire.num_search_queries
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=cache_read,
        cache_write_tokens=min(max(read.cache_write_tokens or 0, 0), prompt - cache_read),
        reasoning_tokens=min(reasoning, completion),
        input_audio_tokens=min(max(read.audio_tokens or 0, 0), prompt),
        output_audio_tokens=min(max(wrote.audio_tokens or 0, 0), completion),
        input_image_tokens=min(max(read.image_tokens or 0, 0), prompt),
        output_image_tokens=min(max(wrote.image_tokens or 0, 0), completion),
        audio_ms=ceil(heard_s * 1000) if isinstance(heard_s, float) and 0 < heard_s < AUDIO_S_MAX else 0,
        searches=max(searches or 0, 0),
        tier=tier_served(tier),
        input_video_tokens=min(max(read.video_tokens or 0, 0), prompt),
    )


def usage_written(usage: Usage) -> dict[str, object]:
    """The `usage` object for a caller."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
            "audio_tokens": usage.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }
