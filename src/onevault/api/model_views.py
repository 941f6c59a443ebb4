"""What models look like as JSON: in OpenAI's shape with what the gateway knows besides, in Anthropic's, and in Google's.

Sources: OpenAI API reference, "The model object"; Anthropic API reference, "List Models"; Gemini API reference, `models.list`.
"""

from __future__ import annotations

from typing import Any, Final

from onevault.core.money import NANOS_PER_USD
from onevault.core.operations import Capability, Operation
from onevault.core.prices import Price, Rates
from onevault.core.sending import ModelFacts

_TOKENS: Final = (
    ("input", "input"),
    ("output", "output"),
    ("cache_read", "input"),
    ("cache_write", "input"),
    ("cache_write_1h", "cache_write"),
    ("reasoning", "output"),
    ("input_audio", "input"),
    ("cache_read_audio", "input_audio"),
    ("output_audio", "output"),
    ("input_image", "input"),
    ("output_image", "output"),
    ("input_video", "input"),
)
"""Each kind of tokens, and that whose price it has unless it is told."""

_ALWAYS: Final = frozenset({"input", "output", "cache_read", "cache_write"})
_MINUTES_PER_HOUR: Final = 60

_IN: Final = (
    ("image", Capability.IMAGE_INPUT),
    ("audio", Capability.AUDIO_INPUT),
    ("video", Capability.VIDEO_INPUT),
    ("file", Capability.FILE_INPUT),
)
_OUT: Final = (("image", Capability.IMAGE_OUTPUT), ("audio", Capability.AUDIO_OUTPUT))

_OF_OPERATION: Final[dict[Operation, tuple[list[str], list[str]]]] = {
    Operation.EMBEDDINGS: (["text"], ["embedding"]),
    Operation.IMAGES: (["text"], ["image"]),
    Operation.IMAGE_EDITS: (["text", "image"], ["image"]),
    Operation.SPEECH: (["text"], ["audio"]),
    Operation.TRANSCRIPTION: (["audio"], ["text"]),
    Operation.MODERATION: (["text"], ["score"]),
    Operation.RERANK: (["text"], ["score"]),
}
"""What a model that does this takes and gives."""

_GOOGLES: Final = {
    Operation.CHAT: ("generateContent", "streamGenerateContent"),
    Operation.COUNT_TOKENS: ("countTokens",),
    Operation.EMBEDDINGS: ("embedContent",),
}
_EPOCH: Final = "1970-01-01T00:00:00Z"
"""Nobody's release date is known."""


def model_view(facts: ModelFacts) -> dict[str, Any]:
    """OpenAI's model object, with what the gateway knows besides. `capabilities` and `modalities` are null where nobody knows;
    where there is no price, `unpriced` says what is missing."""
    return {
        "id": facts.id,
        "object": "model",
        "created": 0,
        "owned_by": facts.provider,
        "provider": facts.provider,
        "model": facts.model,
        "aliases": list(facts.aliases),
        "context_length": facts.context_length,
        "max_output_tokens": facts.output_tokens_max,
        "operations": [operation.value for operation in facts.operations],
        "modalities": _modalities(facts),
        "capabilities": _capabilities(facts),
        "pricing": pricing_view(facts.price) if facts.price is not None else None,
        "unpriced": facts.unpriced or None,
    }


def anthropic_model_view(facts: ModelFacts) -> dict[str, Any]:
    """Anthropic's model object, with price and operations besides."""
    return {
        "type": "model",
        "id": facts.id,
        "display_name": facts.id,
        "created_at": _EPOCH,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": facts.context_length,
        "max_tokens": facts.output_tokens_max,
        "capabilities": None,
        "operations": [operation.value for operation in facts.operations],
        "pricing": pricing_view(facts.price) if facts.price is not None else None,
    }


def google_model_view(facts: ModelFacts) -> dict[str, Any]:
    """Google's model object, with price and modalities besides."""
    view: dict[str, Any] = {
        "name": f"models/{facts.id}",
        "version": "",
        "displayName": facts.id,
        "description": f"{facts.model} at {facts.provider}",
        "supportedGenerationMethods": [
            method for operation in facts.operations for method in _GOOGLES.get(operation, ())
        ],
        "modalities": _modalities(facts),
        "pricing": pricing_view(facts.price) if facts.price is not None else None,
    }
    if facts.context_length is not None:
        view["inputTokenLimit"] = facts.context_length
    if facts.output_tokens_max is not None:
        view["outputTokenLimit"] = facts.output_tokens_max
    if facts.capabilities is not None and Operation.CHAT in facts.operations:
        view["thinking"] = Capability.REASONING in facts.capabilities
    return view


def pricing_view(price: Price) -> dict[str, Any]:
    """US dollars per million tokens of each kind and per unit of what is not tokens; under `context_tiers` what holds for calls
    with a larger input, under `service_tiers` what holds at another tier of service."""
    view = {"version": price.version, **_rates(price.rates)}
    if price.tiers:
        view["context_tiers"] = [
            {"above_input_tokens": tier.above_tokens, **_rates(tier.rates)} for tier in price.tiers
        ]
    if price.services:
        view["service_tiers"] = {
            service.name: _rates(service.rates)
            | (
                {
                    "context_tiers": [
                        {"above_input_tokens": tier.above_tokens, **_rates(tier.rates)} for tier in service.tiers
                    ]
                }
                if service.tiers
                else {}
            )
            for service in price.services
        }
    return view


def _rates(rates: Rates) -> dict[str, Any]:
    view: dict[str, Any] = {
        f"{name}_usd_per_mtok": _usd(getattr(rates, name))
        for name, like in _TOKENS
        if name in _ALWAYS or getattr(rates, name) != getattr(rates, like)
    }
    if rates.characters:
        view["usd_per_million_characters"] = _usd(rates.characters)
    if rates.audio_hour:
        view["usd_per_audio_minute"] = _usd(rates.audio_hour) / _MINUTES_PER_HOUR
    if rates.request:
        view["usd_per_request"] = _usd(rates.request)
    if rates.image:
        view["usd_per_image"] = _usd(rates.image)
    if rates.search:
        view["usd_per_search"] = _usd(rates.search)
    return view


def _usd(nanos: int) -> float:
    return nanos / NANOS_PER_USD


def _capabilities(facts: ModelFacts) -> list[str] | None:
    if facts.capabilities is None:
        return None
    if Operation.CHAT not in facts.operations:
        return []
    return [capability.value for capability in Capability if capability in facts.capabilities]


def _modalities(facts: ModelFacts) -> dict[str, list[str]] | None:
    can = facts.capabilities
    if can is None:
        return None
    if Operation.CHAT in facts.operations:
        return {
            "input": ["text", *(name for name, capability in _IN if capability in can)],
            "output": ["text", *(name for name, capability in _OUT if capability in can)],
        }
    takes: dict[str, None] = {}
    gives: dict[str, None] = {}
    for operation in facts.operations:
        given, made = _OF_OPERATION.get(operation, ([], []))
        takes |= dict.fromkeys(given)
        gives |= dict.fromkeys(made)
    return {"input": list(takes), "output": list(gives)}
