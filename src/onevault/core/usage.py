"""What a call consumed, in one convention whichever provider reported it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

TOKENS_MAX = 1 << 30
"""No call consumes more of either side; within it every cost fits 64 bits of nanos."""


class UsageSource(StrEnum):
    """Where a recorded usage came from."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    WORST_CASE = "worst_case"


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts of one call.

    `input_tokens` includes cached and audio tokens, `output_tokens` includes reasoning and audio tokens:
    dialects that report them apart convert; the same holds for image tokens. Cache writes are those kept five minutes unless
    named otherwise. Beside tokens, what some providers charge by: characters spoken, milliseconds heard, images made, searches
    done. `tier` is the service tier that the provider says it served at ("": its standard).
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    characters: int = 0
    audio_ms: int = 0
    images: int = 0
    searches: int = 0
    tier: str = ""

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def is_credible(self) -> bool:
        """Whether it can be a bill at all. What a provider reports beyond TOKENS_MAX is as good as no report."""
        return self.input_tokens <= TOKENS_MAX and self.output_tokens <= TOKENS_MAX


NO_USAGE = Usage()
