"""File and environment become settings, or every problem is said at once."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from onevault.config.describe import describe
from onevault.config.document import parsed
from onevault.config.load import load, settings_from
from onevault.config.problems import ConfigurationError, Problem
from onevault.config.schema import Settings
from onevault.config.secret import Secret
from onevault.core.sending import Timeouts

KEY = "sk-canary-7f3a9c21d4"
OPENAI = {"OPENAI_API_KEY": KEY}
ADMIN_KEY = "9f8e7d6c5b4a39281706"
MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def settings(text: str = "", **environment: str) -> Settings:
    document, lines = parsed(text)
    return settings_from(document, environment, lines=lines)


def problems(text: str = "", **environment: str) -> dict[str, Problem]:
    with pytest.raises(ConfigurationError) as refusal:
        settings(text, **environment)
    return {problem.path: problem for problem in refusal.value.problems}


def test_nothing_at_all_gives_the_simulator_on_the_documented_defaults() -> None:
    built = settings()
    assert [(entry.name, entry.kind, entry.base_url) for entry in built.providers] == [("simulator", "simulator", None)]
    assert (built.gateway.host, built.gateway.port, built.gateway.data_dir) == (
        "127.0.0.1",
        8000,
        Path("onevault-data"),
    )
    assert built.gateway.body_bytes_max == 32 << 20
    assert built.limits.organization_daily_budget is None


def test_units_and_money_arrive_converted() -> None:
    built = settings(
        """
        gateway: {port: "9000", body_size_max: 1MiB, drain_timeout: 500ms, version: 0.5, durability: os}
        limits: {max_cost_per_day: 100.00, max_requests_per_minute: 10/s, max_tokens_per_request: 4000}
        providers:
          mine: {type: openai_compatible, url: "http://localhost:11434/v1/", timeout: {connect: 1s, total: 2m}, retries: 0,
                 models: [llama3, {name: big, alias: [large], context_length: 8192, max_output_tokens: 1024,
                  prices: {input: 0.15, output: 0.6}}]}
        """
    )
    assert (built.gateway.port, built.gateway.body_bytes_max, built.gateway.drain_timeout_s) == (9000, 1 << 20, 0.5)
    assert (built.gateway.version, built.gateway.durability) == ("0.5", "os")
    assert built.limits.organization_daily_budget == 100 * 10**9
    assert built.limits.key_requests_per_minute == 600
    entry = built.providers[0]
    assert entry.base_url == "http://localhost:11434/v1"
    assert entry.timeouts == Timeouts(connect_s=1.0, first_event_s=60.0, stall_s=60.0, total_s=120.0)
    assert entry.retries_max == 0
    assert [(model.name, model.aliases, model.context_tokens_max) for model in entry.models] == [
        ("llama3", (), None),
        ("big", ("large",), 8192),
    ]
    assert entry.prices["big"].rates.input == 150_000_000
    assert entry.prices["big"].rates.reasoning == 600_000_000
    assert entry.prices["big"].version.startswith("config:")


def test_configured_prices_are_named_by_what_they_say() -> None:
    def version(price: str) -> str:
        return settings(f"providers: {{simulator: {{prices: {{m: {price}}}}}}}").providers[0].prices["m"].version

    assert version("{input: 1, output: 2}") == version("{input: 1.0, output: '2', request: 0}")
    assert version("{input: 1, output: 2}") != version("{input: 1, output: 2, cached_input: 0.5}")


REFUSALS: list[tuple[str, str, str]] = [
    ("gateway: {prot: 1}", "gateway.prot", "port"),
    ("gatway: {port: 1}", "gatway", "gateway"),
    ("gateway: {port: 99999}", "gateway.port", "65535"),
    ("gateway: {port: true}", "gateway.port", "whole number"),
    ("gateway: 3", "gateway", "mapping"),
    ("gateway: {workers: 2}", "gateway.workers", "redis_url"),
    ("gateway: {durability: sometimes}", "gateway.durability", "group, always, os"),
    ("gateway: {redis_url: 'http://h'}", "gateway.redis_url", "redis://host:port/0"),
    ("gateway: {redis_url: 'redis://h', workers: 65}", "gateway.workers", "64"),
    ("gateway: {database_url: 'postgresql://u:p@h'}", "gateway.database_url", "host:5432/database"),
    ("gateway: {database_url: 'postgresql://u:p@h:port/d'}", "gateway.database_url", "host:5432/database"),
    ("gateway: {database_url: 'sqlite:///elsewhere.db'}", "gateway.database_url", "data_dir"),
    ("gateway: {database_url: 'mysql://h'}", "gateway.database_url", "SQLite"),
    ("security: {pii_detection: true}", "security.pii_detection", "not available"),
    ("security: {pii_detection: perhaps}", "security.pii_detection", "false"),
    ("security: {audit_logging: true}", "security.audit_logging", "not available"),
    ("security: {admin_key: changeme}", "security.admin_key", "16"),
    ("security: {admin_key: changeme-changeme-changeme}", "security.admin_key", "placeholder"),
    ("security: {admin_key: your-admin-key-here}", "security.admin_key", "placeholder"),
    ("security: {admin_key: aaaaaaaaaaaaaaaaaaaaaaaa}", "security.admin_key", "guessed"),
    ("security: {admin_key: 'two words are no key at all'}", "security.admin_key", "spaces"),
    ("security: {master_key: c2hvcnQ=}", "security.master_key", "32"),
    ("security: {master_key: '###'}", "security.master_key", "base64"),
    ("caching: {semantic: true}", "caching.semantic", "not available"),
    ("caching: {ttl: 3600}", "caching.ttl", "not available"),
    ("monitoring: {grafana: true}", "monitoring.grafana", "not available"),
    ("monitoring: {log_level: loud}", "monitoring.log_level", "debug, info"),
    ("routing: {selection_strategy: cost_optimized}", "routing.selection_strategy", "not available"),
    ("routing: {selection_strategy: dice}", "routing.selection_strategy", "ordered"),
    ("routing: {default_provider: opnai}", "routing.default_provider", "simulator"),
    ("routing: {fallback_chain: [simulator, simulator]}", "routing.fallback_chain[1]", "twice"),
    ("routing: {fallback_chain: [nobody]}", "routing.fallback_chain[0]", "nobody"),
    ("routing: {aliases: {a: b, b: a}}", "routing.aliases.a", "circle"),
    ("routing: {aliases: {a: a}}", "routing.aliases.a", "circle"),
    ("routing: {aliases: {auto: gpt-4o}}", "routing.aliases.auto", "another name"),
    ("limits: {max_cost_per_day: -1}", "limits.max_cost_per_day", "negative"),
    ("limits: {max_cost_per_day: 0.0000000001}", "limits.max_cost_per_day", "billionth"),
    ("limits: {max_requests_per_minute: often}", "limits.max_requests_per_minute", "1000/min"),
    ("tenants: [{id: a}, {id: b}]", "tenants[1]", "not available"),
    ("tenants: [{id: a, time_zone: Mars/Phobos}]", "tenants[0].time_zone", "Europe/Berlin"),
    ("tenants: [{id: a, time_zone: ../../etc/passwd}]", "tenants[0].time_zone", "IANA"),
    ("tenants: [{id: a, time_zone: localtime}]", "tenants[0].time_zone", "IANA"),
    ("tenants: [{id: a, time_zone: right/Europe/Berlin}]", "tenants[0].time_zone", "IANA"),
    ("tenants: {id: a}", "tenants", "list"),
    ("providers: {openai: {}}", "providers.openai.api_key", "OPENAI_API_KEY"),
    ("providers: {openai: {api_key: your-api-key-here}}", "providers.openai.api_key", "placeholder"),
    ("providers: {openai: {api_key: sk-...}}", "providers.openai.api_key", "placeholder"),
    ('providers: {openai: {api_key: "k\\r\\nx-evil: 1"}}', "providers.openai.api_key", "key"),
    ("providers: {openai: {timeot: 3}}", "providers.openai.timeot", "timeout"),
    ("providers: {groq: {}}", "providers.groq.api_key", "${GROQ_API_KEY}"),
    ("providers: {gemini: {api_key: k-1234}}", "providers.gemini.type", "type: google"),
    ("providers: {mine: {type: azure-openai}}", "providers.mine.type", "type: azure"),
    ("providers: {mine: {type: Groq}}", "providers.mine.type", "type: groq"),
    (
        "providers: {groq: {api_key: k-1234, region: eu}}",
        "providers.groq.region",
        "for entries of type groq",
    ),
    ("providers: {openai: {api_key: k-1234, access_key_id: a}}", "providers.openai.access_key_id", "not available"),
    ("providers: {azure: {base_url: 'https://r.openai.azure.com'}}", "providers.azure.api_key", "AZURE_OPENAI_API_KEY"),
    ("providers: {azure: {api_key: k-1234}}", "providers.azure.base_url", "AZURE_OPENAI_ENDPOINT"),
    (
        "providers: {azure: {api_key: k-1234, base_url: 'https://r', api_version: soon}}",
        "providers.azure.api_version",
        "2024-10-21",
    ),
    ("providers: {bedrock: {region: us-east-1}}", "providers.bedrock.api_key", "AWS_BEARER_TOKEN_BEDROCK"),
    ("providers: {bedrock: {api_key: k-1234}}", "providers.bedrock.region", "AWS_REGION"),
    ("providers: {bedrock: {api_key: k-1234, region: us east}}", "providers.bedrock.region", "letters"),
    ("providers: {bedrock: {api_key: k-1234, region: evil.example/x}}", "providers.bedrock.region", "letters"),
    (
        "providers: {bedrock: {access_key_id: AKIA1, region: r}}",
        "providers.bedrock.secret_access_key",
        "missing beside access_key_id",
    ),
    (
        "providers: {bedrock: {api_key: k-1234, session_token: t, region: r}}",
        "providers.bedrock.access_key_id",
        "missing beside session_token",
    ),
    ("providers: {bedrock: {access_key_id: changeme}}", "providers.bedrock.access_key_id", "placeholder"),
    ("providers: {vertex: {region: global}}", "providers.vertex.service_account", "JSON, or the path"),
    (
        "providers: {vertex: {region: global, service_account: 3}}",
        "providers.vertex.service_account",
        "mapping nor a text",
    ),
    ("providers: {vertex: {service_account: /nowhere}}", "providers.vertex.service_account", "No such file"),
    ("providers: {vertex: {service_account: /nowhere}}", "providers.vertex.region", "global"),
    ("providers: {vertex: {service_account: '{}'}}", "providers.vertex.service_account", "without a good type"),
    ("providers: {vertex: {service_account: '{'}}", "providers.vertex.service_account", "not the JSON"),
    ("providers: {vertex: {api_key: k-1234}}", "providers.vertex.api_key", "for entries of type vertex"),
    ("providers: {cloudflare: {gateway_id: g}}", "providers.cloudflare.account_id", "AI_GATEWAY_ACCOUNT_ID"),
    ("providers: {cloudflare: {account_id: a}}", "providers.cloudflare.gateway_id", "AI_GATEWAY_ID"),
    ("providers: {cloudflare: {account_id: a}}", "providers.cloudflare.gateway_token", "AI_GATEWAY_TOKEN"),
    ("providers: {mine: {base_url: 'http://h'}}", "providers.mine.type", "openai_compatible"),
    ("providers: {mine: {type: openai_compatable, base_url: 'http://h'}}", "providers.mine.type", "openai_compatible"),
    ("providers: {mine: {type: openai_compatible}}", "providers.mine.base_url", "/v1"),
    ("providers: {'a b': {type: simulator}}", "providers.a b", "letters"),
    ("providers: {simulator: {base_url: 'ftp://h'}}", "providers.simulator.base_url", "http"),
    ("providers: {simulator: {base_url: 'http://u:p@h'}}", "providers.simulator.base_url", "credentials"),
    ("providers: {simulator: {base_url: 'http://h/?k=1'}}", "providers.simulator.base_url", "query"),
    ("providers: {simulator: {base_url: 'http://h:0'}}", "providers.simulator.base_url", "port"),
    ("providers: {simulator: {base_url: 'http://h:x'}}", "providers.simulator.base_url", "URL"),
    ("providers: {simulator: {base_url: 'http://'}}", "providers.simulator.base_url", "host"),
    ("providers: {simulator: {base_url: 'http://h/a b'}}", "providers.simulator.base_url", "http"),
    ("providers: {simulator: {rate_limit: 1000/min}}", "providers.simulator.rate_limit", "not available"),
    ("providers: {simulator: {weight: 2}}", "providers.simulator.weight", "not available"),
    ("providers: {simulator: {region: eu}}", "providers.simulator.region", "not available"),
    ("providers: {simulator: {models: [a, a]}}", "providers.simulator.models[1]", "twice"),
    ("providers: {simulator: {models: [a, {name: b, aliases: [a]}]}}", "providers.simulator.models[1]", "twice"),
    ("providers: {simulator: {models: [{nme: a, name: b}]}}", "providers.simulator.models[0].nme", "name"),
    ("providers: {simulator: {models: [{alias: a}]}}", "providers.simulator.models[0].name", "missing"),
    ("providers: {simulator: {models: 3}}", "providers.simulator.models", "list"),
    ("providers: {simulator: {prices: {m: {input: 1}}}}", "providers.simulator.prices.m.output", "missing"),
    (
        "providers: {simulator: {prices: {m: {input: 1, output: 1, imput: 1}}}}",
        "providers.simulator.prices.m.imput",
        "input",
    ),
    ("providers: {simulator: {timeout: {connect: 90s, total: 30s}}}", "providers.simulator.timeout.connect", "30"),
    ("providers: {simulator: {timeout: soon}}", "providers.simulator.timeout.total", "30s"),
    ("providers: {simulator: {retries: 99}}", "providers.simulator.retries", "10"),
    ("gateway: {host: '${NOT_SET}'}", "gateway.host", "NOT_SET"),
    ("gateway: {host: '${no good}'}", "gateway.host", "${NAME}"),
    ("gateway: [a, b", "", "line 1"),
    ("- a", "", "mapping"),
    ("gateway: {port: 1}\ngateway: {port: 2}", "gateway", "written twice"),
    ("1: 2", "", "quotes"),
    ("a: !!python/object/apply:os.system [echo]", "", "not YAML"),
    ("routing: {aliases: {a: &x [*x]}}", "", "too many"),
    ("a: &a [" + "x," * 50 + "]\nb: &b [" + "*a," * 50 + "]\nc: [" + "*b," * 50 + "]", "", "too many"),
    ("a: " + "[" * 20_000, "", "not YAML"),
]


@pytest.mark.parametrize(
    ("text", "path", "hint"), REFUSALS, ids=[f"{path}-{number}" for number, (_, path, _) in enumerate(REFUSALS)]
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(text: str, path: str, hint: str) -> None:
    found = problems(text)
    assert path in found, list(found)
    assert hint in str(found[path])


def test_all_problems_come_at_once_each_once_and_with_its_line() -> None:
    found = problems(
        """\
gateway:
  prot: 1
  host: ${UNSET}
providers:
  openai: {timeout: soon}
  other: 3
routing:
  fallback_chain: [openai, other, third]
  aliases: {a: b, b: a}
security: {admin_key: short}
"""
    )
    assert {path: problem.line for path, problem in found.items()} == {
        "gateway.prot": 2,
        "gateway.host": 3,
        "providers.openai.timeout.total": 5,
        "providers.openai.api_key": 5,
        "providers.other": 6,
        "routing.fallback_chain[2]": 8,
        "routing.aliases.a": 9,
        "routing.aliases.b": 9,
        "security.admin_key": 10,
    }


def test_what_is_switched_off_is_accepted() -> None:
    settings(
        """
        security: {pii_detection: false, prompt_filtering: no, audit_logging: off, encryption: null}
        caching: {semantic: false, enabled: false}
        monitoring: {grafana: false, jaeger: "off"}
        routing: {selection_strategy: ordered}
        gateway: {workers: 1, database_url: "sqlite://"}
        limits:
        """
    )


def test_a_disabled_entry_may_lack_what_this_machine_has_not() -> None:
    built = settings(
        """
        providers:
          openai: {enabled: false, api_key: "${OPENAI_API_KEY}"}
          simulator: {}
        routing: {fallback_chain: [openai, simulator]}
        """
    )
    assert [entry.name for entry in built.providers] == ["simulator"]
    assert built.routing.fallback_chain == ("simulator",)
    assert "routing.default_provider" in problems(
        "providers: {a: {type: simulator, enabled: false}}\nrouting: {default_provider: a}"
    )


def test_variables_are_replaced_as_text_and_never_read_as_yaml() -> None:
    document = "gateway: {environment: '${A}', port: '${PORT:-7000}', host: '${H:-h}-${H2:-}', version: '${V:-a:-b}'}"
    built = settings(document, A="x: {y: 1}\n# [", PORT="7001")
    assert built.gateway.environment == "x: {y: 1}\n# ["
    assert (built.gateway.port, built.gateway.host, built.gateway.version) == (7001, "h-", "a:-b")
    assert settings(document, A="a", PORT="").gateway.port == 7000


def test_a_variable_that_looks_like_a_variable_stays_as_it_is() -> None:
    assert settings("gateway: {environment: '${A}'}", A="${B}", B="b").gateway.environment == "${B}"


def test_aliases_are_followed_to_their_end() -> None:
    assert dict(settings("routing: {aliases: {a: b, b: c, c: openai/gpt-4o}}").routing.aliases) == dict.fromkeys(
        "abc", "openai/gpt-4o"
    )


# ---- the environment ------------------------------------------------------------------------------------------------


def test_provider_keys_make_entries_where_the_file_has_none() -> None:
    built = settings(OPENAI_API_KEY="k1-real", OPENAI_BASE_URL="http://fake:1/v1", ANTHROPIC_API_KEY="k2-real")
    assert [(entry.name, entry.kind, entry.base_url) for entry in built.providers] == [
        ("openai", "openai", "http://fake:1/v1"),
        ("anthropic", "anthropic", None),
    ]
    assert built.providers[0].api_key == Secret("k1-real")


@pytest.mark.parametrize(
    ("entry", "key", "base_url"),
    [
        ("openai: {}", KEY, "http://fake:1/v1"),
        ("openai: {api_key: '${OPENAI_API_KEY}'}", KEY, "http://fake:1/v1"),
        ("openai: {api_key: another-key}", "another-key", None),
        ("openai: {api_key: another-key, base_url: 'http://own/v1'}", "another-key", "http://own/v1"),
        ("openai: {base_url: 'http://fake:1/v1'}", KEY, "http://fake:1/v1"),
        ("second: {type: openai}", KEY, "http://fake:1/v1"),
        ("local: {type: openai_compatible, base_url: 'http://own/v1'}", None, "http://own/v1"),
    ],
)
def test_a_key_of_the_environment_goes_nowhere_but_where_the_environment_says(
    entry: str, key: str | None, base_url: str | None
) -> None:
    built = settings(f"providers: {{{entry}}}", OPENAI_API_KEY=KEY, OPENAI_BASE_URL="http://fake:1/v1").providers[0]
    assert (built.api_key.reveal() if built.api_key else None, built.base_url) == (key, base_url)


def test_a_key_of_the_environment_is_not_sent_to_an_address_that_the_file_names() -> None:
    found = problems("providers: {openai: {base_url: 'http://elsewhere/v1'}}", **OPENAI)
    assert "providers.openai.api_key" in found


def test_a_file_that_lists_providers_lists_them_all() -> None:
    assert [entry.name for entry in settings("providers: {simulator: }", **OPENAI).providers] == ["simulator"]


@pytest.mark.parametrize(
    "environment",
    [
        {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"},
        {"OPENAI_API_KEY": "gw_live_" + "a" * 32},
        {"OPENAI_API_KEY": ""},
    ],
)
def test_what_a_client_in_the_same_shell_uses_makes_no_provider(environment: dict[str, str]) -> None:
    assert [entry.kind for entry in settings("", **environment).providers] == ["simulator"]


ENVIRONMENT: list[tuple[str, str, tuple[str, str], Any]] = [
    ("ONEVAULT_DATA_DIR", "/d", ("gateway", "data_dir"), Path("/d")),
    ("ONEVAULT_ADMIN_KEY", ADMIN_KEY, ("security", "admin_key"), Secret(ADMIN_KEY)),
    ("ONEVAULT_MASTER_KEY", MASTER_KEY, ("security", "master_key"), Secret(MASTER_KEY)),
    ("OPENAI_MODEL", "gpt-4o", ("routing", "default_model"), "gpt-4o"),
    ("OPENAI_MAX_TOKENS", "2000", ("limits", "output_tokens_max"), 2000),
    ("AI_QUOTA_DAILY_LIMIT", "1000", ("limits", "user_daily_requests"), 1000),
    ("AI_QUOTA_MONTHLY_LIMIT", "10000", ("limits", "user_monthly_requests"), 10000),
    ("AI_QUOTA_MONTHLY_SPEND_LIMIT", "10.00", ("limits", "user_monthly_budget"), 10 * 10**9),
    ("PII_DETECTION_ENABLED", "false", ("security", "admin_key"), None),
    ("COST_TRACKING_ENABLED", "true", ("security", "admin_key"), None),
]


@pytest.mark.parametrize(("name", "value", "place", "expected"), ENVIRONMENT)
def test_the_environment_speaks_under_its_customary_names(
    name: str, value: str, place: tuple[str, str], expected: object
) -> None:
    section, field = place
    assert getattr(getattr(settings("", **{name: value}), section), field) == expected


def test_timeouts_and_retries_of_the_environment_hold_for_entries_that_do_not_say() -> None:
    built = settings(
        "providers: {a: {type: simulator}, b: {type: simulator, timeout: 7s, retries: 1}}",
        AI_GATEWAY_REQUEST_TIMEOUT="30000",
        AI_GATEWAY_MAX_RETRIES="3",
    ).providers
    assert [(entry.timeouts.total_s, entry.timeouts.first_event_s, entry.retries_max) for entry in built] == [
        (30.0, 30.0, 3),
        (7.0, 7.0, 1),
    ]


def test_names_given_for_this_process_win_over_the_file_and_others_do_not() -> None:
    text = "{gateway: {data_dir: /file}, routing: {default_model: of-the-file}}"
    built = settings(text, ONEVAULT_DATA_DIR="/environment", OPENAI_MODEL="of-the-environment")
    assert (built.gateway.data_dir, built.routing.default_model) == (Path("/environment"), "of-the-file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEVAULT_REDIS_URL", "h:6379"),
        ("ONEVAULT_QDRANT_URL", "http://h"),
        ("ONEVAULT_DATABASE_URL", "postgresql://h"),
        ("ONEVAULT_ADMIN_KEY", "changeme"),
        ("ONEVAULT_MASTER_KEY", "changeme"),
        ("PII_DETECTION_ENABLED", "true"),
        ("COST_TRACKING_ENABLED", "false"),
        ("COST_TRACKING_ENABLED", "perhaps"),
        ("OPENAI_MAX_TOKENS", "lots"),
        ("AI_GATEWAY_REQUEST_TIMEOUT", "30s"),
        ("AI_GATEWAY_MAX_RETRIES", "-1"),
        ("AI_QUOTA_MONTHLY_SPEND_LIMIT", "ten"),
    ],
)
def test_a_problem_of_the_environment_is_named_by_its_variable(name: str, value: str) -> None:
    assert list(problems("", **{name: value})) == [name]


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"AZURE_OPENAI_API_KEY": KEY}, "providers.azure.base_url"),
        ({"AWS_BEARER_TOKEN_BEDROCK": KEY}, "providers.bedrock.region"),
        ({"AI_GATEWAY_TOKEN": KEY, "AI_GATEWAY_ID": "g"}, "providers.cloudflare.account_id"),
    ],
)
def test_a_provider_that_the_environment_names_by_halves_is_a_problem(
    environment: dict[str, str], missing: str
) -> None:
    found = problems("", **environment)
    assert list(found) == [missing]
    assert KEY not in str(found)


ENTRIES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"GEMINI_API_KEY": "k-1"}, {"kind": "google", "api_key": Secret("k-1")}),
    ({"GOOGLE_API_KEY": "k-2", "GEMINI_API_KEY": "k-1"}, {"kind": "google", "api_key": Secret("k-1")}),
    ({"GOOGLE_API_KEY": "k-2"}, {"kind": "google", "api_key": Secret("k-2")}),
    (
        {
            "AZURE_OPENAI_API_KEY": "k-1",
            "AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/",
            "OPENAI_API_VERSION": "2024-10-21",
        },
        {"kind": "azure", "base_url": "https://r.openai.azure.com", "api_version": "2024-10-21"},
    ),
    (
        {"AWS_BEARER_TOKEN_BEDROCK": "k-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIA1"},
        {"kind": "bedrock", "api_key": Secret("k-1"), "region": "eu-west-1", "aws": None},
    ),
    ({"COHERE_API_KEY": "k-1"}, {"kind": "cohere"}),
    ({"CO_API_KEY": "k-1"}, {"kind": "cohere", "api_key": Secret("k-1")}),
    ({"HF_TOKEN": "hf-1"}, {"kind": "huggingface", "api_key": Secret("hf-1")}),
    ({"MISTRAL_API_KEY": "k-1"}, {"kind": "mistral"}),
    ({"GROQ_API_KEY": "k-1", "GROQ_BASE_URL": "http://g/v1"}, {"kind": "groq", "base_url": "http://g/v1"}),
    ({"OLLAMA_BASE_URL": "http://gpu:11434"}, {"kind": "ollama", "api_key": None, "base_url": "http://gpu:11434"}),
    ({"VLLM_BASE_URL": "http://gpu/v1", "VLLM_API_KEY": "k-1"}, {"kind": "vllm", "api_key": Secret("k-1")}),
    (
        {"AI_GATEWAY_ACCOUNT_ID": "a1", "AI_GATEWAY_ID": "g1", "AI_GATEWAY_TOKEN": "t1"},
        {"kind": "cloudflare", "account_id": "a1", "gateway_id": "g1", "gateway_token": Secret("t1"), "api_key": None},
    ),
    ({"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}, {"kind": "simulator"}),
    ({"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere", "GOOGLE_CLOUD_PROJECT": "p"}, {"kind": "simulator"}),
    ({"AI_GATEWAY_ID": "g1"}, {"kind": "simulator"}),
    ({"VLLM_API_KEY": "k-1"}, {"kind": "simulator"}),
]


@pytest.mark.parametrize(("environment", "expected"), ENTRIES, ids=[" ".join(names) for names, _ in ENTRIES])
def test_customary_variables_make_the_entry_that_they_mean_and_no_other(
    environment: dict[str, str], expected: dict[str, Any]
) -> None:
    (entry,) = settings("", **environment).providers
    assert entry.name == expected["kind"]
    assert {name: getattr(entry, name) for name in expected} == expected


AWS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s1", "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("entry", "environment", "expected"),
    [
        ("bedrock: {}", AWS, ("AKIA1", None, "us-east-1")),
        ("bedrock: {region: eu-west-1}", AWS, ("AKIA1", None, "eu-west-1")),
        ("bedrock: {location: eu-west-1}", AWS, ("AKIA1", None, "eu-west-1")),
        (
            "bedrock: {access_key_id: AKIA2, secret_access_key: s2}",
            AWS | {"AWS_SESSION_TOKEN": "t"},
            ("AKIA2", None, "us-east-1"),
        ),
        ("bedrock: {api_key: k-1234}", AWS, (None, "k-1234", "us-east-1")),
        ("bedrock: {}", AWS | {"AWS_BEARER_TOKEN_BEDROCK": "b-1"}, (None, "b-1", "us-east-1")),
    ],
)
def test_credentials_are_taken_together_or_not_at_all(
    entry: str, environment: dict[str, str], expected: tuple[str | None, str | None, str]
) -> None:
    (built,) = settings(f"providers: {{{entry}}}", **environment).providers
    aws, key = built.aws, built.api_key
    assert (aws.access_key_id.reveal() if aws else None, key.reveal() if key else None, built.region) == expected
    assert aws is None or aws.session_token is None


def test_the_environments_keys_do_not_sign_for_an_address_that_the_file_names() -> None:
    found = problems("providers: {bedrock: {base_url: 'http://elsewhere'}}", **AWS)
    assert list(found) == ["providers.bedrock.api_key"]


# ---- files ----------------------------------------------------------------------------------------------------------


def test_the_file_is_the_given_one_then_the_environments_then_the_directorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).source is None
    for name, port in (("given.yaml", 1), ("named.yaml", 2), ("onevault.yaml", 3)):
        (tmp_path / name).write_text(f"gateway: {{port: {port}}}")
    assert load(Path("given.yaml"), {"ONEVAULT_CONFIG": "named.yaml"}).gateway.port == 1
    assert load(None, {"ONEVAULT_CONFIG": "named.yaml"}).gateway.port == 2
    assert load(None, {}).gateway.port == 3


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"#" * (1 << 20) + b"\n#", b"a: b: c", b"\x00"])
def test_a_file_that_cannot_be_read_is_a_problem_and_no_traceback(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "onevault.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        load(path, {})
    with pytest.raises(ConfigurationError):
        load(tmp_path, {})


# ---- secrets --------------------------------------------------------------------------------------------------------


def test_no_secret_is_shown_by_settings_descriptions_or_problems() -> None:
    text = f"""
    providers: {{openai: {{api_key: {KEY}}}, c: {{type: openai_compatible, base_url: 'http://h', api_key: '{KEY}-2'}}}}
    security: {{admin_key: {ADMIN_KEY}}}
    """
    built = settings(text)
    shown = "\n".join([repr(built), str(built), *describe(built)])
    assert KEY not in shown
    assert ADMIN_KEY not in shown
    refused = problems(
        text + f"\n    gateway: {{port: x}}\n    routing: {{default_provider: y}}\n    sekurity: {{k: {KEY}}}"
    )
    assert KEY not in "\n".join(map(str, refused.values()))


def test_a_refused_key_is_not_quoted() -> None:
    for text in (
        "security: {admin_key: canary}",
        "security: {master_key: canary}",
        "providers: {openai: {api_key: 'canary canary'}}",
    ):
        assert "canary" not in "\n".join(map(str, problems(text).values()))
    assert "p4ss" not in str(problems("providers: {simulator: {base_url: 'http://u:p4ss@h'}}").values())


def test_a_secret_prints_as_stars_compares_by_its_text_and_is_not_pickled() -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {secret:>40} {[secret]}"
    assert secret == Secret(KEY)
    assert secret != Secret("other")
    assert secret.reveal() == KEY
    with pytest.raises(TypeError):
        pickle.dumps(secret)
