"""Published prices become exact integers, and what cannot be priced is None and never 0."""

from __future__ import annotations

from dataclasses import replace
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
    PriceVariant,
    Provider,
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
from onevault.upstream import prices
from onevault.upstream.prices import OWN, SOURCE, Prices, compiled, provider_at
from onevault.upstream.published import ROWS

TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICES = Prices(TODAY)
USD = 10**9


def model(prices: Any, name: str = "m") -> ModelInfo:
    return ModelInfo(id=name, match=ClauseEquals(name), prices=prices)


def outcome(name: str = "m", /, **usd: str) -> Price | str:
    return compiled("p", model(ModelPrice(**{key: Decimal(value) for key, value in usd.items()}), name), TODAY)


def price(name: str = "m", /, **usd: str) -> Price:
    found = outcome(name, **usd)
    assert isinstance(found, Price), found
    return found


def known(provider: str, name: str) -> Price:
    listing = PRICES.find(provider, name)
    assert listing is not None
    assert listing.price is not None, listing.missing
    return listing.price


OPENAI = next(provider for provider in data.providers if provider.id == "openai")


def compiled_of(provider: str, info: ModelInfo) -> Price:
    found = compiled(provider, info, TODAY)
    assert isinstance(found, Price), found
    return found


def compiled_at(provider: Provider, info: ModelInfo) -> Price:
    """As if the provider were in the data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(prices._PROVIDERS, "mine", provider)
        return compiled_of("mine", info)


def test_a_price_is_exact_in_nanos_per_million_and_named() -> None:
    found = price(input_mtok="0.075", output_mtok="0.3", cache_read_mtok="0.0375", requests_kcount="12")
    assert (found.rates.input, found.rates.output, found.rates.cache_read) == (75_000_000, 300_000_000, 37_500_000)
    assert found.rates.request == 12_000_000
    assert found.version == f"{SOURCE}:p/m"


def test_a_kind_without_a_rate_costs_what_its_whole_does() -> None:
    found = price(input_mtok="3", output_mtok="15", cache_write_mtok="3.75")
    assert (found.rates.cache_read, found.rates.cache_write, found.rates.cache_write_1h) == (
        3 * USD,
        3_750_000_000,
        3_750_000_000,
    )
    assert (found.rates.reasoning, found.rates.input_audio, found.rates.output_audio) == (15 * USD, 3 * USD, 15 * USD)


@pytest.mark.parametrize(
    ("says", "usd"),
    [
        ("no price is published", {}),
        ("given as 0", {"input_mtok": "0", "output_mtok": "0"}),
        ("counts pages", {"input_document_kpages": "3"}),
        ("counts messages", {"audio_hours": "3", "input_text_messages_kcount": "4"}),
        ("counts the video that it makes", {"input_mtok": "1", "output_mtok": "1", "output_video_mtok": "17"}),
        ("counts thoughts_mtok", {"input_mtok": "1", "output_mtok": "1", "thoughts_mtok": "1"}),
        ("input is not published", {"output_mtok": "1"}),
        ("no amount", {"input_mtok": "1000001", "output_mtok": "1"}),
        ("no amount", {"input_mtok": "-1", "output_mtok": "1"}),
        ("no amount", {"input_mtok": "NaN", "output_mtok": "1"}),
    ],
)
def test_what_cannot_be_priced_says_what_is_missing(says: str, usd: dict[str, str]) -> None:
    found = outcome(**usd)
    assert isinstance(found, str)
    assert says in found


def test_a_price_that_went_through_floats_is_rounded_up_to_the_nano() -> None:
    found = price(input_mtok="0.0833333333333333", output_mtok="1.0399999999999998")
    assert (found.rates.input, found.rates.output) == (83_333_334, 1_040_000_000)


def test_an_audio_model_with_only_its_texts_price_is_unpriced() -> None:
    assert outcome("m-audio", input_mtok="1", output_mtok="1") == "the price of its audio is not published"
    assert isinstance(outcome("m-audio", input_mtok="1", output_mtok="1", input_audio_mtok="10"), Price)
    listing = PRICES.find("openai", "gpt-4o-audio-preview-2024-10-01")
    assert listing is not None
    assert (listing.price, listing.missing) == (None, "the price of its audio is not published")


@pytest.mark.parametrize(
    ("usd", "rate", "nanos"),
    [
        ({"input_mchars": "15"}, "characters", 15 * USD),
        ({"input_audio_hours": "0.36", "audio_hours": "0.36"}, "audio_hour", 360_000_000),
        ({"audio_hours": "0.111"}, "audio_hour", 111_000_000),
        ({"input_mtok": "1", "web_searches_kcount": "10"}, "search", 10_000_000),
        ({"input_mtok": "1", "web_searches_kcount": "35"}, "search", 35_000_000),
        ({"input_mtok": "1", "requests_kcount": "12"}, "request", 12_000_000),
        ({"input_mtok": "1", "input_image_mtok": "5"}, "input_image", 5 * USD),
        ({"input_mtok": "1", "output_mtok": "2", "output_image_mtok": "30"}, "output_image", 30 * USD),
        ({"input_mtok": "1", "input_video_mtok": "12"}, "input_video", 12 * USD),
        ({"input_mtok": "1", "input_audio_mtok": "5", "cache_audio_read_mtok": "2"}, "cache_read_audio", 2 * USD),
        ({"input_mtok": "1", "input_audio_mtok": "5"}, "cache_read_audio", 5 * USD),
    ],
)
def test_every_unit_has_a_rate_of_its_own(usd: dict[str, str], rate: str, nanos: int) -> None:
    assert getattr(price(**usd).rates, rate) == nanos


def test_a_fee_for_searches_that_is_not_published_is_not_zero() -> None:
    assert price(input_mtok="1", output_mtok="1").rates.search is None


def test_other_tools_that_are_charged_apart_do_not_make_a_model_unpriced() -> None:
    assert price(input_mtok="1", output_mtok="1", storage_searches_kcount="2.5") == price(
        input_mtok="1", output_mtok="1"
    )


# ---- tiers of service -----------------------------------------------------------------------------------------------


def test_variants_are_tiers_of_service_and_keep_what_they_do_not_state() -> None:
    info = model(ModelPrice(input_mtok=Decimal(2), cache_read_mtok=Decimal("0.5"), output_mtok=Decimal(8)))
    info.price_variants = [
        PriceVariant(when={"service_tier": "default"}, prices=ModelPrice()),
        PriceVariant(
            when={"processing": "batch"},
            prices=ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(4)),
            constraint=StartDateConstraint(TODAY),
        ),
        PriceVariant(
            when={"service_tier": "flex"},
            prices=ModelPrice(input_mtok=Decimal(9)),
            constraint=StartDateConstraint(date(2027, 1, 1)),
        ),
        PriceVariant(when={"search_type": "fast"}, prices=ModelPrice(input_mtok=Decimal(7))),
        PriceVariant(when={"service_tier": "priority"}, prices=ModelPrice(input_mtok=Decimal(4))),
        PriceVariant(when={"service_tier": "priority"}, prices=ModelPrice(input_mtok=Decimal(5))),
    ]
    found = compiled_of("data-of-nobody", info)
    assert found.services == ()  # stands in for a provider's own data
    provider = replace(OPENAI, models=[info])
    found = compiled_at(provider, info)
    assert [(tier.name, tier.rates.input, tier.rates.cache_read, tier.rates.output) for tier in found.services] == [
        ("batch", 1 * USD, USD // 2, 4 * USD),
        ("priority", 4 * USD, USD // 2, 8 * USD),
    ]


@pytest.mark.parametrize(
    ("provider", "name", "tier", "input_usd", "output_usd"),
    [
        ("openai", "gpt-5", "flex", "0.625", "5"),
        ("openai", "gpt-5", "priority", "2.5", "20"),
        ("openai", "gpt-5", "batch", "0.625", "5"),
        ("openai", "gpt-5-mini-2025-08-07", "priority", "0.45", "3.6"),
        ("openai", "gpt-4.1", "batch", "1", "4"),
        ("openai", "o3", "flex", "1", "4"),
        ("anthropic", "claude-opus-4-5-20251101", "batch", "2.5", "12.5"),
        ("anthropic", "claude-opus-4-5", "priority", "5", "25"),
        ("anthropic", "claude-opus-4-8", "fast", "10", "50"),
        ("anthropic", "claude-opus-4-8", "us", "5.5", "27.5"),
        ("anthropic", "claude-opus-4-8", "fast+us", "11", "55"),
        ("anthropic", "claude-opus-4-8", "batch+us", "2.75", "13.75"),
        ("google", "gemini-2.5-flash", "batch", "0.15", "1.25"),
        ("google", "gemini-2.5-flash", "flex", "0.15", "1.25"),
        ("mistral", "mistral-large-2512", "batch", "0.25", "0.75"),
    ],
)
def test_tiers_of_service_cost_what_is_published(
    provider: str, name: str, tier: str, input_usd: str, output_usd: str
) -> None:
    rates = {service.name: service.rates for service in known(provider, name).services}[tier]
    assert (Decimal(rates.input) / USD, Decimal(rates.output) / USD) == (Decimal(input_usd), Decimal(output_usd))


def test_a_long_context_has_its_own_rates_in_a_tier_of_service() -> None:
    flex = {service.name: service for service in known("openai", "gpt-5.4").services}["flex"]
    assert (flex.rates.input, [(tier.above_tokens, tier.rates.input) for tier in flex.tiers]) == (
        1_250_000_000,
        [(272_000, 2_500_000_000)],
    )


@pytest.mark.parametrize(
    ("provider", "name", "tier"),
    [("openai", "gpt-5-nano", "priority"), ("openai", "gpt-4o", "flex"), ("azure", "gpt-5", "priority")],
)
def test_a_tier_that_nobody_publishes_a_price_of_has_none(provider: str, name: str, tier: str) -> None:
    assert tier not in {service.name for service in known(provider, name).services}


# ---- what the data lacks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "name", "usd"),
    [
        ("openai", "omni-moderation-latest", {"input": "0", "output": "0", "request": "0"}),
        ("openai", "whisper-1", {"audio_hour": "0.36", "input": "0"}),
        ("openai", "tts-1-hd", {"characters": "30"}),
        ("openai", "gpt-4o-mini-tts", {"input": "0.6", "output": "12"}),
        ("openai", "gpt-image-1", {"input": "5", "input_image": "10", "output": "40"}),
        ("openai", "gpt-4o-audio-preview", {"input": "2.5", "input_audio": "40", "output_audio": "80"}),
        ("openai", "gpt-4o-search-preview", {"request": "0.025", "search": "0"}),
        ("openai", "gpt-4o-mini-search-preview-2025-03-11", {"input": "0.15", "request": "0.025"}),
        ("openai", "text-embedding-3-small", {"input": "0.02", "output": "0"}),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme::1", {"input": "0.8", "cache_read": "0.2", "output": "3.2"}),
        ("openai", "ft:gpt-4o-2024-08-06:acme:x:1", {"input": "3.75", "cache_read": "1.875", "output": "15"}),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::1", {"input": "0.3", "cache_read": "0.15", "output": "1.2"}),
        ("cohere", "rerank-v3.5", {"search": "0.002", "input": "0"}),
        ("cohere", "rerank-v4.0-pro", {"search": "0.0025"}),
        ("cohere", "embed-v4.0", {"input": "0.12", "input_image": "0.47"}),
        ("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"input": "3.3", "output": "16.5"}),
        ("aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", {"input": "3", "output": "15"}),
        ("aws", "cohere.rerank-v3-5:0", {"search": "0.002"}),
        ("google", "claude-sonnet-4-5@20250929", {"input": "3"}),
        ("google", "imagen-4.0-generate-001", {"image": "0.04", "input": "0"}),
        ("azure", "gpt-4o", {"input": "2.5", "output": "10"}),
        ("groq", "whisper-large-v3", {"audio_hour": "0.111"}),
    ],
)
def test_models_of_every_kind_cost_what_is_published(provider: str, name: str, usd: dict[str, str]) -> None:
    rates = known(provider, name).rates
    assert {rate: Decimal(getattr(rates, rate)) / USD for rate in usd} == {
        rate: Decimal(amount) for rate, amount in usd.items()
    }


@pytest.mark.parametrize("name", ["ft:gpt-5:acme::1", "dall-e-3", "gpt-4o-mini-tts-2999-01-01"])
def test_what_nobody_publishes_is_not_guessed(name: str) -> None:
    assert PRICES.find("openai", name) is None


def test_every_row_of_our_own_is_found_by_its_names_and_compiles() -> None:
    for row in ROWS:
        for name in row.names:
            assert known(row.provider, name.replace("*", "x")).version.startswith((OWN, f"{SOURCE}+{OWN}")), name


def test_a_fine_tuned_model_never_costs_what_its_base_does() -> None:
    for base in (
        "gpt-4.1-2025-04-14",
        "gpt-4.1-mini-2025-04-14",
        "gpt-4o-2024-08-06",
        "gpt-4o-mini-2024-07-18",
        "o4-mini-2025-04-16",
    ):
        assert known("openai", f"ft:{base}:acme::1").rates.input > known("openai", base).rates.input


def test_tiers_hold_above_their_start_and_keep_what_has_none() -> None:
    listed = ModelPrice(
        input_mtok=TieredPrices(Decimal(3), [Tier(200_000, Decimal(6))]),
        output_mtok=TieredPrices(Decimal(15), [Tier(500_000, Decimal(30)), Tier(200_000, Decimal(20))]),
        cache_read_mtok=Decimal(1),
    )
    found = compiled_of("p", model(listed))
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
    listed = [
        ConditionalPrice(prices=table(5)),
        ConditionalPrice(StartDateConstraint(date(2026, 2, 1)), prices=table(4)),
        ConditionalPrice(StartDateConstraint(date(2026, 6, 1)), prices=table(3)),
    ]
    found = compiled("p", model(listed), today)
    assert isinstance(found, Price)
    assert (found.rates.input, found.version) == (usd * USD, f"{SOURCE}:{version}")


def test_prices_by_the_hour_are_the_dearest_rate_by_rate() -> None:
    night = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(20))
    listed = [ConditionalPrice(prices=table(5)), ConditionalPrice(TimeOfDateConstraint(time(1), time(6)), prices=night)]
    found = compiled_of("p", model(listed))
    assert (found.rates.input, found.rates.output) == (5 * USD, 20 * USD)


def test_an_hour_that_cannot_be_priced_leaves_the_model_unpriced() -> None:
    night = ModelPrice(input_mtok=Decimal(-1), output_mtok=Decimal(1))
    listed = [ConditionalPrice(prices=table(5)), ConditionalPrice(TimeOfDateConstraint(time(1), time(6)), prices=night)]
    assert isinstance(compiled("p", model(listed), TODAY), str)


def test_a_fee_that_only_some_hours_tell_is_not_known() -> None:
    night = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(1), web_searches_kcount=Decimal(10))
    listed = [ConditionalPrice(prices=table(5)), ConditionalPrice(TimeOfDateConstraint(time(1), time(6)), prices=night)]
    assert compiled_of("p", model(listed)).rates.search is None


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
            if isinstance(found, str) or "image" in info.id or "realtime" in info.id or found.rates.audio_hour:
                continue
            expected = info.calc_price(TheirUsage(**theirs), provider, genai_request_timestamp=NOON).total_price * USD
            assert 0 <= cost(found, ours) - expected < 1, info.id
            compared += 1
    assert compared > 100


def test_all_data_compiles_to_a_price_or_to_a_reason_and_most_of_it_to_a_price() -> None:
    found = [compiled(provider.id, info, TODAY) for provider in data.providers for info in provider.models]
    priced = [one for one in found if isinstance(one, Price)]
    assert len(priced) > 0.9 * len(found)
    assert all(one.rates.input or one.rates.output or one.rates.audio_hour or one.rates.characters for one in priced)
    assert len({one.version for one in priced}) == len(priced)
