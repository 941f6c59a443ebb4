"""What a model costs, compiled to integers: nanos per million tokens."""

from __future__ import annotations

import msgspec

PER_MILLION = 1_000_000


class Rates(msgspec.Struct, frozen=True, gc=False):
    """Nanos per million tokens of each kind; nanos per request. A kind without a rate of its own costs what `input` or `output` does."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    reasoning: int
    input_audio: int
    output_audio: int
    request: int = 0


class ContextTier(msgspec.Struct, frozen=True):
    """Rates of a whole call whose input is larger than `above_tokens`."""

    above_tokens: int
    rates: Rates


class Price(msgspec.Struct, frozen=True):
    """The price of one model at one provider. `version` names it in the record; `tiers` are sorted, smallest first."""

    version: str
    rates: Rates
    tiers: tuple[ContextTier, ...] = ()
