"""Reads what OpenAI's media operations report as used, and fills in what is certain without a report.

Source: OpenAI API reference, "The image generation response", "Create speech" (speech.audio.done) and "Create transcription" (usage of
type `tokens` or `duration`).
"""

from __future__ import annotations

import math

import msgspec

from onevault.core.usage import NO_USAGE, Usage

AUDIO_S_MAX = 10_000_000
"""A hundred days: what is reported beyond is no report."""


class Kinds(msgspec.Struct, frozen=True, gc=False):
    text_tokens: int | None = None
    image_tokens: int | None = None
    audio_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class MediaUsage(msgspec.Struct, frozen=True, gc=False):
    """The `usage` object. Images say `input_tokens_details`, transcriptions `input_token_details`, compatible servers
    `prompt_tokens`; a whisper says `seconds`."""

    type: str | None = None
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens_details: Kinds | None = None
    input_token_details: Kinds | None = None
    output_tokens_details: Kinds | None = None


_NO_KINDS = Kinds()


def media_usage_of(wire: MediaUsage, *, certain: Usage = NO_USAGE) -> Usage:
    """What is reported, beside what is `certain` from request and answer."""
    given = max(wire.input_tokens or wire.prompt_tokens or 0, 0)
    made = max(wire.output_tokens or wire.completion_tokens or 0, 0)
    read = wire.input_tokens_details or wire.input_token_details or _NO_KINDS
    wrote = wire.output_tokens_details or _NO_KINDS
    audio_ms = ms_of(wire.seconds)
    return msgspec.structs.replace(
        certain,
        input_tokens=given,
        output_tokens=made,
        cache_read_tokens=min(max(read.cached_tokens or 0, 0), given),
        reasoning_tokens=min(max(wrote.reasoning_tokens or 0, 0), made),
        input_audio_tokens=min(max(read.audio_tokens or 0, 0), given),
        output_audio_tokens=min(max(wrote.audio_tokens or 0, 0), made),
        input_image_tokens=min(max(read.image_tokens or 0, 0), given),
        output_image_tokens=min(max(wrote.image_tokens or 0, 0), made),
        audio_ms=certain.audio_ms if audio_ms is None else audio_ms,
    )


def ms_of(seconds: float | None) -> int | None:
    """Milliseconds, rounded up; None for what is no length of time."""
    if seconds is None or not 0 <= seconds <= AUDIO_S_MAX:
        return None
    return math.ceil(round(seconds * 1000, 3))
