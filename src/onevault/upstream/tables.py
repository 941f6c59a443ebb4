"""Reads one published price table rate by rate, exactly or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

from genai_prices.types import TieredPrices

from onevault.core.money import NANOS_PER_USD, divided_up
from onevault.core.prices import Rates
from onevault.upstream.published import Usd

RATE_MAX: Final = 1_000_000 * NANOS_PER_USD
"""A million dollars per million tokens: beyond it the data is wrong, and the integers of a hold would outgrow 64 bits."""

Listed = Mapping[str, Decimal | TieredPrices]
"""What a table states, by the names of the price data."""


class Unpriceable(ValueError):
    """A table of which no price can be made; the message says why, in words that a caller may read."""


_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("input_mtok", "input_text_mtok"),
    "output": ("output_mtok", "output_text_mtok", "output_citation_mtok"),
    "cache_read": ("cache_read_mtok", "cache_text_read_mtok"),
    "cache_write": ("cache_write_mtok", "cache_write_5m_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "reasoning": ("output_reasoning_mtok",),
    "input_audio": ("input_audio_mtok",),
    "output_audio": ("output_audio_mtok",),
    "input_image": ("input_image_mtok",),
    "output_image": ("output_image_mtok",),
    "input_video": ("input_video_mtok",),
    "cache_read_audio": ("cache_audio_read_mtok",),
    "characters": ("input_mchars",),
    "audio_hour": ("input_audio_hours", "audio_hours"),
    "request": ("requests_kcount",),
    "search": ("web_searches_kcount",),
    "image": (),
}
"""Which published prices make up which rate; where usage does not tell them apart, the dearest counts."""

_PER_THOUSAND: Final = frozenset({"requests_kcount", "web_searches_kcount"})
_UNDERSTOOD: Final = frozenset(key for keys in _KINDS.values() for key in keys)

_SEPARATE: Final = frozenset(
    {"storage_searches_kcount", "input_document_kpages", "input_annotated_document_kpages"},
)
"""Charged beside the tokens, and only where a caller asks for such a tool: not part of a token's price."""

_PASSED_OVER: Final = frozenset({"cache_image_read_mtok"})
"""Cached images are charged as images, which are never cheaper."""

_UNITS: Final = {
    "input_document_kpages": "pages",
    "input_annotated_document_kpages": "pages",
    "input_text_messages_kcount": "messages",
    "output_video_mtok": "the video that it makes",
}


class Table:
    """One published table, completed by what a row of `published.py` states."""

    def __init__(self, listed: Listed, stated: Usd) -> None:
        """Raises Unpriceable for a table that has prices of units which usage does not tell."""
        self._listed = listed
        self._stated = stated
        unknown = listed.keys() - _UNDERSTOOD - _SEPARATE - _PASSED_OVER
        if unknown:
            raise Unpriceable(f"its price counts {_said(unknown)}, which usage does not tell")
        if not listed.keys() & _UNDERSTOOD and not stated:
            apart = listed.keys() & _SEPARATE
            raise Unpriceable(
                f"its price counts {_said(apart)}, which usage does not tell"
                if apart
                else "no price is published for it"
            )

    @property
    def thresholds(self) -> set[int]:
        return {
            tier.start for value in self._listed.values() if isinstance(value, TieredPrices) for tier in value.tiers
        }

    def rates(self, above_tokens: int) -> Rates:
        """The rates of a call whose input is just above this many tokens. Raises Unpriceable."""
        said = {kind: self._nanos(kind, above_tokens) for kind in _KINDS}
        given, taken = said["input"], said["output"]
        if given is None:
            if not any(said[unit] for unit in ("characters", "audio_hour", "image")):
                raise Unpriceable("the price of its input is not published")
            given = 0
        if taken is None:
            taken = 0  # an embedding model: the catalog uses such a price for nothing else
        input_audio = _first(said["input_audio"], given)
        cache_read = _first(said["cache_read"], given)
        cache_write = _first(said["cache_write"], given)
        return Rates(
            input=given,
            output=taken,
            cache_read=cache_read,
            cache_write=cache_write,
            cache_write_1h=_first(said["cache_write_1h"], cache_write),
            reasoning=_first(said["reasoning"], taken),
            input_audio=input_audio,
            output_audio=_first(said["output_audio"], taken),
            request=said["request"] or 0,
            input_image=_first(said["input_image"], given),
            output_image=_first(said["output_image"], taken),
            input_video=_first(said["input_video"], given),
            cache_read_audio=_first(said["cache_read_audio"], input_audio),
            characters=said["characters"] or 0,
            audio_hour=said["audio_hour"] or 0,
            image=said["image"] or 0,
            search=said["search"],
        )

    def _nanos(self, kind: str, above_tokens: int) -> int | None:
        """A rate in nanos: what a row states, else the dearest of the prices that make it up; None where none is published.
        Raises Unpriceable for what is no price."""
        if kind in self._stated:
            return _exact(self._stated[kind])
        found: int | None = None
        for key in _KINDS[kind]:
            value = self._listed.get(key)
            if value is not None:
                usd = value if isinstance(value, Decimal) else _at(value, above_tokens)
                found = max(found or 0, _exact(usd / 1000 if key in _PER_THOUSAND else usd))
        return found


def _exact(usd: Decimal) -> int:
    """Nanos; what is finer (a few prices that went through floats: `0.0833333333333333`) is rounded up."""
    nanos = usd * NANOS_PER_USD
    if not nanos.is_finite() or not 0 <= nanos <= RATE_MAX:
        raise Unpriceable("its published price is no amount of dollars")
    return int(nanos.to_integral_value(ROUND_CEILING))


def _at(tiered: TieredPrices, above_tokens: int) -> Decimal:
    """The price of a call whose input is larger than `above_tokens` by one: a tier begins above its `start`."""
    price: Decimal = tiered.base
    for tier in tiered.tiers:
        if above_tokens >= tier.start:
            price = tier.price
    return price


def dearest(tables: Sequence[Rates]) -> Rates:
    """Rate by rate the dearest of tables that hold at different hours. A search's fee is known where every table tells it."""
    if len(tables) == 1:
        return tables[0]
    fees = [rates.search for rates in tables if rates.search is not None]
    found = {
        name: max(getattr(rates, name) for rates in tables) for name in Rates.__struct_fields__ if name != "search"
    }
    return Rates(**found, search=max(fees) if len(fees) == len(tables) else None)


def scaled(rates: Rates, percent: int) -> Rates:
    """All prices of tokens at so many percent; fees stay."""
    changed = {name: divided_up(getattr(rates, name) * percent, 100) for name in _OF_TOKENS}
    fees = {name: getattr(rates, name) for name in Rates.__struct_fields__ if name not in _OF_TOKENS}
    return Rates(**changed, **fees)


_OF_TOKENS: Final = tuple(
    name for name in Rates.__struct_fields__ if name not in ("request", "characters", "audio_hour", "image", "search")
)


def _said(keys: Iterable[str]) -> str:
    return " and ".join(sorted({_UNITS.get(key, key) for key in keys}))


def _first(stated: int | None, default: int) -> int:
    return default if stated is None else stated
