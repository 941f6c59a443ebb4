"""Makes an exact price of the rates that a configuration states, named by what it says so that records can be traced to it."""

from __future__ import annotations

import hashlib

import msgspec

from onevault.config.written import PriceWritten
from onevault.core.prices import Price, Rates


def price(written: PriceWritten) -> Price:
    """A price by its configured rates, in nanos. What is not stated costs what `input` or `output` does (a cache write
    for an hour: what one for five minutes does). `version` is `config:` and 12 hexadecimal digits of the rates' SHA-256."""
    cache_write = written.input if written.cache_write is None else written.cache_write
    rates = Rates(
        input=written.input,
        output=written.output,
        cache_read=written.input if written.cached_input is None else written.cached_input,
        cache_write=cache_write,
        cache_write_1h=cache_write if written.cache_write_1h is None else written.cache_write_1h,
        reasoning=written.output if written.reasoning is None else written.reasoning,
        input_audio=written.input if written.input_audio is None else written.input_audio,
        output_audio=written.output if written.output_audio is None else written.output_audio,
        request=written.request or 0,
    )
    digest = hashlib.sha256(msgspec.json.encode(rates)).hexdigest()[:12]
    return Price(version=f"config:{digest}", rates=rates)
