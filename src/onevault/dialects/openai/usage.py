"""Reads and writes token counts as OpenAI reports them."""

from __future__ import annotations

import msgspec

from onevault.core.usage import Usage


class InputDetails(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class OutputDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class OpenAIUsage(msgspec.Struct, frozen=True):
    """The `usage` object. Compatible servers leave fields out; DeepSeek has `prompt_cache_hit_tokens`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class GroqExtra(msgspec.Struct, frozen=True, gc=False):
    """Where Groq puts the usage of a stream, asked for or not."""

    usage: OpenAIUsage | None = None


_NO_INPUT_DETAILS = InputDetails()
_NO_OUTPUT_DETAILS = OutputDetails()


def usage_of(wire: OpenAIUsage) -> Usage:
    """In OpenAI's counts, input includes cached and output includes reasoning tokens, as it is here.

    Some compatible servers report reasoning apart; their total gives them away.
    """
    read = wire.prompt_tokens_details or _NO_INPUT_DETAILS
    wrote = wire.completion_tokens_details or _NO_OUTPUT_DETAILS
    prompt, completion = max(wire.prompt_tokens or 0, 0), max(wire.completion_tokens or 0, 0)
    reasoning = max(wrote.reasoning_tokens or 0, 0)
    if reasoning and wire.total_tokens == prompt + completion + reasoning:
        completion += reasoning
    cached = read.cached_tokens if read.cached_tokens is not None else wire.prompt_cache_hit_tokens
    cache_read = min(max(cached or 0, 0), prompt)
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=cache_read,
        cache_write_tokens=min(max(read.cache_write_tokens or 0, 0), prompt - cache_read),
        reasoning_tokens=min(reasoning, completion),
        input_audio_tokens=min(max(read.audio_tokens or 0, 0), prompt),
        output_audio_tokens=min(max(wrote.audio_tokens or 0, 0), completion),
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
