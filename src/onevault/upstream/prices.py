"""Compiles published prices to exact integers: what cannot be priced is None and never 0.

Source: the price data that comes with the `genai-prices` package; it is updated by upgrading it. `docs/decisions/0006-prices.md`
says which of its traps are avoided how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import Final

import msgspec
from genai_prices import data
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices

from onevault.core.money import NANOS_PER_USD
from onevault.core.prices import ContextTier, Price, Rates

SOURCE: Final = f"genai-prices/{version('genai-prices')}"
RATE_MAX: Final = 1_000_000 * NANOS_PER_USD
"""A million dollars per million tokens: beyond it the data is wrong, and the integers of a hold would outgrow 64 bits."""

_PROVIDERS: Final[Mapping[str, Provider]] = {provider.id: provider for provider in data.providers}

_SEPARATE: Final = frozenset(
    {
        "web_searches_kcount",
        "storage_searches_kcount",
        "input_document_kpages",
        "input_annotated_document_kpages",
    }
)
"""Charged by providers beside the tokens, and only where a caller asks for such a tool: not part of a token's price."""

_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("input_mtok", "input_text_mtok", "input_image_mtok", "input_video_mtok"),
    "output": ("output_mtok", "output_text_mtok", "output_image_mtok", "output_video_mtok", "output_citation_mtok"),
    "cache_read": ("cache_read_mtok", "cache_text_read_mtok", "cache_image_read_mtok"),
    "cache_write": ("cache_write_mtok", "cache_write_5m_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "reasoning": ("output_reasoning_mtok",),
    "input_audio": ("input_audio_mtok",),
    "output_audio": ("output_audio_mtok",),
}
"""Which published prices make up which rate. Usage tells neither images nor video from text, so the dearest counts."""

_COUNTED: Final = frozenset(key for keys in _KINDS.values() for key in keys)
_PER_REQUEST: Final = "requests_kcount"
_PASSED_OVER: Final = frozenset({"cache_audio_read_mtok"})
"""Cached audio is charged as audio, which is never cheaper."""


class Listing(msgspec.Struct, frozen=True):
    """What the data knows of a model name: the id it goes by, its price (None: unpriced), its context window in tokens."""

    id: str
    price: Price | None
    context_tokens: int | None


class Prices:
    """The data as it was in force on a day. Lookups are remembered, so that each name is matched once."""

    def __init__(self, today: date, *, remembered_max: int = 8192) -> None:
        self._today = today
        self.find: Callable[[str, str], Listing | None] = lru_cache(maxsize=remembered_max)(self._find)

    def _find(self, provider: str, model: str) -> Listing | None:
        """A model by the name that its provider takes, dated versions included. None: the data does not know the name."""
        known = _PROVIDERS.get(provider)
        info = known.find_model(model, all_providers=data.providers) if known is not None else None
        if known is None or info is None:
            return None
        return Listing(info.id, compiled(known.id, info, self._today), info.context_window)

    def models(self, provider: str) -> tuple[str, ...]:
        """The ids that the data lists for a provider and has not marked as deprecated."""
        known = _PROVIDERS.get(provider)
        return tuple(info.id for info in known.models if not info.deprecated) if known is not None else ()


def provider_at(base_url: str) -> str | None:
    """Whose prices hold at an address (`https://api.groq.com/openai/v1` → `groq`); None where nobody's are known."""
    return next((provider.id for provider in data.providers if re.match(provider.api_pattern, base_url)), None)


def compiled(provider: str, info: ModelInfo, today: date) -> Price | None:
    """The standard price of a model on a day. None where it has none, where it is 0 throughout (free models must be configured
    as such), where it counts in units that usage does not tell (hours, characters), or where it does not fit integers."""
    published, since = _in_force(info, today)
    if not published:
        return None
    tables = [_Table(prices) for prices in published]
    if not all(table.is_understood for table in tables):
        return None
    if "audio" in info.id and not all(table.prices_audio for table in tables):
        return None  # the data has only the far lower price of its text tokens
    thresholds = sorted({start for table in tables for start in table.thresholds})
    rates = [_dearest(table.rates(above) for table in tables) for above in (-1, *thresholds)]
    complete = [rate for rate in rates if rate is not None]
    if len(complete) < len(rates) or not any(rate.input or rate.output or rate.request for rate in complete):
        return None
    name = f"{SOURCE}:{provider}/{info.id}" + (f"@{since.isoformat()}" if since is not None else "")
    tiers = tuple(ContextTier(start, rate) for start, rate in zip(thresholds, complete[1:], strict=True))
    return Price(version=name, rates=complete[0], tiers=tiers)


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


class _Table:
    """One published table, read rate by rate."""

    def __init__(self, prices: ModelPrice) -> None:
        self._values: dict[str, Decimal | TieredPrices] = {
            key: value for key, value in vars(prices).items() if value is not None and not key.startswith("_")
        }

    @property
    def is_understood(self) -> bool:
        """Whether every price in it is one that the gateway counts, or is charged apart."""
        known = _COUNTED | _SEPARATE | _PASSED_OVER | {_PER_REQUEST}
        return self._values.keys() <= known and any(key in _COUNTED for key in self._values)

    @property
    def prices_audio(self) -> bool:
        return "input_audio_mtok" in self._values

    @property
    def thresholds(self) -> set[int]:
        return {
            tier.start for value in self._values.values() if isinstance(value, TieredPrices) for tier in value.tiers
        }

    def rates(self, above_tokens: int) -> Rates | None:
        """The rates of a call whose input is just above this many tokens; None where one is not a whole number of nanos."""
        try:
            stated = {kind: self._nanos(keys, above_tokens) for kind, keys in _KINDS.items()}
            request = self._nanos((_PER_REQUEST,), above_tokens) or 0
        except ValueError:
            return None
        given, taken = stated["input"], stated["output"]
        if given is None:
            return None
        if taken is None:
            taken = 0  # an embedding model: the catalog uses such a price for nothing else
        cache_write = _first(stated["cache_write"], given)
        return Rates(
            input=given,
            output=taken,
            cache_read=_first(stated["cache_read"], given),
            cache_write=cache_write,
            cache_write_1h=_first(stated["cache_write_1h"], cache_write),
            reasoning=_first(stated["reasoning"], taken),
            input_audio=_first(stated["input_audio"], given),
            output_audio=_first(stated["output_audio"], taken),
            request=request,
        )

    def _nanos(self, keys: tuple[str, ...], above_tokens: int) -> int | None:
        """The dearest of some prices in nanos; None where none of them is published. Raises ValueError for what is not exact.

        A price per million tokens becomes nanos per million tokens; a price per thousand requests, nanos per request.
        """
        found: int | None = None
        for key in keys:
            value = self._values.get(key)
            if value is None:
                continue
            usd = value if isinstance(value, Decimal) else _at(value, above_tokens)
            nanos = usd * NANOS_PER_USD / (1000 if key == _PER_REQUEST else 1)
            if not nanos.is_finite() or not 0 <= nanos <= RATE_MAX or nanos != nanos.to_integral_value():
                raise ValueError(f"{key} is not a whole number of nanos")
            found = max(found or 0, int(nanos))
        return found


def _at(tiered: TieredPrices, above_tokens: int) -> Decimal:
    """The price of a call whose input is larger than `above_tokens` by one: a tier begins above its `start`."""
    price: Decimal = tiered.base
    for tier in tiered.tiers:
        if above_tokens >= tier.start:
            price = tier.price
    return price


def _dearest(tables: Iterable[Rates | None]) -> Rates | None:
    """Rate by rate the dearest of tables that hold at different hours. None where one of them cannot be compiled."""
    found = list(tables)
    known = [rates for rates in found if rates is not None]
    if not known or len(known) < len(found):
        return None
    if len(known) == 1:
        return known[0]
    return Rates(**{field: max(getattr(rates, field) for rates in known) for field in Rates.__struct_fields__})


def _first(stated: int | None, default: int) -> int:
    return default if stated is None else stated
