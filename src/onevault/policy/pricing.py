"""What a call costs, and at most can cost: integers summed exactly and rounded up once."""

from __future__ import annotations

from onevault.core.money import Nanos, divided_up
from onevault.core.prices import PER_MILLION, Price, Rates
from onevault.core.usage import Usage


def cost(price: Price, usage: Usage) -> Nanos:
    """The cost of a usage. Of a call whose input is larger than a tier's threshold, all tokens cost the tier's rates.

    Every input token is charged once, at the rate of the kind that it is reported as. Where kinds overlap (cached audio) or add
    up to more than the whole, the kinds are taken in the order cache write for an hour, cache write, audio, cache read, and none
    beyond the whole; the same for output: audio, then reasoning. So no report can cost more than its totals allow.
    """
    input_tokens = usage.input_tokens
    output_tokens = usage.output_tokens
    rates = price.rates
    for tier in price.tiers:
        if input_tokens > tier.above_tokens:
            rates = tier.rates
    total = rates.request * PER_MILLION
    if kind := usage.cache_write_1h_tokens:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.cache_write_1h
    if kind := usage.cache_write_tokens:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.cache_write
    if kind := usage.input_audio_tokens:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.input_audio
    if kind := usage.cache_read_tokens:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.cache_read
    if kind := usage.output_audio_tokens:
        kind = min(kind, output_tokens)
        output_tokens -= kind
        total += kind * rates.output_audio
    if kind := usage.reasoning_tokens:
        kind = min(kind, output_tokens)
        output_tokens -= kind
        total += kind * rates.reasoning
    total += input_tokens * rates.input + output_tokens * rates.output
    return Nanos(divided_up(total, PER_MILLION))


def worst_case(price: Price, *, input_tokens_at_most: int, output_tokens_max: int, choices: int = 1) -> Nanos:
    """The most that a call can cost whose input is no larger than `input_tokens_at_most` and each of whose `choices` is no
    longer than `output_tokens_max`: no usage within these bounds costs more, whatever its kinds and whichever tier it falls in."""
    output_tokens = output_tokens_max * choices
    if not price.tiers:
        return Nanos(divided_up(_dearest(price.rates, input_tokens_at_most, output_tokens), PER_MILLION))
    most = 0
    rates = price.rates
    for tier in price.tiers:
        most = max(most, _dearest(rates, min(input_tokens_at_most, tier.above_tokens), output_tokens))
        if input_tokens_at_most <= tier.above_tokens:
            break
        rates = tier.rates
    else:
        most = max(most, _dearest(rates, input_tokens_at_most, output_tokens))
    return Nanos(divided_up(most, PER_MILLION))


def _dearest(rates: Rates, input_tokens: int, output_tokens: int) -> int:
    """The numerator with every token of the dearest kind."""
    dearest_input = max(rates.input, rates.cache_read, rates.cache_write, rates.cache_write_1h, rates.input_audio)
    dearest_output = max(rates.output, rates.reasoning, rates.output_audio)
    return input_tokens * dearest_input + output_tokens * dearest_output + rates.request * PER_MILLION
