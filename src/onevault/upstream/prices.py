"""Compiles published prices to exact integers: what cannot be priced says why, and is never 0.

Source: the price data that comes with the `genai-prices` package, updated by upgrading it, and the rows of `published.py`.
`docs/decisions/0006-prices.md` says which traps of the data are avoided how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from typing import Final

import msgspec
from genai_prices import data
from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, StartDateConstraint

from onevault import __version__
from onevault.core.prices import ContextTier, Price, Rates, ServiceTier
from onevault.upstream.published import (
    AS_STANDARD,
    HALF_AS_BATCH,
    IN_THE_US,
    ROWS,
    US_PERCENT,
    Published,
    Usd,
    published,
)
from onevault.upstream.tables import Listed, Table, Unpriceable, dearest, scaled

SOURCE: Final = f"genai-prices/{version('genai-prices')}"
OWN: Final = f"onevault/{__version__}"

_PROVIDERS: Final[Mapping[str, Provider]] = {provider.id: provider for provider in data.providers}
_NO_USD: Final[Usd] = {}


class Listing(msgspec.Struct, frozen=True):
    """What is known of a model name: the id it goes by, its price, its context window in tokens; and, where it has no price, what
    is missing, in words that a caller may read."""

    id: str
    price: Price | None
    context_tokens: int | None
    missing: str = ""


class Prices:
    """The data as it was in force on a day. Lookups are remembered, so that each name is matched once."""

    def __init__(self, today: date, *, remembered_max: int = 8192) -> None:
        self._today = today
        self.find: Callable[[str, str], Listing | None] = lru_cache(maxsize=remembered_max)(self._find)

    def _find(self, provider: str, model: str) -> Listing | None:
        """A model by the name that its provider takes, dated versions included. None: nothing is known of the name."""
        known = _PROVIDERS.get(provider)
        info = known.find_model(model, all_providers=data.providers) if known is not None else None
        own = published(provider, model)
        if info is None:
            if own is None:
                return None
            info = ModelInfo(id=model, match=None)  # type: ignore[arg-type]  # a row alone: nothing is matched by it
        found = compiled(provider, info, self._today, own)
        if isinstance(found, Price):
            return Listing(info.id, found, info.context_window)
        return Listing(info.id, None, info.context_window, found)

    def models(self, provider: str) -> tuple[str, ...]:
        """The ids that are known of a provider and not marked as deprecated."""
        known = _PROVIDERS.get(provider)
        listed = [info.id for info in known.models if not info.deprecated] if known is not None else []
        rows = (name for row in ROWS if row.provider == provider for name in row.names if not name.endswith("*"))
        return tuple(dict.fromkeys((*listed, *rows)))


def provider_at(base_url: str) -> str | None:
    """Whose prices hold at an address (`https://api.groq.com/openai/v1` → `groq`); None where nobody's are known."""
    return next((provider.id for provider in data.providers if re.match(provider.api_pattern, base_url)), None)


def compiled(provider: str, info: ModelInfo, today: date, own: Published | None = None) -> Price | str:
    """The price of a model on a day; or what is missing for one: it has none, it is 0 throughout and no row says that it is
    free, it counts in units that usage does not tell, or it does not fit integers.

    A row that states the price of `input` or of a unit replaces the data's price, any other completes it.
    """
    stated = own.usd if own is not None else _NO_USD
    alone = own is not None and "output" in stated
    in_force, since = ([], None) if alone else _in_force(info, today)
    if not in_force and not alone and "input" not in stated:
        return "no price is published for it"
    try:
        listed = [_listed(prices) for prices in in_force] or [{}]
        if "audio" in info.id and not all("input_audio_mtok" in table or "input_audio" in stated for table in listed):
            return "the price of its audio is not published"
        rates, tiers = _tariff(listed, stated)
    except Unpriceable as problem:
        return str(problem)
    if not stated and not any(_charges(rate) for rate in (rates, *(tier.rates for tier in tiers))):
        return "its price is given as 0, and what is free must be configured as such"
    services = () if alone else _services(provider, info, today, listed, stated)
    return Price(
        version=_version(provider, info.id, since, own),
        rates=rates,
        tiers=tiers,
        services=(*services, *_derived(provider, services, rates, tiers)),
    )


def _version(provider: str, model: str, since: date | None, own: Published | None) -> str:
    if own is not None and "output" in own.usd:
        return f"{OWN}:{provider}/{own.names[0]}"
    source = SOURCE if own is None else f"{SOURCE}+{OWN}"
    return f"{source}:{provider}/{model}" + (f"@{since.isoformat()}" if since is not None else "")


def _charges(rates: Rates) -> bool:
    return bool(rates.input or rates.output or rates.request or rates.characters or rates.audio_hour or rates.image)


def _in_force(info: ModelInfo, today: date) -> tuple[list[ModelPrice], date | None]:
    """The price tables that may apply on a day, and since when: the latest that has started, and those of certain hours."""
    if isinstance(info.prices, ModelPrice):
        return [info.prices], None
    standing: ModelPrice | None = None
    since: date | None = None
    hourly: list[ModelPrice] = []
    for conditional in info.prices:
        constraint = conditional.constraint
        if constraint is None:
            standing, since, hourly = conditional.prices, None, []
        elif isinstance(constraint, StartDateConstraint):
            if constraint.start_date <= today:
                standing, since, hourly = conditional.prices, constraint.start_date, []
        else:
            hourly.append(conditional.prices)
    if standing is None:
        standing = info.prices[0].prices if info.prices else None
    return ([standing] if standing is not None else []) + hourly, since


def _listed(prices: ModelPrice) -> Listed:
    return {key: value for key, value in vars(prices).items() if value is not None and not key.startswith("_")}


def _tariff(listed: list[Listed], stated: Usd) -> tuple[Rates, tuple[ContextTier, ...]]:
    """The rates and context tiers of tables that hold at different hours. Raises Unpriceable."""
    tables = [Table(prices, stated) for prices in listed]
    thresholds = sorted({start for table in tables for start in table.thresholds})
    rates = [dearest([table.rates(above) for table in tables]) for above in (-1, *thresholds)]
    return rates[0], tuple(ContextTier(start, rate) for start, rate in zip(thresholds, rates[1:], strict=True))


def _services(
    provider: str, info: ModelInfo, today: date, listed: list[Listed], stated: Usd
) -> tuple[ServiceTier, ...]:
    """The tiers of service that the data has prices of. Those of another provider's data, which stand in for a provider's own,
    are not taken: its tiers may cost something else. A tier whose price cannot be compiled is left out, and so is unpriced."""
    known = _PROVIDERS.get(provider)
    if known is None or not any(info is one for one in known.models):
        return ()
    found: dict[str, dict[str, object]] = {}
    for name, variant in _tiers(info, today):
        overlay = found.setdefault(name, {})
        for key, value in _listed(variant.prices).items():
            overlay.setdefault(key, value)
    services = []
    for name, overlay in found.items():
        try:
            rates, tiers = _tariff([{**table, **overlay} for table in listed], stated)  # type: ignore[dict-item]
        except Unpriceable:
            continue
        services.append(ServiceTier(name, rates, tiers))
    return tuple(services)


def _tiers(info: ModelInfo, today: date) -> Iterator[tuple[str, PriceVariant]]:
    """The variants that hold on a day and are tiers of service, by the name that usage has for them."""
    for variant in info.price_variants or ():
        constraint = variant.constraint
        if constraint is not None and not (
            isinstance(constraint, StartDateConstraint) and constraint.start_date <= today
        ):
            continue
        if len(variant.when) == 1 and vars(variant.prices):
            kind, name = next(iter(variant.when.items()))
            if kind in ("processing", "service_tier", "speed") and name != "default":
                yield name, variant


def _derived(
    provider: str, services: tuple[ServiceTier, ...], rates: Rates, tiers: tuple[ContextTier, ...]
) -> tuple[ServiceTier, ...]:
    """The tiers that follow from others by a published rule."""
    names = {service.name for service in services}
    added = [
        ServiceTier(name, rates, tiers) for of, name in sorted(AS_STANDARD) if of == provider and name not in names
    ]
    for service in services:
        if service.name == "batch":
            added += [
                ServiceTier(name, service.rates, service.tiers)
                for of, name in sorted(HALF_AS_BATCH)
                if of == provider and name not in names
            ]
    if provider == "anthropic":
        for service in (ServiceTier("", rates, tiers), *services, *added):
            added.append(_in_the_us(service))
    return tuple(added)


def _in_the_us(service: ServiceTier) -> ServiceTier:
    return ServiceTier(
        f"{service.name}+{IN_THE_US}" if service.name else IN_THE_US,
        scaled(service.rates, US_PERCENT),
        tuple(ContextTier(tier.above_tokens, scaled(tier.rates, US_PERCENT)) for tier in service.tiers),
    )
