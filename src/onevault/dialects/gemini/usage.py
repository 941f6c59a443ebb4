"""Reads and writes token counts as Google reports them.

Source: Gemini API reference, `UsageMetadata`; Vertex AI reference, `GenerateContentResponse.UsageMetadata`. Their prompt includes what
was cached, but not what tools found; their candidates do not include thoughts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.usage import Usage, tier_named


class ModalityCount(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class GeminiUsage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`usageMetadata`, of answers and of embeddings (which spell the details `promptTokenDetails`)."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityCount] | None = None
    cache_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    traffic_type: str | None = None
    service_tier: str | None = None

    @property
    def tier(self) -> str | None:
        return self.service_tier or self.traffic_type


def usage_of(wire: GeminiUsage, *, searches: int = 0) -> Usage:
    """In the convention here: input includes what tools found, output includes thoughts."""
    prompt = max(wire.prompt_token_count or 0, 0)
    thoughts = max(wire.thoughts_token_count or 0, 0)
    given = prompt + max(wire.tool_use_prompt_token_count or 0, 0)
    made = max(wire.candidates_token_count or 0, 0) + thoughts
    read = min(max(wire.cached_content_token_count or 0, 0), given)
    heard = seen = watched = heard_again = spoken = drawn = 0
    if wire.prompt_tokens_details or wire.tool_use_prompt_tokens_details:
        heard = _count("AUDIO", wire.prompt_tokens_details) + _count("AUDIO", wire.tool_use_prompt_tokens_details)
        seen = _count("IMAGE", wire.prompt_tokens_details) + _count("IMAGE", wire.tool_use_prompt_tokens_details)
        watched = _count("VIDEO", wire.prompt_tokens_details) + _count("VIDEO", wire.tool_use_prompt_tokens_details)
    if read and wire.cache_tokens_details:
        heard_again = _count("AUDIO", wire.cache_tokens_details)
    if wire.candidates_tokens_details:
        spoken = _count("AUDIO", wire.candidates_tokens_details)
        drawn = _count("IMAGE", wire.candidates_tokens_details)
    return Usage(
        input_tokens=given,
        output_tokens=made,
        cache_read_tokens=read,
        reasoning_tokens=thoughts,
        input_audio_tokens=min(heard, given),
        output_audio_tokens=min(spoken, made),
        input_image_tokens=min(seen, given),
        input_video_tokens=min(watched, given),
        output_image_tokens=min(drawn, made),
        searches=searches,
        tier=tier_named(wire.tier),
        cache_read_audio_tokens=min(heard_again, heard, read),
    )


def _count(modality: str, details: list[ModalityCount] | None) -> int:
    return sum(max(entry.token_count or 0, 0) for entry in details or () if entry.modality == modality)


def usage_written(usage: Usage) -> dict[str, Any]:
    """The `usageMetadata` object for a caller."""
    fields: dict[str, Any] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": max(usage.output_tokens - usage.reasoning_tokens, 0),
        "totalTokenCount": usage.total_tokens,
    }
    if usage.reasoning_tokens:
        fields["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cache_read_tokens:
        fields["cachedContentTokenCount"] = usage.cache_read_tokens
    fields["promptTokensDetails"] = _details(
        usage.input_tokens, audio=usage.input_audio_tokens, image=usage.input_image_tokens
    )
    if usage.output_audio_tokens or usage.output_image_tokens:
        fields["candidatesTokensDetails"] = _details(
            fields["candidatesTokenCount"], audio=usage.output_audio_tokens, image=usage.output_image_tokens
        )
    return fields


def _details(tokens: int, *, audio: int, image: int) -> list[dict[str, Any]]:
    counts = (("TEXT", max(tokens - audio - image, 0)), ("AUDIO", audio), ("IMAGE", image))
    return [{"modality": modality, "tokenCount": count} for modality, count in counts if count]
