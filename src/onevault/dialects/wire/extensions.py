"""Takes what a caller tells the gateway itself (`routing`, `cache`, `safety`, `budget`) out of a request, and merges what came as headers.

What is not built yet is refused when it is asked for, so that nobody believes in a guard or a cache that does not run.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.codec import Budget, Extensions, Routing
from onevault.dialects.wire.json_body import ABSENT, invalid, present, unsupported

EXTENSION_NAMES = ("routing", "cache", "safety", "budget")

STRATEGIES = frozenset(
    {"cost_optimized", "latency_optimized", "quality_first", "quality", "balanced", "load_balanced"},
)

NO_EXTENSIONS = Extensions()
NAMING_MODELS = Extensions(names_models=True)


class CacheAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `cache` extension; `ttl` in seconds."""

    enabled: bool | None = None
    ttl: float | None = None
    similarity_threshold: float | None = None
    bypass: bool | None = None


class SafetyAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `safety` extension."""

    pii_detection: bool | None = None
    content_filtering: bool | None = None
    prompt_injection_check: bool | None = None


class ExtendedBody(msgspec.Struct, frozen=True):
    """The fields that every dialect's body may have beside its own."""

    routing: Routing | None = None
    cache: CacheAsked | None = None
    safety: SafetyAsked | None = None
    budget: Budget | None = None
    models: Raw = ABSENT
    fallbacks: Raw = ABSENT
    """By these some providers choose another model than was asked for, and so another price than was held."""


def extensions_of(body: ExtendedBody) -> Extensions:
    """Raises Fault UNSUPPORTED_PARAMETER for what is not built yet, INVALID_REQUEST for what does not exist."""
    names_models = any(present(named) is not None for named in (body.models, body.fallbacks) if named)
    if body.routing is None and body.budget is None and body.cache is None and body.safety is None:
        return NAMING_MODELS if names_models else NO_EXTENSIONS
    if body.cache is not None:
        _check_cache(body.cache)
    if body.safety is not None:
        for name in body.safety.__struct_fields__:
            if getattr(body.safety, name):
                raise unsupported(f"safety.{name}", "is not available in this version of the gateway")
    asked = Extensions(routing=body.routing or Routing(), budget=body.budget or Budget(), names_models=names_models)
    return checked(asked)


def checked(extensions: Extensions) -> Extensions:
    """The same extensions, if they can be obeyed. Raises as `extensions_of` does."""
    strategy = extensions.routing.strategy
    if strategy is not None:
        if strategy not in STRATEGIES:
            raise invalid("routing.strategy", f"must be one of {', '.join(sorted(STRATEGIES))}")
        raise unsupported("routing.strategy", "is not available yet: targets are tried in their configured order")
    if extensions.routing.region is not None:
        raise unsupported("routing.region", "is not available yet: deployments have no region in this version")
    for name in ("max_cost_per_request", "max_cost_per_day"):
        amount = getattr(extensions.budget, name)
        if amount is not None and not 0 <= amount < 1e9:
            raise invalid(f"budget.{name}", "must be an amount in US dollars, zero or more")
    return extensions


def _check_cache(cache: CacheAsked) -> None:
    if cache.bypass or cache.enabled is False:
        return
    for name in ("enabled", "ttl", "similarity_threshold"):
        if getattr(cache, name) is not None:
            raise unsupported(f"cache.{name}", "is not available in this version of the gateway")


def merged(body: Extensions, headers: Extensions) -> Extensions:
    """What came in the body, and where that is silent what came as headers. Raises as `extensions_of` does."""
    routing, wished = body.routing, headers.routing
    budget, allowed = body.budget, headers.budget
    return checked(
        Extensions(
            routing=Routing(
                providers=routing.providers or wished.providers,
                preferred_models=routing.preferred_models or wished.preferred_models,
                strategy=routing.strategy or wished.strategy,
                fallback=routing.fallback and wished.fallback,
                region=routing.region or wished.region,
            ),
            budget=Budget(
                max_cost_per_request=_first(budget.max_cost_per_request, allowed.max_cost_per_request),
                max_cost_per_day=_first(budget.max_cost_per_day, allowed.max_cost_per_day),
                on_insufficient=budget.on_insufficient or allowed.on_insufficient,
                on_exhausted=budget.on_exhausted or allowed.on_exhausted,
            ),
            metadata=headers.metadata,
            strict=headers.strict,
            names_models=body.names_models,
        )
    )


def _first(one: float | None, other: float | None) -> float | None:
    return other if one is None else one
