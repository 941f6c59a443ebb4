"""Costs are exact to the nano, rounded up once, and never above what was held for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onevault.core.codec import InputSize
from onevault.core.money import Nanos
from onevault.core.prices import ContextTier, Price, Rates, ServiceTier
from onevault.core.usage import NO_USAGE, TOKENS_MAX, UNITS_MAX, Usage
from onevault.policy.pricing import cost, output_tokens_affordable, unpriced, version_charged, worst_case

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
    size: InputSize
    asked: str | None
    input_at_most: int
    output_max: int
    choices: int
    unsaid: tuple[str, ...] = ()


tokens = st.integers(0, 2_000_000)
rate = st.integers(0, 10**14)
fee = st.integers(0, 10**12)
units = st.integers(0, 10_000)
all_rates = st.builds(
    Rates, input=rate, output=rate, cache_read=rate, cache_write=rate, cache_write_1h=rate, reasoning=rate, input_audio=rate,
    output_audio=rate, request=fee, input_image=rate, output_image=rate, input_video=rate, cache_read_audio=rate, characters=rate,
    audio_hour=fee, image=fee, search=st.one_of(st.none(), fee),
)  # fmt: skip
TIERS = ("flex", "priority", "batch")


@st.composite
def context_tiers(draw: st.DrawFn, thresholds: list[int]) -> tuple[ContextTier, ...]:
    return tuple(ContextTier(above, draw(all_rates)) for above in thresholds)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    thresholds = sorted(draw(st.sets(st.integers(0, 1_000_000), max_size=3)))
    priced = draw(st.sets(st.sampled_from(TIERS)))
    return Price(
        "p",
        draw(all_rates),
        draw(context_tiers(thresholds)),
        tuple(ServiceTier(name, draw(all_rates), draw(context_tiers(thresholds))) for name in sorted(priced)),
    )


@st.composite
def usages(draw: st.DrawFn, price: Price) -> Usage:
    near = [tier.above_tokens for tier in price.tiers] or [0]
    counted: dict[str, Any] = {
        name: draw(st.one_of(tokens, st.sampled_from(near)))
        for name in Usage.__struct_fields__
        if name.endswith("_tokens")
    }
    return Usage(**counted, characters=draw(units), audio_ms=draw(units), images=draw(units), searches=draw(units))


@st.composite
def calls(draw: st.DrawFn) -> Call:
    price = draw(prices())
    usage = draw(usages(price))
    asked = draw(st.sampled_from([None, "", "default", "auto", "scale", *TIERS]))
    served = draw(st.sampled_from(["", "default", *TIERS, "unheard_of"])) if asked == "auto" else draw(
        st.sampled_from(["", asked or ""])
    )  # fmt: skip
    unsaid = tuple(draw(st.sets(st.sampled_from(TIERS), max_size=2)))
    if not asked:
        # Those without a price are charged like the dearest, which need not be one that the provider may choose.
        priced = {service.name for service in price.services}
        served = draw(st.sampled_from(["", *(tier for tier in unsaid if tier in priced)]))
    choices = draw(st.integers(1, 8))
    slack = draw(st.sampled_from([0, 1, 10**6]))
    return Call(
        price,
        msgspec.structs.replace(usage, tier=served),
        InputSize(
            0,
            0,
            characters=usage.characters + slack,
            audio_ms_at_most=usage.audio_ms + slack,
            images=usage.images + slack,
            searches_at_most=usage.searches + slack,
        ),
        asked,
        input_at_most=usage.input_tokens + slack,
        output_max=ceil(usage.output_tokens / choices) + slack,
        choices=choices,
        unsaid=unsaid,
    )


@given(calls())
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(call: Call) -> None:
    held = worst_case(
        call.price,
        call.size,
        input_tokens_at_most=call.input_at_most,
        output_tokens_max=call.output_max,
        choices=call.choices,
        tier=call.asked,
        unsaid_tiers=call.unsaid,
    )
    assert 0 <= cost(call.price, call.usage) <= held


KINDS_IN = [
    *("", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("input_audio_tokens", "input_image_tokens", "input_video_tokens"),
]
KINDS_OUT = ["", "reasoning_tokens", "output_audio_tokens", "output_image_tokens"]


@given(all_rates, tokens, tokens, units)
def test_the_worst_case_of_a_flat_price_is_reached_by_some_usage(
    flat: Rates, given_tokens: int, taken: int, count: int
) -> None:
    price = Price("p", flat)
    plain = Usage(
        input_tokens=given_tokens, output_tokens=taken, characters=count, audio_ms=count, images=count, searches=count
    )
    wholly = [{into: given_tokens} if into else {} for into in KINDS_IN]
    wholly.append(dict.fromkeys(("cache_read_audio_tokens", "cache_read_tokens", "input_audio_tokens"), given_tokens))
    usages_of_one_kind = [
        msgspec.structs.replace(plain, **into, **({out: taken} if out else {})) for into in wholly for out in KINDS_OUT
    ]
    size = InputSize(0, 0, characters=count, audio_ms_at_most=count, images=count, searches_at_most=count)
    assume(flat.input_audio != flat.input)
    assert max(cost(price, usage) for usage in usages_of_one_kind) == worst_case(
        price, size, input_tokens_at_most=given_tokens, output_tokens_max=taken
    )


@dataclass
class Reference:
    """The same in exact fractions, token by token kind, for usages whose kinds do not overlap."""

    total: Fraction = field(default_factory=Fraction)

    def add(self, count: int, nanos_per_million: int) -> None:
        self.total += Fraction(count * nanos_per_million, 1_000_000)


KINDS = {
    "input_tokens": "input", "cache_read_tokens": "cache_read", "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h", "input_audio_tokens": "input_audio", "input_image_tokens": "input_image",
    "input_video_tokens": "input_video", "cache_read_audio_tokens": "cache_read_audio", "output_tokens": "output",
    "reasoning_tokens": "reasoning", "output_audio_tokens": "output_audio", "output_image_tokens": "output_image",
}  # fmt: skip


@given(all_rates, st.lists(st.integers(0, 10**6), min_size=12, max_size=12), st.lists(units, min_size=4, max_size=4))
def test_a_cost_is_less_than_a_nano_above_the_exact_amount_and_every_unit_is_charged_once(
    flat: Rates, counts: list[int], more: list[int]
) -> None:
    assume(flat.input not in (flat.input_audio, flat.input_image, flat.input_video))
    apart = dict(zip(KINDS, counts, strict=True))
    given_kinds = [kind for kind in KINDS if not kind.startswith(("output", "reasoning"))]
    heard_again = apart["cache_read_audio_tokens"]
    told: dict[str, Any] = apart | {
        "input_tokens": sum(apart[kind] for kind in given_kinds),
        "output_tokens": sum(count for kind, count in apart.items() if kind not in given_kinds),
        "cache_read_tokens": apart["cache_read_tokens"] + heard_again,
        "input_audio_tokens": apart["input_audio_tokens"] + heard_again,
    }
    usage = Usage(**told, characters=more[0], audio_ms=more[1], images=more[2], searches=more[3])
    exact = Reference(Fraction(flat.request + more[2] * flat.image + more[3] * (flat.search or 0)))
    for kind, count in apart.items():
        exact.add(count, getattr(flat, KINDS[kind]))
    exact.add(more[0], flat.characters)
    exact.total += Fraction(more[1] * flat.audio_hour, 3_600_000)
    assert 0 <= cost(Price("p", flat), usage) - exact.total < 1


# ---- tiers of service -----------------------------------------------------------------------------------------------

SERVED = Price(
    "v",
    rates(),
    (ContextTier(1000, rates(input=6 * USD)),),
    (
        ServiceTier("flex", rates(input=USD, output=7 * USD)),
        ServiceTier("priority", rates(input=5 * USD), (ContextTier(1000, rates(input=9 * USD)),)),
    ),
)
THOUSAND = Usage(input_tokens=1000)


@pytest.mark.parametrize(
    ("tier", "nanos", "version"),
    [
        ("", 3_000_000, "v"),
        ("default", 3_000_000, "v"),
        ("standard", 3_000_000, "v"),
        ("on_demand", 3_000_000, "v"),
        ("ON_DEMAND", 3_000_000, "v"),
        ("auto", 3_000_000, "v"),
        ("scale", 3_000_000, "v"),
        ("PROVISIONED_THROUGHPUT", 3_000_000, "v"),
        ("reserved", 3_000_000, "v"),
        ("flex", 1_000_000, "v#flex"),
        ("FLEX", 1_000_000, "v#flex"),
        ("ON_DEMAND_PRIORITY", 5_000_000, "v#priority"),
        ("ultrafast", 5_000_000, "v#dearest"),
    ],
)
def test_a_call_costs_the_rates_of_the_tier_that_served_it(tier: str, nanos: int, version: str) -> None:
    assert cost(SERVED, msgspec.structs.replace(THOUSAND, tier=tier)) == nanos
    assert version_charged(SERVED, tier) == version


def test_a_tier_of_service_has_context_tiers_of_its_own() -> None:
    long = Usage(input_tokens=1001, tier="priority")
    assert cost(SERVED, long) == 1001 * 9_000
    assert cost(SERVED, msgspec.structs.replace(long, tier="flex")) == 1001 * 1_000


@pytest.mark.parametrize(
    ("asked", "nanos"),
    [(None, 3_000_000), ("default", 3_000_000), ("flex", 3_000_000), ("priority", 5_000_000), ("auto", 5_000_000), ("weird", 5_000_000)],
)  # fmt: skip
def test_the_hold_is_for_the_tier_asked_for_and_for_the_standard_that_may_serve_instead(
    asked: str | None, nanos: int
) -> None:
    others = (ServiceTier("flex", Rates(*[USD] * 8)), ServiceTier("priority", Rates(*[5 * USD] * 8)))
    flat = Price("v", Rates(*[3 * USD] * 8), services=others)
    assert worst_case(flat, NOTHING, input_tokens_at_most=1000, output_tokens_max=0, tier=asked) == nanos


NOTHING = InputSize(0, 0)
SEARCHING = InputSize(0, 0, searches_at_most=3)


@pytest.mark.parametrize(
    ("search", "size", "tier", "searches", "missing"),
    [
        (0, SEARCHING, None, True, ""),
        (None, NOTHING, None, True, ""),
        (None, SEARCHING, None, True, "the fee for its provider's searches is not known"),
        (None, SEARCHING, None, False, ""),
        (0, NOTHING, "default", True, ""),
        (0, NOTHING, "auto", True, ""),
        (0, NOTHING, "scale", True, ""),
        (0, NOTHING, "Flex", True, ""),
        (0, NOTHING, "ultrafast", True, "its service tier 'ultrafast' has no known price"),
    ],
)
def test_what_a_price_does_not_tell_of_a_call_is_named(
    search: int | None, size: InputSize, tier: str | None, searches: bool, missing: str
) -> None:
    price = Price("v", msgspec.structs.replace(rates(), search=search), services=SERVED.services)
    assert unpriced(price, size, tier, searches=searches) == missing


def test_a_kind_that_costs_what_text_does_is_text_and_can_be_cached() -> None:
    seen = Usage(input_tokens=1000, input_image_tokens=900, cache_read_tokens=950)
    assert cost(FLAT, seen) == 950 * 300 + 50 * 3000
    dear = Price("v", rates(input_image=5 * USD))
    assert cost(dear, seen) == 900 * 5000 + 100 * 300


def test_cached_audio_costs_its_own_rate_as_far_as_it_is_told() -> None:
    price = Price("v", rates(cache_read_audio=USD))
    heard = Usage(input_tokens=100, input_audio_tokens=60, cache_read_tokens=50, cache_read_audio_tokens=40)
    assert cost(price, heard) == 40 * 1_000 + 20 * 40_000 + 10 * 300 + 30 * 3_000


@pytest.mark.parametrize(
    ("rate", "usage", "nanos"),
    [
        ({"characters": 15 * USD}, Usage(characters=1_000), 15_000_000),
        ({"audio_hour": 360_000_000}, Usage(audio_ms=60_000), 6_000_000),
        ({"audio_hour": 111_000_000}, Usage(audio_ms=1_000), 30_834),
        ({"image": 40_000_000}, Usage(images=3), 120_000_000),
        ({"search": 10_000_000}, Usage(searches=2), 20_000_000),
        ({"search": None}, Usage(searches=2), 0),
        ({"output_image": 40 * USD}, Usage(output_tokens=100, output_image_tokens=90), 90 * 40_000 + 10 * 15_000),
        ({"input_video": 12 * USD}, Usage(input_tokens=100, input_video_tokens=90), 90 * 12_000 + 10 * 3_000),
    ],
)
def test_what_is_not_tokens_costs_its_own_rate(rate: dict[str, int | None], usage: Usage, nanos: int) -> None:
    assert cost(Price("v", msgspec.structs.replace(rates(), **rate)), usage) == nanos


def test_the_dearest_call_of_all_still_fits_64_bits() -> None:
    dearest = Rates(*[10**15] * 8)
    most = msgspec.structs.replace(
        dearest, request=10**12, characters=10**15, audio_hour=6 * 10**13, image=10**12, search=10**12
    )
    usage = Usage(
        input_tokens=TOKENS_MAX, output_tokens=TOKENS_MAX, characters=TOKENS_MAX, audio_ms=TOKENS_MAX, images=UNITS_MAX,
        searches=UNITS_MAX,
    )  # fmt: skip
    assert usage.is_credible
    assert cost(Price("v", most), usage) < 2**63
    assert not msgspec.structs.replace(usage, images=UNITS_MAX + 1).is_credible


@given(prices(), st.integers(0, 500_000), st.integers(0, 10**14), st.integers(1, 200_000), st.integers(1, 8))
def test_the_output_that_an_amount_affords_is_the_largest_whose_worst_case_it_covers(
    price: Price, given_tokens: int, amount: int, most: int, choices: int
) -> None:
    size = InputSize(given_tokens, given_tokens, characters=given_tokens)

    def held(limit: int) -> int:
        return worst_case(price, size, input_tokens_at_most=given_tokens, output_tokens_max=limit, choices=choices)

    limit = output_tokens_affordable(
        price,
        size,
        Nanos(amount),
        input_tokens_at_most=given_tokens,
        output_tokens_max=most,
        choices=choices,
    )
    assert 0 <= limit <= most
    assert limit == 0 or held(limit) <= amount
    assert limit == most or held(limit + 1) > amount
