"""Every row of a provider is complete, and speaks only what there is."""

from __future__ import annotations

import re
from datetime import date

import pytest

from onevault.api.generate import _PASSED_HEADERS
from onevault.config.kinds import KINDS
from onevault.config.load import settings_from
from onevault.config.provider_kind import PLACES, SECRETS, ProviderKind, spoken
from onevault.core.operations import Operation
from onevault.dialects.registry import CODECS, INGRESS
from onevault.upstream.endpoints import endpoints
from onevault.upstream.prices import Prices

ROWS = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
NAMED = {
    "openai", "anthropic", "google", "vertex", "azure", "bedrock", "cohere", "huggingface", "ollama", "mistral", "cloudflare", "groq",
    "together", "fireworks", "deepseek", "xai", "openrouter", "perplexity", "cerebras", "sambanova", "nebius", "nvidia", "deepinfra",
    "moonshot", "zai", "vllm", "lmstudio", "llamacpp", "sglang", "openai_compatible", "simulator",
}  # fmt: skip
ENTRY_FIELDS = {"base_url", *SECRETS, *PLACES}


def test_every_provider_that_is_promised_has_a_row() -> None:
    assert set(KINDS) == NAMED


@ROWS
def test_every_dialect_of_a_row_is_one_that_the_gateway_speaks(kind: ProviderKind) -> None:
    assert {dialect for dialects in kind.codecs.values() for dialect in dialects} <= set(CODECS)


@ROWS
def test_what_a_row_says_of_its_dialects_is_of_dialects_that_it_speaks(kind: ProviderKind) -> None:
    speaks = {dialect for dialects in kind.codecs.values() for dialect in dialects}
    assert set(kind.prefixes) | set(kind.dated_prefixes) <= speaks
    assert not kind.dated_prefixes or set(kind.dated_prefixes) == speaks
    for prefix in (*kind.prefixes.values(), *kind.dated_prefixes.values(), kind.version_path, *kind.cuts):
        assert not prefix or (prefix.startswith("/") and not prefix.endswith("/"))


@ROWS
def test_a_row_that_chats_counts_tokens_too_if_only_by_estimate(kind: ProviderKind) -> None:
    assert (Operation.CHAT in kind.codecs) == (Operation.COUNT_TOKENS in kind.codecs)
    assert all(dialects for operation, dialects in kind.codecs.items() if operation is not Operation.COUNT_TOKENS)


@ROWS
def test_a_row_names_only_fields_that_an_entry_has(kind: ProviderKind) -> None:
    assert kind.takes <= {*SECRETS, *PLACES}
    for need in kind.needs:
        assert set(need.fields) <= {*kind.takes, "base_url"}
    assert set(kind.variables) <= {*kind.takes, "base_url"}
    assert kind.made_by in ("", *kind.variables)
    places = set(re.findall(r"\{(\w+)\}", f"{kind.base_url}{kind.version_path}{kind.base_url_in}"))
    assert places <= {field for need in kind.needs for field in need.fields}
    assert not places - set(PLACES)


@ROWS
def test_a_row_without_an_address_asks_for_one(kind: ProviderKind) -> None:
    assert kind.needs_base_url == (kind.base_url is None and not kind.for_tests)


@ROWS
def test_prices_are_taken_from_providers_that_the_price_data_has(kind: ProviderKind, prices: Prices) -> None:
    for provider in kind.prices_from:
        assert prices.models(provider), provider


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices(date(2026, 11, 21))


def test_no_two_rows_answer_to_one_name() -> None:
    names = [name for kind in KINDS.values() for name in (kind.name, *kind.also_called)]
    assert len(set(names)) == len(names)


def test_no_two_rows_are_made_by_one_variable() -> None:
    makers = [name for kind in KINDS.values() for name in kind.variables.get(kind.made_by, ())]
    assert len(set(makers)) == len(makers)


def test_headers_that_a_row_wants_of_callers_reach_the_sender() -> None:
    said_by_operators_alone = {"openai-organization", "openai-project"}
    wanted = {header for kind in KINDS.values() for header in kind.passes_headers} - said_by_operators_alone
    assert wanted <= {name.decode() for name in _PASSED_HEADERS}


def test_the_simulator_speaks_everything_but_what_only_vertex_does() -> None:
    spoken_there = {dialect for dialects in KINDS["simulator"].codecs.values() for dialect in dialects}
    assert spoken_there >= set(CODECS) - {"vertex-embeddings", "vertex-count-tokens"}
    assert KINDS["simulator"].codecs[Operation.CHAT][0] == "openai-chat"


def test_operations_of_dialects_are_those_that_their_callers_ask_for() -> None:
    for dialect, ingress in INGRESS.items():
        if dialect in CODECS and hasattr(ingress, "operation"):
            assert dialect in spoken(dialect)[ingress.operation]


@pytest.mark.parametrize(
    ("name", "operation", "dialects"),
    [
        ("openai", Operation.CHAT, ("openai-chat", "openai-responses", "openai-completions")),
        ("openai", Operation.MODERATION, ("openai-moderations",)),
        ("google", Operation.EMBEDDINGS, ("gemini-embeddings",)),
        ("vertex", Operation.EMBEDDINGS, ("vertex-embeddings",)),
        ("bedrock", Operation.COUNT_TOKENS, ("bedrock-count-tokens",)),
        ("cohere", Operation.RERANK, ("rerank",)),
        ("ollama", Operation.EMBEDDINGS, ("ollama-embeddings", "openai-embeddings")),
        ("groq", Operation.COUNT_TOKENS, ()),
        ("openai_compatible", Operation.CHAT, ("openai-chat",)),
    ],
)
def test_a_row_speaks_these_in_this_order(name: str, operation: Operation, dialects: tuple[str, ...]) -> None:
    assert KINDS[name].codecs[operation] == dialects


@pytest.mark.parametrize("name", ["groq", "deepseek", "perplexity", "mistral"])
def test_a_row_lacks_what_its_provider_lacks(name: str) -> None:
    assert Operation.IMAGES not in KINDS[name].codecs


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.made_by], ids=lambda kind: kind.name)
def test_the_environment_alone_is_enough_to_reach_a_provider(kind: ProviderKind) -> None:
    said = {"base_url": "https://h.example", "region": "eu-west-1", "api_version": "2024-10-21"}
    environment = {names[0]: said.get(field, "k-12345") for field, names in kind.variables.items()}
    built = settings_from({}, environment)
    assert [entry.kind for entry in built.providers] == [kind.name]
    if "base_url" in kind.variables:
        (endpoint,) = endpoints(built, simulator_url=None).values()
        assert endpoint.origin.host == "h.example"
        del environment[kind.variables["base_url"][0]]
    if not kind.needs_base_url and kind.made_by != "base_url":
        (endpoint,) = endpoints(settings_from({}, environment), simulator_url=None).values()
        assert endpoint.origin.scheme == "https"
        assert "{" not in endpoint.origin.host + endpoint.path_prefix
