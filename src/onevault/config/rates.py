"""Makes an exact price of the rates that a configuration states, named by what it says so that records can be traced to it."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from onevault.config.written import PriceWritten, RatesWritten
from onevault.core.prices import Price, Rates, ServiceTier
from onevault.core.usage import tier_named

_UNITS: Final = ("characters", "minute", "image", "search", "request")
_MINUTES_PER_HOUR: Final = 60


def incomplete(written: PriceWritten) -> str | None:
    """What a price lacks: `input` and `output` stand together, and only what is charged by another unit may leave out both."""
    if written.input is None and written.output is None and any(getattr(written, unit) is not None for unit in _UNITS):
        return None
    return next((name for name in ("input", "output") if getattr(written, name) is None), None)


def price(written: PriceWritten) -> Price:
    """A price by its configured rates, in nanos. What is not stated costs what `input` or `output` does (a cache write
    for an hour: what one for five minutes does, cached audio: what audio does); at a tier of service, what the standard one
    does. `version` is `config:` and 12 hexadecimal digits of the rates' SHA-256."""
    rates = _rates(written)
    services = tuple(
        ServiceTier(tier_named(name), _rates(RatesWritten.model_construct(**_stated(written) | _stated(tier))))
        for name, tier in (written.tiers or {}).items()
    )
    digest = hashlib.sha256(msgspec.json.encode((rates, services) if services else rates)).hexdigest()[:12]
    return Price(version=f"config:{digest}", rates=rates, services=services)


def _stated(written: RatesWritten) -> dict[str, Any]:
    values = {name: getattr(written, name) for name in RatesWritten.model_fields}
    return {name: value for name, value in values.items() if value is not None}


def _rates(written: RatesWritten) -> Rates:
    given, taken = written.input or 0, written.output or 0
    cache_write = _first(written.cache_write, given)
    input_audio = _first(written.input_audio, given)
    return Rates(
        input=given,
        output=taken,
        cache_read=_first(written.cached_input, given),
        cache_write=cache_write,
        cache_write_1h=_first(written.cache_write_1h, cache_write),
        reasoning=_first(written.reasoning, taken),
        input_audio=input_audio,
        output_audio=_first(written.output_audio, taken),
        request=written.request or 0,
        input_image=_first(written.input_image, given),
        output_image=_first(written.output_image, taken),
        input_video=_first(written.input_video, given),
        cache_read_audio=_first(written.cached_audio, input_audio),
        characters=written.characters or 0,
        audio_hour=(written.minute or 0) * _MINUTES_PER_HOUR,
        image=written.image or 0,
        search=written.search,
    )


def _first(stated: int | None, default: int) -> int:
    return default if stated is None else stated
