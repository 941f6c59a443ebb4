"""Published prices become exact integers, and what cannot be priced is None and never 0."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import data
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.types import (
    Usage as TheirUsage,
)

from onevault.core.prices import Price
from onevault.core.usage import Usage
from onevault.policy.pricing import cost
from onevault.upstream.prices import SOURCE, Prices, compiled, provider_at

TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICES = Prices(TODAY)
USD = 10**9


def model(prices: Any, name: str = "m") -> ModelInfo:
    return ModelInfo(id=name, match=ClauseEquals(name), prices=prices)


def price(name: str = "m", /, **usd: str) -> Price | None:
    return compiled("p", model(ModelPrice(**{key: Decimal(value) for key, value in usd.items()}), name), TODAY)


def test_a_price_is_exact_in_nanos_per_million_and_named() -> None:
    found = price(input_mtok="0.075", output_mtok="0.3", cache_read_mtok="0.0375", requests_kcount="12")
    assert found is not None
    assert (found.rates.input, found.rates.output, found.rates.cache_read) == (75_000_000, 300_000_000, 37_500_000)
    assert found.rates.request == 12_000_000
    assert found.version == f"{SOURCE}:p/m"


def test_a_kind_without_a_rate_costs_what_its_whole_does() -> None:
    found = price(input_mtok="3", output_mtok="15", cache_write_mtok="3.75")
    assert found is not None
    assert (found.rates.cache_read, found.rates.cache_write, found.rates.cache_write_1h) == (
        3 * USD,
        3_750_000_000,
        3_750_000_000,
    )
    assert (found.rates.reasoning, found.rates.input_audio, found.rates.output_audio) == (15 * USD, 3 * USD, 15 * USD)


@pytest.mark.parametrize(
    ("why", "usd"),
    [
        ("nothing is published", {}),
        ("free throughout", {"input_mtok": "0", "output_mtok": "0"}),
        ("hours are not in usage", {"input_mtok": "1", "output_mtok": "1", "audio_hours": "3"}),
        ("only characters", {"input_mchars": "15"}),
        ("a unit that is not known", {"input_mtok": "1", "output_mtok": "1", "thoughts_mtok": "1"}),
        ("no price for input", {"output_mtok": "1"}),
        ("finer than a nano", {"input_mtok": "0.0000000001", "output_mtok": "1"}),
        ("beyond bounds", {"input_mtok": "1000001", "output_mtok": "1"}),
        ("negative", {"input_mtok": "-1", "output_mtok": "1"}),
        ("not a number", {"input_mtok": "NaN", "output_mtok": "1"}),
    ],
)
def test_what_cannot_be_priced_is_none(why: str, usd: dict[str, str]) -> None:
    assert price(**usd) is None, why


def test_an_audio_model_with_only_its_texts_price_is_unpriced() -> None:
    assert price("m-audio", input_mtok="1", output_mtok="1") is None
    assert price("m-audio", input_mtok="1", output_mtok="1", input_audio_mtok="10") is not None
    listing = PRICES.find("openai", "gpt-4o-audio-preview")
    assert listing is not None
    assert listing.price is None


def test_tools_that_are_charged_apart_do_not_make_a_model_unpriced() -> None:
    assert price(input_mtok="1", output_mtok="1", web_searches_kcount="10") == price(input_mtok="1", output_mtok="1")


def test_prices_of_kinds_that_usage_does_not_tell_apart_are_the_dearest() -> None:
    found = price(input_mtok="1", input_image_mtok="5", output_mtok="2", output_image_mtok="1")
    assert found is not None
    assert (found.rates.input, found.rates.output) == (5 * USD, 2 * USD)


def test_tiers_hold_above_their_start_and_keep_what_has_none() -> None:
    prices = ModelPrice(
        input_mtok=TieredPrices(Decimal(3), [Tier(200_000, Decimal(6))]),
        output_mtok=TieredPrices(Decimal(15), [Tier(500_000, Decimal(30)), Tier(200_000, Decimal(20))]),
        cache_read_mtok=Decimal(1),
    )
    found = compiled("p", model(prices), TODAY)
    assert found is not None
    assert [
        (tier.above_tokens, tier.rates.input, tier.rates.output, tier.rates.cache_read) for tier in found.tiers
    ] == [
        (200_000, 6 * USD, 20 * USD, USD),
        (500_000, 6 * USD, 30 * USD, USD),
    ]
    assert (found.rates.input, found.rates.output) == (3 * USD, 15 * USD)


def table(usd: int) -> ModelPrice:
    return ModelPrice(input_mtok=Decimal(usd), output_mtok=Decimal(2 * usd))


@pytest.mark.parametrize(
    ("today", "usd", "version"),
    [(date(2026, 1, 31), 5, "p/m"), (date(2026, 2, 1), 4, "p/m@2026-02-01"), (date(2026, 6, 1), 3, "p/m@2026-06-01")],
)
def test_a_price_from_a_date_on_holds_from_that_day_and_is_named_by_it(today: date, usd: int, version: str) -> None:
    prices = [
        ConditionalPrice(prices=table(5)),
        ConditionalPrice(StartDateConstraint(date(2026, 2, 1)), prices=table(4)),
        ConditionalPrice(StartDateConstraint(date(2026, 6, 1)), prices=table(3)),
    ]
    found = compiled("p", model(prices), today)
    assert found is not None
    assert (found.rates.input, found.version) == (usd * USD, f"{SOURCE}:{version}")


def test_prices_by_the_hour_are_the_dearest_rate_by_rate() -> None:
    night = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(20))
    prices = [ConditionalPrice(prices=table(5)), ConditionalPrice(TimeOfDateConstraint(time(1), time(6)), prices=night)]
    found = compiled("p", model(prices), TODAY)
    assert found is not None
    assert (found.rates.input, found.rates.output) == (5 * USD, 20 * USD)


def test_an_hour_that_cannot_be_priced_leaves_the_model_unpriced() -> None:
    night = ModelPrice(input_mtok=Decimal("0.00000000001"), output_mtok=Decimal(1))
    prices = [ConditionalPrice(prices=table(5)), ConditionalPrice(TimeOfDateConstraint(time(1), time(6)), prices=night)]
    assert compiled("p", model(prices), TODAY) is None


@pytest.mark.parametrize(
    ("provider", "name", "id"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai", "GPT-4o-mini", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("openai", "gpt-4o-nonsense", None),
        ("openai", "", None),
        ("nobody", "gpt-4o", None),
    ],
)
def test_a_name_is_found_with_its_dated_versions_and_no_other(provider: str, name: str, id: str | None) -> None:
    listing = PRICES.find(provider, name)
    assert (listing.id if listing else None) == id


def test_addresses_tell_whose_prices_hold() -> None:
    assert provider_at("https://api.groq.com/openai/v1") == "groq"
    assert provider_at("https://api.mistral.ai/v1") == "mistral"
    assert provider_at("http://localhost:11434/v1") is None
    assert provider_at("https://evil.example/https://api.groq.com") is None


USAGES = [
    ({"input_tokens": 1000, "output_tokens": 500}, Usage(input_tokens=1000, output_tokens=500)),
    ({"input_tokens": 300_001, "output_tokens": 7}, Usage(input_tokens=300_001, output_tokens=7)),
    (
        {"input_tokens": 5000, "cache_read_tokens": 4000, "output_tokens": 3},
        Usage(input_tokens=5000, cache_read_tokens=4000, output_tokens=3),
    ),
]


@pytest.mark.parametrize(("theirs", "ours"), USAGES)
def test_every_openai_and_anthropic_price_gives_what_the_packages_own_calculation_gives(
    theirs: dict[str, int], ours: Usage
) -> None:
    compared = 0
    for provider in data.providers:
        if provider.id not in ("openai", "anthropic"):
            continue
        for info in provider.models:
            found = compiled(provider.id, info, TODAY)
            if found is None or "image" in info.id or "realtime" in info.id:
                continue
            expected = info.calc_price(TheirUsage(**theirs), provider, genai_request_timestamp=NOON).total_price * USD
            assert 0 <= cost(found, ours) - expected < 1, info.id
            compared += 1
    assert compared > 100


def test_all_data_compiles_to_a_price_or_to_none_and_most_of_it_to_a_price() -> None:
    found = [compiled(provider.id, info, TODAY) for provider in data.providers for info in provider.models]
    priced = [one for one in found if one is not None]
    assert len(priced) > 0.85 * len(found)
    assert all(one.rates.input or one.rates.output or one.rates.request for one in priced)
    assert len({one.version for one in priced}) == len(priced)
