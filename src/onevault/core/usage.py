"""What a call consumed, in one convention whichever provider reported it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

TOKENS_MAX = 1 << 30
"""No call consumes more of either side; within it every cost fits 64 bits of nanos."""

UNITS_MAX = 100_000
"""No call makes more images or does more searches."""

AUTO_TIER = "auto"
"""Asked for: the provider chooses. (As an answer it says nothing, and means the standard.)"""

TIER_LENGTH_MAX = 40

_STANDARD = ("default", "standard", "standard_only", "on_demand", "service_tier_unspecified")
_WORDS = dict.fromkeys(_STANDARD, "") | {
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
    "provisioned_throughput": "provisioned",
}


def tier_named(word: str | None) -> str:
    """A provider's word for a service tier as records and prices have it: "" for each one's standard, else in lower case (`flex`,
    `priority`, `batch`, `scale`, …). `auto` stays, where it is asked for.

    Sources: OpenAI, Anthropic and Gemini API references, `service_tier`; Vertex AI, `trafficType`; Groq, service tiers; Amazon
    Bedrock, `serviceTier`.
    """
    if not word:
        return ""
    known = _WORDS.get(word)
    if known is not None:
        return known
    lower = word.lower()[:TIER_LENGTH_MAX]
    return _WORDS.get(lower, lower)


def tier_served(word: str | None) -> str:
    """The same of an answer, in which `auto` means nothing."""
    return "" if word == AUTO_TIER else tier_named(word)


class UsageSource(StrEnum):
    """Where a recorded usage came from."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    WORST_CASE = "worst_case"


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Token counts of one call.

    `input_tokens` includes cached and audio tokens, `output_tokens` includes reasoning and audio tokens:
    dialects that report them apart convert; the same holds for image tokens. Cache writes are those kept five minutes unless
    named otherwise. Beside tokens, what some providers charge by: characters spoken, milliseconds heard, images made, searches
    done. `tier` is the service tier that the provider says it served at, as `tier_named` writes it ("": its standard).
    `cache_read_audio_tokens` are those of `cache_read_tokens` that are audio, and are in `input_audio_tokens` too. Video has
    tokens of its own among those of the input.
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
    cache_read_audio_tokens: int = 0
    input_video_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def is_credible(self) -> bool:
        """Whether it can be a bill at all. What a provider reports beyond TOKENS_MAX is as good as no report."""
        return (
            self.input_tokens <= TOKENS_MAX
            and self.output_tokens <= TOKENS_MAX
            and self.characters <= TOKENS_MAX
            and self.audio_ms <= TOKENS_MAX
            and self.images <= UNITS_MAX
            and self.searches <= UNITS_MAX
        )


NO_USAGE = Usage()
