"""The simulator, built in or as a process of its own: it speaks every dialect, and the prices of its own models are invented."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from onevault.config.provider_kind import ProviderKind, spoken
from onevault.core.money import NANOS_PER_USD
from onevault.core.prices import Price, Rates


def _simulated(name: str, input_usd_cents: int, output_usd_cents: int, **units: int) -> Price:
    """An invented price, in cents per million tokens, and in nanos per unit of what is not tokens."""
    given, taken = input_usd_cents * NANOS_PER_USD // 100, output_usd_cents * NANOS_PER_USD // 100
    rates = Rates(
        input=given,
        output=taken,
        cache_read=given // 10,
        cache_write=given,
        cache_write_1h=given,
        reasoning=taken,
        input_audio=given,
        output_audio=taken,
        **units,
    )
    return Price(version=f"simulator:{name}", rates=rates)


SIMULATED_PRICES: Final = MappingProxyType(
    {
        "sim-small": _simulated("sim-small", 10, 40),
        "sim-large": _simulated("sim-large", 250, 1000),
        "sim-embed": _simulated("sim-embed", 2, 0),
        "sim-image": _simulated("sim-image", 0, 0, image=NANOS_PER_USD // 25),
        "sim-speech": _simulated("sim-speech", 0, 0, characters=15 * NANOS_PER_USD),
        "sim-transcribe": _simulated("sim-transcribe", 0, 0, audio_hour=36 * NANOS_PER_USD // 100),
        "sim-moderation": _simulated("sim-moderation", 0, 0),
        "sim-rerank": _simulated("sim-rerank", 0, 0, search=NANOS_PER_USD // 500),
    }
)

SIMULATED_MODELS: Final = (
    *SIMULATED_PRICES,
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-5",
    "gpt-5-mini",
    "o4-mini",
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "gpt-image-1",
    "tts-1",
    "whisper-1",
    "omni-moderation-latest",
    "gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemini-embedding-001",
    "command-a-03-2025",
    "embed-v4.0",
    "rerank-v3.5",
)

_UNDER: Final = {
    "/v1": (
        "openai-chat",
        "openai-responses",
        "openai-completions",
        "openai-embeddings",
        "openai-images",
        "openai-image-edits",
        "openai-speech",
        "openai-transcriptions",
        "openai-moderations",
        "anthropic-messages",
        "anthropic-count-tokens",
        "rerank",
    ),
    "/v1beta": ("gemini", "gemini-embeddings", "gemini-count-tokens"),
    "/v2": ("cohere-chat", "cohere-embeddings"),
    "": ("bedrock-converse", "bedrock-embeddings", "bedrock-count-tokens", "ollama-chat", "ollama-embeddings"),
}
"""Where it serves each dialect, which is where that dialect's own provider does. What Vertex has of its own is not among them: it
takes the tokens of a service account, as an entry of type vertex with a `base_url` has them."""

KINDS = (
    ProviderKind(
        name="simulator",
        cuts=("/v1",),
        credential="every",
        prefixes={dialect: prefix for prefix, dialects in _UNDER.items() for dialect in dialects},
        codecs=spoken(*(dialect for dialects in _UNDER.values() for dialect in dialects)),
        default_models=SIMULATED_MODELS,
        prices_from=("openai", "anthropic", "google", "cohere"),
        prices=SIMULATED_PRICES,
        for_tests=True,
        cancelling_stops_bill="always",
        passes_headers=frozenset({"x-simulate", "anthropic-beta", "openai-beta"}),
    ),
)
