"""How each kind of entity of the directory is kept: which hub and satellite, which column each field has, what must be unique."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import Any
from unicodedata import normalize

import msgspec
from sqlalchemy import Table

from onevault.core.directory import Entity
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    DataKey,
    Organization,
    ProviderKey,
    Role,
    Status,
    TargetLimits,
    Team,
    Tenant,
    User,
    Webhook,
)
from onevault.stores.sql.schema import secrets, webhooks, who

_MONEY = frozenset(
    {
        *("monthly_budget", "daily_budget", "total_budget", "monthly_limit", "daily_limit", "total_limit"),
        "max_cost_per_request",
    },
)
_STATUS = {status.value: status for status in Status}
_ROLES = {role.value: role for role in Role}
_WORDS = ("time_zone", "failure_mode", "compliance_level", "priority_tier", "team_id", "name")
"""Texts that many entities share."""
_LISTS = ("allowed_models", "allowed_providers", "allowed_addresses", "kinds")
_NUMBERS = ("thresholds",)
_TARGETS = ("provider_limits", "model_limits")


@dataclass(frozen=True, slots=True)
class Kept:
    """Where one kind of entity lives. `unique` is the field that no other living entity of the same parent may share
    (of any parent, where `unique_everywhere`), and the column that it is compared by; empty where there is none. A tenant is its
    own parent: nothing stands above it."""

    kind: str
    struct: type[Entity]
    hub: Table
    satellite: Table
    id_field: str
    parent_field: str
    parent_hub: Table
    unique_field: str = ""
    unique_column: str = ""
    unique_everywhere: bool = False
    audited_as: str = ""
    """What the audit calls it, where that is not `kind`."""
    gives_way: frozenset[Status] = frozenset({Status.DELETED})
    """With which status it holds what is unique no longer."""

    @property
    def told_as(self) -> str:
        """What the audit calls it."""
        return self.audited_as or self.kind

    @property
    def key_column(self) -> str:
        return f"{self.kind}_hk"

    @property
    def parent_column(self) -> str:
        return "tenant_hk" if self.hub is self.parent_hub else self.hub.columns.keys()[2]

    @property
    def fields(self) -> tuple[str, ...]:
        """The entity's fields that its satellite keeps."""
        return tuple(name for name in self.struct.__struct_fields__ if name not in {self.id_field, self.parent_field})

    def column_of(self, field: str) -> str:
        return f"{field}_nanos" if field in _MONEY else field

    def values(self, entity: Entity) -> dict[str, Any]:
        """The satellite's columns for an entity."""
        values = {self.column_of(field): getattr(entity, field) for field in self.fields}
        values["status"] = entity.status.value
        if self.unique_column and self.unique_column not in values:
            values[self.unique_column] = self.unique_value(entity)
        for name in _LISTS + _NUMBERS:
            if values.get(name) is not None:
                values[name] = list(values[name])
        for name in _TARGETS:
            if values.get(name) is not None:
                values[name] = msgspec.to_builtins(values[name])
        if isinstance(entity, AdminKey):
            values["role"] = entity.role.value
        return values

    def unique_value(self, entity: Entity) -> str | bytes:
        value: str | bytes = getattr(entity, self.unique_field)
        return folded(value) if isinstance(value, str) else value


def folded(text: str) -> str:
    """A name or an e-mail address as it is compared: people do not tell `Ann@x.org` from `ann@x.org`."""
    return normalize("NFC", text).strip().casefold()


TENANT = Kept("tenant", Tenant, who.tenant_h, who.tenant_s, "tenant_id", "tenant_id", who.tenant_h)
ORGANIZATION = Kept(
    "customer", Organization, who.customer_h, who.customer_s, "org_id", "tenant_id", who.tenant_h, "name", "name_folded"
)
TEAM = Kept("team", Team, who.team_h, who.team_s, "team_id", "org_id", who.customer_h, "name", "name_folded")
USER = Kept("user", User, who.user_h, who.user_s, "user_id", "org_id", who.customer_h, "email", "email_folded")
API_KEY = Kept(
    "api_key",
    ApiKey,
    who.api_key_h,
    who.api_key_s,
    "key_id",
    "user_id",
    who.user_h,
    "sha256",
    "sha256",
    unique_everywhere=True,
)
ADMIN_KEY = Kept(
    "admin_key",
    AdminKey,
    who.admin_key_h,
    who.admin_key_s,
    "admin_key_id",
    "tenant_id",
    who.tenant_h,
    "sha256",
    "sha256",
    unique_everywhere=True,
)
PROVIDER_KEY = Kept(
    "customer_provider_key",
    ProviderKey,
    secrets.customer_provider_keys_h,
    secrets.customer_provider_keys_detail_s,
    "provider_key_id",
    "org_id",
    who.customer_h,
    "slot",
    "slot",
    audited_as="provider_key",
    gives_way=frozenset({Status.REVOKED, Status.EXPIRED}),
)
DATA_KEY = Kept("data_key", DataKey, secrets.data_key_h, secrets.data_key_s, "data_key_id", "tenant_id", who.tenant_h)
WEBHOOK = Kept("webhook", Webhook, webhooks.webhook_h, webhooks.webhook_s, "webhook_id", "org_id", who.customer_h)
ALL = (ORGANIZATION, USER, API_KEY, TEAM, TENANT, ADMIN_KEY, PROVIDER_KEY, DATA_KEY, WEBHOOK)
"""In the order of a snapshot's fields."""


def _target_limits(document: Any) -> TargetLimits | None:
    """JSON as SQLite gives it, or what PostgreSQL has decoded; a JSON null is none."""
    if isinstance(document, str):
        return msgspec.json.decode(document, type=TargetLimits | None)
    return msgspec.convert(document, TargetLimits)


def kept(entity: Entity) -> Kept:
    """Where this entity lives."""
    return next(where for where in ALL if isinstance(entity, where.struct))


def reader(where: Kept) -> Callable[[tuple[Any, ...]], Entity]:
    """A function from a raw row (id, parent's id, then `where.fields`) to the entity: 100,000 in a blink."""
    names = (where.id_field, where.parent_field, *where.fields)
    struct: Callable[..., Entity] = where.struct
    status = names.index("status")
    lists = tuple(names.index(name) for name in _LISTS if name in names)
    numbers = tuple(names.index(name) for name in _NUMBERS if name in names)
    targets = tuple(names.index(name) for name in _TARGETS if name in names)
    role = names.index("role") if "role" in names else None
    test = names.index("test") if "test" in names else None
    words = tuple(names.index(name) for name in _WORDS if name in names)

    def read(row: tuple[Any, ...]) -> Entity:
        values = list(row)
        values[status] = _STATUS[values[status]]
        for position in lists:
            if values[position] is not None:
                values[position] = (
                    _texts(values[position]) if isinstance(values[position], str) else tuple(values[position])
                )
        for position in numbers:
            if values[position] is not None:
                values[position] = _whole_numbers(values[position])
        for position in targets:
            if values[position] is not None:
                values[position] = _target_limits(values[position])
        if role is not None:
            values[role] = _ROLES[values[role]]
        if test is not None:
            values[test] = bool(values[test])
        for position in words:
            if values[position] is not None:
                values[position] = intern(values[position])
        return struct(**dict(zip(names, values, strict=True)))

    return read


def _whole_numbers(document: Any) -> tuple[int, ...] | None:
    """As `_target_limits`."""
    if isinstance(document, str):
        return msgspec.json.decode(document, type=tuple[int, ...] | None)
    return tuple(document)


@lru_cache(maxsize=4096)
def _texts(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def for_audit(entity: Entity) -> dict[str, Any]:
    """An entity as the audit shows it: without a key's digest, and of a webhook only where it goes (its path is often a secret)."""
    shown: dict[str, Any] = msgspec.to_builtins(entity, builtin_types=(bytes,))
    for name in ("sha256", "sealed", "previous_sealed", "wrapped"):
        shown.pop(name, None)
    for name in ("webhook_url", "url"):
        if shown.get(name):
            scheme, _, rest = shown[name].partition("://")
            host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
            shown[name] = f"{scheme}://{host}/…"
    return shown
