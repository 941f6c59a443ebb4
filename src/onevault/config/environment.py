"""Adds to a document what the environment says, under the names that deployments and providers' SDKs customarily use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onevault.config.kinds import KINDS
from onevault.config.problems import Problem
from onevault.config.provider_kind import PLACES, SECRETS, ProviderKind
from onevault.config.quantities import Refused, flag


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
    Variable(name="ONEVAULT_MASTER_KEY_PREVIOUS", path=("security", "master_key_previous"), wins=True),
    Variable(name="PII_DETECTION_ENABLED", path=("security", "pii_detection"), wins=True),
    Variable(name="OPENAI_MODEL", path=("routing", "default_model")),
    Variable(name="OPENAI_MAX_TOKENS", path=("limits", "max_tokens_per_request")),
    Variable(name="AI_GATEWAY_REQUEST_TIMEOUT", path=("routing", "timeout"), suffix="ms"),
    Variable(name="AI_GATEWAY_MAX_RETRIES", path=("routing", "retries")),
    Variable(name="AI_QUOTA_DAILY_LIMIT", path=("limits", "max_requests_per_day")),
    Variable(name="AI_QUOTA_MONTHLY_LIMIT", path=("limits", "max_requests_per_month")),
    Variable(name="AI_QUOTA_MONTHLY_SPEND_LIMIT", path=("limits", "max_cost_per_month")),
)

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
    if written := environment.get("COST_TRACKING_ENABLED"):
        try:
            if not flag(written):
                return [Problem("COST_TRACKING_ENABLED", "cost tracking cannot be switched off", "true, or nothing")]
        except Refused as refusal:
            return [Problem("COST_TRACKING_ENABLED", str(refusal), refusal.expected)]
    return []


def _add_providers(document: dict[str, Any], environment: Mapping[str, str], origins: dict[str, str]) -> None:
    """Creates entries where the file has none; where it has some, only completes those that it lists."""
    entries = document.get("providers")
    if not entries:
        entries = {name: {} for name, kind in KINDS.items() if _variable(kind, kind.made_by, environment)}
    if not isinstance(entries, Mapping):
        return
    completed: dict[str, Any] = {}
    for name, written in entries.items():
        entry = written if written is not None else {}
        if isinstance(entry, Mapping) and (kind := KINDS.get(str(entry.get("type") or name))) is not None:
            entry = _completed(dict(entry), f"providers.{name}", kind, environment=environment, origins=origins)
        completed[name] = entry
    document["providers"] = completed


def _completed(
    entry: dict[str, Any], path: str, kind: ProviderKind, *, environment: Mapping[str, str], origins: dict[str, str]
) -> dict[str, Any]:
    """An entry with the credential and address that the provider's own SDK would take. A credential from the environment goes
    only to the address from the environment or the provider's own, never to another one that the file names, and the other way
    round: an address from the environment gets no credential but the environment's."""
    found = {name: said for name in kind.variables if (said := _variable(kind, name, environment)) is not None}
    address = found.get("base_url")
    said = entry.get("base_url") or entry.get("url")
    same = said is None or (address is not None and str(said).rstrip("/") == address[1].rstrip("/"))
    secrets = [name for name in SECRETS if name in kind.variables]
    held = {name for name in secrets if entry.get(name)}
    from_environment = {name for name in held if name in found and entry[name] == found[name][1]}
    taken: list[str] = []
    if not held and same:
        taken = ["api_key"] if "api_key" in found else [name for name in secrets if name in found]
    keyless = not any(need for need in kind.needs if not set(secrets).isdisjoint(need.fields))
    if said is None and address is not None and (taken or from_environment or (keyless and not held)):
        taken.append("base_url")
    taken += [name for name in PLACES if name in found and not _says(entry, name, of_its_own=bool(held))]
    for name in taken:
        variable, value = found[name]
        entry[name] = value
        origins[f"{path}.{name}"] = variable
    return entry


def _says(entry: Mapping[str, Any], place: str, *, of_its_own: bool) -> bool:
    """Whether an entry says which part of a provider it means; a service account of its own has its project with it."""
    spellings = ("region", "location") if place == "region" else (place,)
    return any(entry.get(name) for name in spellings) or (place == "project" and of_its_own)


def _variable(kind: ProviderKind, field: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that says a field of a kind, and its value. None where none is set, or where it is a key of this gateway."""
    for name in kind.variables.get(field, ()):
        value = environment.get(name, "").strip()
        if value and not value.startswith(GATEWAY_KEY_PREFIXES):
            return name, value
    return None
