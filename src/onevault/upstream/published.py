"""What providers publish of their prices and the price data lacks: a few rows, each with the page that says so.

A row completes what the data says of a model, or stands alone where it says nothing. What no page says is in no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec

Usd = Mapping[str, Decimal]
"""By the names of `core/prices.Rates`: dollars per million tokens or characters, per hour, or each."""


class Published(msgspec.Struct, frozen=True):
    """Prices of the models of one provider whose names are in `names`, or begin with one of them that ends in `*`."""

    provider: str
    names: tuple[str, ...]
    usd: Usd
    source: str


def _usd(**amounts: str) -> Usd:
    return MappingProxyType({name: Decimal(amount) for name, amount in amounts.items()})


_OPENAI_PRICES: Final = "platform.openai.com/docs/pricing"
_COHERE_PRICES: Final = "cohere.com/pricing"
_BEDROCK_PRICES: Final = "aws.amazon.com/bedrock/pricing"
_GEMINI_PRICES: Final = "ai.google.dev/gemini-api/docs/pricing"

ROWS: Final = (
    Published(
        "openai",
        ("omni-moderation-*", "text-moderation-*"),
        _usd(input="0", output="0"),
        "platform.openai.com/docs/guides/moderation: free to use",
    ),
    # Each call of these models does one search, and pays for it.
    Published(
        "openai",
        ("gpt-4o-search-preview", "gpt-4o-search-preview-2025-03-11"),
        _usd(input="2.5", output="10", request="0.025", search="0"),
        _OPENAI_PRICES,
    ),
    Published(
        "openai",
        ("gpt-4o-mini-search-preview", "gpt-4o-mini-search-preview-2025-03-11"),
        _usd(input="0.15", output="0.6", request="0.025", search="0"),
        _OPENAI_PRICES,
    ),
    Published(
        "openai",
        ("gpt-5-search-api*",),
        _usd(input="1.25", cache_read="0.125", output="10", request="0.01", search="0"),
        _OPENAI_PRICES,
    ),
    Published(
        "perplexity",
        ("sonar", "sonar-pro", "sonar-reasoning", "sonar-reasoning-pro"),
        _usd(search="0"),
        "docs.perplexity.ai/getting-started/pricing: a fee for each request, searches included",
    ),
    Published(
        "openai",
        ("gpt-4o-audio-preview", "gpt-4o-audio-preview-2024-12-17", "gpt-4o-audio-preview-2025-06-03"),
        _usd(input="2.5", output="10", input_audio="40", output_audio="80"),
        _OPENAI_PRICES,
    ),
    Published(
        "openai",
        ("gpt-4o-mini-audio-preview", "gpt-4o-mini-audio-preview-2024-12-17"),
        _usd(input="0.15", output="0.6", input_audio="10", output_audio="20"),
        _OPENAI_PRICES,
    ),
    Published("openai", ("ft:gpt-4.1-2025-04-14:*",), _usd(input="3", cache_read="0.75", output="12"), _OPENAI_PRICES),
    Published(
        "openai", ("ft:gpt-4.1-mini-2025-04-14:*",), _usd(input="0.8", cache_read="0.2", output="3.2"), _OPENAI_PRICES
    ),
    Published(
        "openai", ("ft:gpt-4.1-nano-2025-04-14:*",), _usd(input="0.2", cache_read="0.05", output="0.8"), _OPENAI_PRICES
    ),
    Published("openai", ("ft:o4-mini-2025-04-16:*",), _usd(input="4", cache_read="1", output="16"), _OPENAI_PRICES),
    Published("openai", ("ft:gpt-4o-2024-08-06:*",), _usd(cache_read="1.875"), _OPENAI_PRICES),
    Published("openai", ("ft:gpt-4o-mini-2024-07-18:*",), _usd(cache_read="0.15"), _OPENAI_PRICES),
    Published("openai", ("ft:davinci-002:*",), _usd(input="12", output="12"), _OPENAI_PRICES),
    Published("openai", ("ft:babbage-002:*",), _usd(input="1.6", output="1.6"), _OPENAI_PRICES),
    Published(
        "cohere",
        ("rerank-v3.5", "rerank-english-v3.0", "rerank-multilingual-v3.0", "rerank-v4.0-fast"),
        _usd(input="0", output="0", search="0.002"),
        _COHERE_PRICES,
    ),
    Published("cohere", ("rerank-v4.0-pro",), _usd(input="0", output="0", search="0.0025"), _COHERE_PRICES),
    Published(
        "cohere",
        ("embed-english-v3.0", "embed-multilingual-v3.0", "embed-english-light-v3.0", "embed-multilingual-light-v3.0"),
        _usd(input="0.1"),
        _COHERE_PRICES,
    ),
    Published("cohere", ("embed-v4.0",), _usd(input_image="0.47"), _COHERE_PRICES),
    Published("aws", ("cohere.rerank-v3-5:0",), _usd(input="0", output="0", search="0.002"), _BEDROCK_PRICES),
    Published("aws", ("amazon.rerank-v1:0",), _usd(input="0", output="0", search="0.001"), _BEDROCK_PRICES),
    Published("aws", ("cohere.embed-english-v3", "cohere.embed-multilingual-v3"), _usd(input="0.1"), _BEDROCK_PRICES),
    Published("google", ("imagen-4.0-generate-001",), _usd(input="0", output="0", image="0.04"), _GEMINI_PRICES),
    Published("google", ("imagen-4.0-ultra-generate-001",), _usd(input="0", output="0", image="0.06"), _GEMINI_PRICES),
    Published("google", ("imagen-4.0-fast-generate-001",), _usd(input="0", output="0", image="0.02"), _GEMINI_PRICES),
)

HALF_AS_BATCH: Final = frozenset({("google", "flex")})
"""Tiers that are published to cost what a batch does. ai.google.dev/gemini-api/docs/optimization: flex and batch, 50 % each."""

AS_STANDARD: Final = frozenset({("anthropic", "priority"), ("groq", "flex")})
"""Tiers whose tokens cost what standard ones do: Anthropic's priority is capacity bought ahead (platform.claude.com/docs/en/api/
service-tiers); Groq's flex is its on-demand price with more capacity (console.groq.com/docs/flex-processing)."""

IN_THE_US: Final = "us"
US_PERCENT: Final = 110
"""Anthropic, `inference_geo: "us"`: all tokens at 1.1 times the price, together with any other tier (platform.claude.com/docs/en/
build-with-claude/data-residency). Such tiers are named `us`, `batch+us`, `fast+us`."""


def published(provider: str, model: str) -> Published | None:
    """The row of a model as its provider names it."""
    name = model.lower()
    for row in ROWS:
        if row.provider == provider and any(
            name.startswith(known[:-1]) if known.endswith("*") else name == known for known in row.names
        ):
            return row
    return None
