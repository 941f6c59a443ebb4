"""Which deployments a model's name means, to whom, and what is said where it means none."""

from __future__ import annotations

import inspect
from datetime import date

import msgspec
import pytest

from onevault.config.document import parsed
from onevault.config.load import settings_from
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.operations import Operation
from onevault.core.usage import Usage
from onevault.policy.pricing import cost
from onevault.upstream.catalog import ConfiguredCatalog
from onevault.upstream.models import facts
from onevault.upstream.prices import SOURCE

TODAY = date(2026, 11, 21)
BOTH = {"OPENAI_API_KEY": "k1-real", "ANTHROPIC_API_KEY": "k2-real"}
FOUR = """
providers:
  openai: {api_key: k-1234, models: [gpt-4o-mini, {name: gpt-4o, alias: smart}, text-embedding-3-small]}
  second: {type: openai, api_key: k-5678, models: [gpt-4o-mini]}
  local: {type: openai_compatible, base_url: "http://h/v1", models: [{name: llama3, prices: {input: 0, output: 0}}, gpt-4o-mini]}
  simulator: {}
"""


def catalog(text: str = "", **environment: str) -> ConfiguredCatalog:
    return ConfiguredCatalog(settings_from(parsed(text)[0], environment), today=TODAY)


def principal(*allowed: str, test: bool = False) -> Principal:
    return Principal(
        tenant_id="t", org_id="o", user_id="u", key_id="k", test=test, time_zone="UTC", scopes=(), limits=(),
        allowed_models=frozenset(allowed) if allowed else None,
    )  # fmt: skip


ANYONE = principal()


def found(
    catalog: ConfiguredCatalog, name: str | None, operation: Operation = Operation.CHAT, who: Principal = ANYONE
) -> list[str]:
    return [f"{target.provider}/{target.model}" for target in catalog.candidates(name, operation, who)]


def refused(
    catalog: ConfiguredCatalog, name: str | None, operation: Operation = Operation.CHAT, who: Principal = ANYONE
) -> Fault:
    with pytest.raises(Fault) as fault:
        catalog.candidates(name, operation, who)
    return fault.value


@pytest.mark.parametrize(
    ("routing", "name", "candidates"),
    [
        ("", "gpt-4o-mini", ["openai/gpt-4o-mini", "second/gpt-4o-mini", "local/gpt-4o-mini"]),
        (
            "routing: {fallback_chain: [local, openai]}",
            "gpt-4o-mini",
            ["local/gpt-4o-mini", "openai/gpt-4o-mini", "second/gpt-4o-mini"],
        ),
        ("routing: {fallback_chain: [local]}", "openai/gpt-4o-mini", ["openai/gpt-4o-mini"]),
        ("", "smart", ["openai/gpt-4o"]),
        ("", "openai/smart", ["openai/gpt-4o"]),
        ("", "llama3", ["local/llama3"]),
        ("", "simulator/anything", ["simulator/anything"]),
        ("", "sim-small", ["simulator/sim-small"]),
        ("routing: {aliases: {best: second/gpt-4o-mini, b: best}}", "b", ["second/gpt-4o-mini"]),
        ("routing: {aliases: {gpt-4o-mini: llama3}}", "gpt-4o-mini", ["local/llama3"]),
        ("", None, ["openai/gpt-4o-mini", "second/gpt-4o-mini", "local/gpt-4o-mini"]),
        ("", "auto", ["openai/gpt-4o-mini", "second/gpt-4o-mini", "local/gpt-4o-mini"]),
        ("routing: {default_provider: local}", "auto", ["local/llama3"]),
        ("routing: {default_provider: second}", "", ["second/gpt-4o-mini", "openai/gpt-4o-mini", "local/gpt-4o-mini"]),
        ("routing: {default_model: smart, default_provider: local}", "auto", ["openai/gpt-4o"]),
    ],
)
def test_a_name_means_these_deployments_in_this_order(routing: str, name: str | None, candidates: list[str]) -> None:
    assert found(catalog(FOUR + routing), name) == candidates


def test_no_model_named_and_embeddings_asked_means_an_embedding_model() -> None:
    assert (
        found(catalog(FOUR + "routing: {default_model: gpt-4o}"), None, Operation.EMBEDDINGS)[0]
        == "openai/text-embedding-3-small"
    )


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("gpt-4o-mini", ["openai/gpt-4o-mini"]),
        ("gpt-4o-mini-2024-07-18", ["openai/gpt-4o-mini-2024-07-18"]),
        ("claude-sonnet-4-5-20250929", ["anthropic/claude-sonnet-4-5-20250929"]),
        ("openai/not-yet-known", ["openai/not-yet-known"]),
    ],
)
def test_without_a_list_of_models_the_price_data_tells_who_has_a_name(name: str, candidates: list[str]) -> None:
    assert found(catalog(**BOTH), name) == candidates


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-nonsense",
        "claude-4",
        "gpt-4o-realtime-preview",
        "ft:gpt-4o",
        "nobody/gpt-4o",
        "second/gpt-4",
        "x" * 100_000,
        "\x00",
        "/",
        "openai/",
        "gpt-4o-mini\n",
    ],
)
def test_a_name_that_nobody_has_is_not_found(name: str) -> None:
    fault = refused(catalog(**BOTH), name)
    assert fault.kind is FaultKind.MODEL_NOT_FOUND
    assert fault.param == "model"
    assert len(fault.message) < 400
    assert fault.message.isprintable()


def test_the_nearest_names_are_suggested_and_only_usable_ones() -> None:
    built = catalog(FOUR)
    assert "gpt-4o-mini" in refused(built, "gpt-4-mini").message
    assert "gpt-4o-mini" not in refused(built, "gpt-4-mini", who=principal("llama*")).message
    assert "gpt-4o-mini" in refused(built, "gpt-4-mini", who=principal(test=True)).message


@pytest.mark.parametrize(
    ("allowed", "name", "candidates"),
    [
        (("gpt-4o-mini",), "gpt-4o-mini", ["openai/gpt-4o-mini", "second/gpt-4o-mini", "local/gpt-4o-mini"]),
        (("second/gpt-4o-mini",), "gpt-4o-mini", ["second/gpt-4o-mini"]),
        (("gpt-*",), "smart", ["openai/gpt-4o"]),
        (("smart",), "smart", ["openai/gpt-4o"]),
        (("local/*",), "gpt-4o-mini", ["local/gpt-4o-mini"]),
        (("*",), "llama3", ["local/llama3"]),
        (("llama3",), "auto", ["local/llama3"]),
        (("local/*", "gpt-4o"), "auto", ["local/gpt-4o-mini"]),
    ],
)
def test_a_key_reaches_what_its_list_allows(allowed: tuple[str, ...], name: str, candidates: list[str]) -> None:
    assert found(catalog(FOUR), name, who=principal(*allowed)) == candidates


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        (("gpt-4o-mini",), "gpt-4o"),
        (("gpt-4o",), "gpt-4o-mini"),
        (("local/llama3",), "gpt-4o-mini"),
        (("llama",), "llama3"),
        (("gpt-4o-mini",), "simulator/x"),
    ],
)
def test_a_key_that_may_not_is_told_so_and_of_no_other_model(allowed: tuple[str, ...], name: str) -> None:
    fault = refused(catalog(FOUR), name, who=principal(*allowed))
    assert fault.kind is FaultKind.FORBIDDEN
    assert name in fault.message
    assert not any(other in fault.message.replace(name, "") for other in ("llama3", "gpt-4o", "smart"))


def test_an_empty_list_allows_nothing() -> None:
    nobody = Principal(
        tenant_id="t",
        org_id="o",
        user_id="u",
        key_id="k",
        test=False,
        time_zone="UTC",
        scopes=(),
        limits=(),
        allowed_models=frozenset(),
    )
    assert refused(catalog(FOUR), "gpt-4o", who=nobody).kind is FaultKind.FORBIDDEN
    assert catalog(FOUR).models(nobody) == ()


def test_a_key_of_certain_providers_reaches_and_sees_no_other() -> None:
    every = catalog(FOUR)
    providers = {facts.provider for facts in every.models(ANYONE)}
    assert len(providers) > 1
    for provider in providers:
        who = msgspec.structs.replace(ANYONE, allowed_providers=frozenset({provider}))
        own = every.models(who)
        assert {facts.provider for facts in own} == {provider}
        assert found(every, f"{provider}/{own[0].model}", who=who)
        for other in every.models(ANYONE):
            if other.provider != provider:
                fault = refused(every, f"{other.provider}/{other.model}", who=who)
                assert fault.kind is FaultKind.FORBIDDEN
                assert "at any provider that it may use" in fault.message
    nobody = msgspec.structs.replace(ANYONE, allowed_providers=frozenset())
    assert every.models(nobody) == ()


def test_test_keys_reach_the_simulator_and_nothing_else() -> None:
    tester = principal(test=True)
    assert found(catalog(FOUR), "gpt-4o", who=tester) == ["simulator/gpt-4o"]
    assert found(catalog(FOUR), "simulator/any", who=tester) == ["simulator/any"]
    for name in ("gpt-4o", "simulator/any", None):
        for target in catalog(FOUR).candidates(name, Operation.CHAT, tester):
            assert target.price is not None, "a budget refuses what has no price"
            assert cost(target.price, Usage(input_tokens=1000, output_tokens=1000, images=3, searches=2)) == 0
    for name in ("llama3", "openai/gpt-4o", "second/gpt-4o-mini"):
        assert refused(catalog(FOUR), name, who=tester).kind is FaultKind.FORBIDDEN
    assert refused(catalog(**BOTH), "gpt-4o", who=tester).kind is FaultKind.FORBIDDEN
    assert {facts.provider for facts in catalog(FOUR).models(tester)} == {"simulator"}


def test_live_keys_never_fall_from_a_real_provider_to_the_simulator() -> None:
    assert found(catalog(FOUR), "gpt-4o") == ["openai/gpt-4o"]
    assert refused(catalog(FOUR), "claude-haiku-4-5").kind is FaultKind.MODEL_NOT_FOUND
    assert found(catalog(), "claude-haiku-4-5") == ["simulator/claude-haiku-4-5"]
    assert found(catalog(FOUR.replace("simulator: {}", "simulator: {models: [gpt-4o]}")), "gpt-4o") == [
        "openai/gpt-4o",
        "simulator/gpt-4o",
    ]


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("text-embedding-3-small", Operation.CHAT),
        ("gpt-4o", Operation.EMBEDDINGS),
        ("text-embedding-3-small", Operation.COUNT_TOKENS),
    ],
)
def test_an_operation_that_a_model_lacks_is_a_clear_fault(name: str, operation: Operation) -> None:
    fault = refused(catalog(FOUR), name, operation)
    assert fault.kind is FaultKind.UNSUPPORTED_PARAMETER
    assert name in fault.message


# ---- prices and limits ----------------------------------------------------------------------------------------------


def test_targets_carry_the_configured_price_else_the_published_one_else_none() -> None:
    built = catalog(FOUR)
    versions = [
        target.price.version if target.price else None
        for target in built.candidates("gpt-4o-mini", Operation.CHAT, ANYONE)
    ]
    assert versions == [f"{SOURCE}:openai/gpt-4o-mini", f"{SOURCE}:openai/gpt-4o-mini", None]
    free = built.candidates("llama3", Operation.CHAT, ANYONE)[0].price
    assert free is not None
    assert (free.rates.input, free.version[:7]) == (0, "config:")
    assert built.candidates("openai/gpt-4o", Operation.CHAT, ANYONE)[0].price is not None


def test_an_embedding_models_price_is_no_price_for_a_chat() -> None:
    text = (
        "providers: {x: {type: openai_compatible, base_url: 'https://api.perplexity.ai', models: [pplx-decider-v1.2]}}"
    )
    assert catalog(text).candidates("pplx-decider-v1.2", Operation.CHAT, ANYONE)[0].price is None


def test_limits_are_the_configured_ones_else_what_is_known_of_the_family() -> None:
    models = "[a, {name: b, context_length: 4096, max_output_tokens: 9999}]"
    text = f"providers: {{local: {{type: openai_compatible, base_url: 'http://h/v1', models: {models}}}}}"
    a, b = (catalog(text).candidates(name, Operation.CHAT, ANYONE)[0] for name in "ab")
    assert (a.context_tokens_max, a.output_tokens_max) == (128_000, 128_000)
    assert (b.context_tokens_max, b.output_tokens_max) == (4096, 4096)


@pytest.mark.parametrize(
    ("model", "output", "context"),
    [
        ("gpt-4o", 16_384, 128_000),
        ("gpt-4o-2024-05-13", 4_096, 128_000),
        ("gpt-4.1-mini", 32_768, 1_047_576),
        ("gpt-5-mini-2025-08-07", 128_000, 400_000),
        ("gpt-5.4", 128_000, 1_050_000),
        ("gpt-4", 8_192, 8_192),
        ("gpt-4-turbo-2024-04-09", 4_096, 128_000),
        ("o3-mini", 100_000, 200_000),
        ("o1-mini-2024-09-12", 65_536, 128_000),
        ("claude-3-haiku-20240307", 4_096, 200_000),
        ("claude-3-5-sonnet-20241022", 8_192, 200_000),
        ("claude-sonnet-4-5-20250929", 64_000, 200_000),
        ("claude-sonnet-4-6", 128_000, 1_000_000),
        ("claude-opus-4-1", 32_000, 200_000),
        ("claude-opus-5-5", 128_000, 1_000_000),
        ("anthropic/claude-3-haiku", 4_096, 200_000),
        ("ft:gpt-4o-mini-2024-07-18:acme::1", 16_384, 128_000),
        ("text-embedding-3-large", 0, 8_192),
        ("never-heard-of", 128_000, 128_000),
    ],
)
def test_families_tell_the_most_that_a_model_puts_out_and_takes_in(model: str, output: int, context: int) -> None:
    known = facts(model)
    assert (known.output_tokens_max, known.context_tokens_max) == (output, context)


# ---- listings -------------------------------------------------------------------------------------------------------


def test_the_list_names_each_model_once_and_further_providers_by_their_longer_name() -> None:
    listed = {
        facts.id: facts.provider for facts in catalog(FOUR + "routing: {aliases: {best: openai/gpt-4o}}").models(ANYONE)
    }
    assert listed["gpt-4o-mini"] == "openai"
    assert listed["second/gpt-4o-mini"] == "second"
    assert listed["best"] == listed["smart"] == "openai"
    assert listed["simulator/gpt-4o"] == "simulator"


@pytest.mark.parametrize("environment", [{}, BOTH])
def test_every_listed_model_can_be_called_for_every_operation_that_it_lists(environment: dict[str, str]) -> None:
    built = catalog(**environment)
    listed = built.models(ANYONE)
    assert len(listed) >= 15
    for facts_of in listed:
        for operation in facts_of.operations:
            assert found(built, facts_of.id, operation)


def test_the_simulators_own_models_are_all_priced() -> None:
    listed = catalog().models(ANYONE)
    assert {
        "sim-small",
        "sim-large",
        "sim-embed",
        "gpt-4o-mini",
        "gpt-5-mini",
        "claude-sonnet-4-5",
        "text-embedding-3-small",
    } <= {one.id for one in listed}
    assert all(one.price is not None for one in listed)


def test_a_known_name_is_resolved_once() -> None:
    built = catalog(**BOTH)
    assert built.candidates("gpt-4o", Operation.CHAT, ANYONE) is built.candidates("gpt-4o", Operation.CHAT, principal())
    assert list(inspect.signature(built.candidates).parameters) == ["model", "operation", "principal"]


def test_a_model_whose_name_begins_like_another_entrys_is_listed_by_the_name_that_reaches_it() -> None:
    market = "{type: openai_compatible, base_url: 'http://h/v1', models: [openai/gpt-4o-mini, meta/llama]}"
    built = catalog(f"providers: {{openai: {{api_key: k-1234, models: [gpt-4o-mini]}}, market: {market}}}")
    listed = [facts.id for facts in built.models(ANYONE)]
    assert listed == ["gpt-4o-mini", "market/openai/gpt-4o-mini", "meta/llama"]
    assert [found(built, name) for name in listed] == [
        ["openai/gpt-4o-mini"],
        ["market/openai/gpt-4o-mini"],
        ["market/meta/llama"],
    ]
