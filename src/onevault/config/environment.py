"""Adds to a document what the environment says, under the names that deployments and providers' SDKs customarily use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onevault.config.kinds import KINDS, KindNeeds
from onevault.config.problems import Problem
from onevault.config.quantities import Refused, flag
from onevault.config.written import NOT_AVAILABLE


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A name in the environment and the place in the file that it stands for. `wins`: it is given for this process and replaces
    what the file says; otherwise the file replaces it. `suffix` is the unit that the value is understood in."""

    name: str
    path: tuple[str, str]
    wins: bool = False
    suffix: str = ""


VARIABLES: Final = (
    Variable(name="ONEVAULT_DATA_DIR", path=("gateway", "data_dir"), wins=True),
    Variable(name="ONEVAULT_DATABASE_URL", path=("gateway", "database_url"), wins=True),
    Variable(name="ONEVAULT_REDIS_URL", path=("gateway", "redis_url"), wins=True),
    Variable(name="ONEVAULT_QDRANT_URL", path=("gateway", "qdrant_url"), wins=True),
    Variable(name="ONEVAULT_ADMIN_KEY", path=("security", "admin_key"), wins=True),
    Variable(name="ONEVAULT_MASTER_KEY", path=("security", "master_key"), wins=True),
    Variable(name="PII_DETECTION_ENABLED", path=("security", "pii_detection"), wins=True),
    Variable(name="OPENAI_MODEL", path=("routing", "default_model")),
    Variable(name="OPENAI_MAX_TOKENS", path=("limits", "max_tokens_per_request")),
    Variable(name="AI_GATEWAY_REQUEST_TIMEOUT", path=("routing", "timeout"), suffix="ms"),
    Variable(name="AI_GATEWAY_MAX_RETRIES", path=("routing", "retries")),
    Variable(name="AI_QUOTA_DAILY_LIMIT", path=("limits", "max_requests_per_day")),
    Variable(name="AI_QUOTA_MONTHLY_LIMIT", path=("limits", "max_requests_per_month")),
    Variable(name="AI_QUOTA_MONTHLY_SPEND_LIMIT", path=("limits", "max_cost_per_month")),
)

CLOUDFLARE: Final = ("AI_GATEWAY_ACCOUNT_ID", "AI_GATEWAY_ID", "AI_GATEWAY_TOKEN")
GATEWAY_KEY_PREFIXES: Final = ("gw_live_", "gw_test_")
"""A provider's variable that holds one of our own keys belongs to a client of this gateway in the same shell, not to us."""


def overlaid(
    document: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[Problem]]:
    """The document with the environment's part in it, the name of the variable that each such path came from, and problems.

    An empty variable counts as unset. Sections that are no mappings are left as they are, to be refused later.
    """
    merged = {section: dict(values) if isinstance(values, Mapping) else values for section, values in document.items()}
    origins: dict[str, str] = {}
    for variable in VARIABLES:
        section, field = variable.path
        value = environment.get(variable.name, "").strip()
        if merged.get(section) is None:
            merged[section] = {}
        if not value or not isinstance(merged[section], dict):
            continue
        if variable.wins or merged[section].get(field) is None:
            merged[section][field] = value + variable.suffix
            origins[f"{section}.{field}"] = variable.name
    _add_providers(merged, environment, origins)
    return merged, origins, _refused(environment)


def _refused(environment: Mapping[str, str]) -> list[Problem]:
    problems = [
        Problem(name, f"{NOT_AVAILABLE}: Cloudflare AI Gateway as a provider", "nothing")
        for name in CLOUDFLARE
        if environment.get(name)
    ]
    if written := environment.get("COST_TRACKING_ENABLED"):
        try:
            if not flag(written):
                problems.append(
                    Problem("COST_TRACKING_ENABLED", "cost tracking cannot be switched off", "true, or nothing")
                )
        except Refused as refusal:
            problems.append(Problem("COST_TRACKING_ENABLED", str(refusal), refusal.expected))
    return problems


def _add_providers(document: dict[str, Any], environment: Mapping[str, str], origins: dict[str, str]) -> None:
    """Creates entries where the file has none; where it has some, only completes those that it lists."""
    entries = document.get("providers")
    if not entries:
        entries = {
            kind: {}
            for kind, needs in KINDS.items()
            if needs.key_variable and _provider_key(environment, needs.key_variable)
        }
    if not isinstance(entries, Mapping):
        return
    completed: dict[str, Any] = {}
    for name, written in entries.items():
        entry = written if written is not None else {}
        if isinstance(entry, Mapping) and (needs := KINDS.get(str(entry.get("type") or name))) is not None:
            entry = _completed(dict(entry), f"providers.{name}", needs, environment=environment, origins=origins)
        completed[name] = entry
    document["providers"] = completed


def _completed(
    entry: dict[str, Any], path: str, needs: KindNeeds, *, environment: Mapping[str, str], origins: dict[str, str]
) -> dict[str, Any]:
    """An entry with the key and address that the provider's own SDK would take. A key from the environment goes only to the
    address from the environment or the provider's own, never to another one that the file names, and the other way round."""
    key = _provider_key(environment, needs.key_variable)
    if key is None:
        return entry
    base_url = environment.get(needs.base_url_variable or "", "").strip()
    addressed = entry.get("base_url") or entry.get("url")
    if not entry.get("api_key") and addressed in (None, base_url):
        entry["api_key"] = key
        origins[f"{path}.api_key"] = str(needs.key_variable)
    if addressed is None and base_url and entry.get("api_key") == key:
        entry["base_url"] = base_url
        origins[f"{path}.base_url"] = str(needs.base_url_variable)
    return entry


def _provider_key(environment: Mapping[str, str], name: str | None) -> str | None:
    key = environment.get(name or "", "").strip()
    return key if key and not key.startswith(GATEWAY_KEY_PREFIXES) else None
