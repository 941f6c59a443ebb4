"""Whatever stands in a file, the outcome is settings or a list of problems, and never another exception."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from onevault.config.describe import describe
from onevault.config.document import parsed
from onevault.config.load import settings_from
from onevault.config.problems import ConfigurationError, Problem

WORDS = [
    "gateway", "providers", "security", "routing", "caching", "monitoring", "limits", "tenants", "openai", "simulator", "enabled",
    "type", "api_key", "base_url", "url", "models", "name", "alias", "aliases", "prices", "input", "output", "timeout", "timeouts",
    "total", "connect", "retries", "port", "host", "data_dir", "database_url", "admin_key", "master_key", "fallback_chain",
    "region", "location", "project", "api_version", "account_id", "gateway_id", "gateway_token", "access_key_id", "service_account",
    "secret_access_key", "session_token", "azure", "bedrock", "vertex", "cloudflare", "groq", "google", "ollama", "2024-10-21", "global",
    "default_provider", "default_model", "max_cost_per_day", "max_requests_per_minute", "id", "time_zone", "openai_compatible",
    "sqlite:///x", "http://h", "http://[::1", "//", "${X}", "${", "${Y:-z}", "30s", "1/min", "32MiB", "true", "off", "a", "",
    "\x00", "9" * 30, "UTC", "/", "..", "1e9", "nan",
]  # fmt: skip

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=20))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)),
    max_leaves=25,
)
sections = st.dictionaries(st.sampled_from(WORDS[:8]), values, max_size=6)
entries = st.fixed_dictionaries(
    {"providers": st.dictionaries(st.sampled_from(WORDS), values, max_size=4), "routing": values}
)
environments = st.dictionaries(
    st.sampled_from(
        [
            "X",
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "ONEVAULT_DATABASE_URL",
            "ONEVAULT_ADMIN_KEY",
            "OPENAI_MAX_TOKENS",
            "AZURE_OPENAI_API_KEY",
            "AZURE_OPENAI_ENDPOINT",
            "OPENAI_API_VERSION",
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AI_GATEWAY_TOKEN",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "OLLAMA_BASE_URL",
        ]
    ),
    st.one_of(st.sampled_from(WORDS), st.text(max_size=20)),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(sections, entries), environments)
def test_any_document_gives_settings_or_problems(document: dict[str, Any], environment: dict[str, str]) -> None:
    found: list[Problem] | None = None
    try:
        built = settings_from(document, environment)
    except ConfigurationError as refusal:
        found = refusal.problems
    if found is None:
        assert describe(built)
    else:
        assert len({problem.path for problem in found}) == len(found) > 0


@given(
    st.one_of(
        st.text(),
        st.lists(
            st.sampled_from([*WORDS, ": ", "\n", "- ", "  ", "{", "}", "[", "]", "&a", "*a", "<<: *a", "!!", "|", "'"])
        ).map("".join),
    )
)
def test_any_text_is_a_document_or_a_problem(text: str) -> None:
    try:
        document, lines = parsed(text)
    except ConfigurationError as refusal:
        document, lines = {}, {"": len(refusal.problems)}
    assert all(isinstance(key, str) for key in document)
    assert all(number >= 1 for number in lines.values())
