"""Costs are exact to the nano, rounded up once, and never above what was held for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevault.core.prices import ContextTier, Price, Rates
from onevault.core.usage import NO_USAGE, Usage
from onevault.policy.pricing import cost, worst_case

USD = 10**9


def rates(**stated: int) -> Rates:
    default = {
        "input": 3 * USD, "output": 15 * USD, "cache_read": 3 * USD // 10, "cache_write": 15 * USD // 4, "cache_write_1h": 6 * USD,
        "reasoning": 20 * USD, "input_audio": 40 * USD, "output_audio": 80 * USD,
    }  # fmt: skip
    return Rates(**{**default, **stated})


FLAT = Price("flat", rates())
TIERED = Price(
    "tiered",
    rates(),
    (ContextTier(200_000, rates(input=6 * USD, output=22 * USD)), ContextTier(400_000, rates(input=1, output=1))),
)


@pytest.mark.parametrize(
    ("price", "usage", "nanos"),
    [
        (FLAT, NO_USAGE, 0),
        (FLAT, Usage(input_tokens=1000, output_tokens=500), 3_000_000 + 7_500_000),
        (FLAT, Usage(input_tokens=1000, cache_read_tokens=1000), 300_000),
        (FLAT, Usage(input_tokens=1000, cache_write_tokens=400), 1_800_000 + 1_500_000),
        (FLAT, Usage(input_tokens=1000, cache_write_1h_tokens=400), 1_800_000 + 2_400_000),
        (FLAT, Usage(input_tokens=10, input_audio_tokens=10), 400_000),
        (FLAT, Usage(output_tokens=10, reasoning_tokens=4), 6 * 15_000 + 4 * 20_000),
        (FLAT, Usage(output_tokens=10, output_audio_tokens=10), 800_000),
        (Price("request", rates(request=7)), NO_USAGE, 7),
        (TIERED, Usage(input_tokens=200_000), 600_000_000),
        (TIERED, Usage(input_tokens=200_001, output_tokens=1), 1_200_006_000 + 22_000),
        (TIERED, Usage(input_tokens=400_001), 1),
        (Price("fine", rates(input=1)), Usage(input_tokens=1), 1),
        (Price("fine", rates(input=1, output=1)), Usage(input_tokens=1, output_tokens=1), 1),
        (Price("fine", rates(input=1)), Usage(input_tokens=1_000_001), 2),
    ],
)
def test_a_cost_is_the_exact_sum_rounded_up_once(price: Price, usage: Usage, nanos: int) -> None:
    assert cost(price, usage) == nanos


def test_tokens_of_overlapping_kinds_are_charged_once() -> None:
    cached_audio = Usage(input_tokens=100, cache_read_tokens=80, input_audio_tokens=60)
    assert cost(FLAT, cached_audio) == 60 * 40_000 + 40 * 300
    assert cost(FLAT, Usage(input_tokens=10, cache_read_tokens=10**9)) == 10 * 300


@dataclass(frozen=True)
class Call:
    price: Price
    usage: Usage
    input_at_most: int
    output_max: int
    choices: int


tokens = st.integers(0, 2_000_000)
rate = st.integers(0, 10**14)
all_rates = st.builds(
    Rates, input=rate, output=rate, cache_read=rate, cache_write=rate, cache_write_1h=rate, reasoning=rate, input_audio=rate,
    output_audio=rate, request=st.integers(0, 10**12),
)  # fmt: skip


@st.composite
def calls(draw: st.DrawFn) -> Call:
    thresholds = sorted(draw(st.sets(st.integers(0, 1_000_000), max_size=3)))
    price = Price("p", draw(all_rates), tuple(ContextTier(above, draw(all_rates)) for above in thresholds))
    usage = Usage(
        input_tokens=draw(st.one_of(tokens, st.sampled_from(thresholds or [0]))),
        output_tokens=draw(tokens),
        cache_read_tokens=draw(tokens),
        cache_write_tokens=draw(tokens),
        cache_write_1h_tokens=draw(tokens),
        reasoning_tokens=draw(tokens),
        input_audio_tokens=draw(tokens),
        output_audio_tokens=draw(tokens),
    )
    choices = draw(st.integers(1, 8))
    return Call(
        price,
        usage,
        input_at_most=usage.input_tokens + draw(st.sampled_from([0, 1, 10**6])),
        output_max=ceil(usage.output_tokens / choices) + draw(st.sampled_from([0, 1, 10**6])),
        choices=choices,
    )


@given(calls())
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(call: Call) -> None:
    held = worst_case(
        call.price, input_tokens_at_most=call.input_at_most, output_tokens_max=call.output_max, choices=call.choices
    )
    assert 0 <= cost(call.price, call.usage) <= held


@given(all_rates, tokens, tokens)
def test_the_worst_case_of_a_flat_price_is_reached_by_some_usage(flat: Rates, given_tokens: int, taken: int) -> None:
    price = Price("p", flat)
    kinds_in = ["", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "input_audio_tokens"]
    kinds_out = ["", "reasoning_tokens", "output_audio_tokens"]
    usages = [
        Usage(
            input_tokens=given_tokens,
            output_tokens=taken,
            **({into: given_tokens} if into else {}),
            **({out: taken} if out else {}),
        )
        for into in kinds_in
        for out in kinds_out
    ]
    assert max(cost(price, usage) for usage in usages) == worst_case(
        price, input_tokens_at_most=given_tokens, output_tokens_max=taken
    )


@dataclass
class Reference:
    """The same in exact fractions, token by token kind, for usages whose kinds do not overlap."""

    total: Fraction = field(default_factory=Fraction)

    def add(self, count: int, nanos_per_million: int) -> None:
        self.total += Fraction(count * nanos_per_million, 1_000_000)


@given(all_rates, st.lists(st.integers(0, 10**6), min_size=8, max_size=8))
def test_a_cost_is_less_than_a_nano_above_the_exact_amount(flat: Rates, counts: list[int]) -> None:
    plain, read, write, hour, audio, text, thought, spoken = counts
    usage = Usage(
        input_tokens=plain + read + write + hour + audio,
        output_tokens=text + thought + spoken,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=hour,
        reasoning_tokens=thought,
        input_audio_tokens=audio,
        output_audio_tokens=spoken,
    )
    exact = Reference(Fraction(flat.request))
    for count, nanos in (
        (plain, flat.input), (read, flat.cache_read), (write, flat.cache_write), (hour, flat.cache_write_1h), (audio, flat.input_audio),
        (text, flat.output), (thought, flat.reasoning), (spoken, flat.output_audio),
    ):  # fmt: skip
        exact.add(count, nanos)
    assert 0 <= cost(Price("p", flat), usage) - exact.total < 1
