"""Who calls, and which limits stand above them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import NewType

import msgspec

ScopeId = NewType("ScopeId", str)
"""`tenant:ID`, `org:ID`, `team:ID`, `user:ID`, `key:ID`: anything that counts and can have a limit. Each of them for one provider or one
model alone: `org:ID|provider:NAME`, `org:ID|model:NAME`; these count only where such a limit is set."""


class Metric(StrEnum):
    """What a limit counts. Money is in nanos."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    MONEY = "money"
    CONCURRENCY = "concurrency"


class Window(StrEnum):
    """Over which time. A minute slides; days and months are the calendar's in the organization's time zone."""

    NOW = "now"
    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class Limit(msgspec.Struct, frozen=True):
    scope: ScopeId
    metric: Metric
    window: Window
    maximum: int


class LimitSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits of a scope for one provider or one model. Money in nanos; None is no limit. `max_cost_per_request` is for one call."""

    max_cost_per_request: int | None = None
    daily_limit: int | None = None
    monthly_limit: int | None = None
    total_limit: int | None = None
    daily_request_limit: int | None = None
    monthly_request_limit: int | None = None
    daily_token_limit: int | None = None
    monthly_token_limit: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


TargetLimits = dict[str, LimitSet]
"""By the name of a provider entry, or by a model (`gpt-4o`, or `openai/gpt-4o` at one provider)."""


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    DELETED = "deleted"
    EXPIRED = "expired"
    """Of a provider key whose time is over."""


class Role(StrEnum):
    """What an admin key may do; `admin/roles.py` says which routes each has."""

    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Limited(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The limits of everything that can have some. Money in nanos; None is no limit.

    Of what derives from it, the own fields are not `kw_only`: so msgspec keeps them before these, where `core/packed.py` reads them.
    """

    max_cost_per_request: int | None = None
    daily_request_limit: int | None = None
    monthly_request_limit: int | None = None
    daily_token_limit: int | None = None
    monthly_token_limit: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    provider_limits: TargetLimits | None = None
    model_limits: TargetLimits | None = None


class Budgets(Limited, frozen=True, kw_only=True, gc=False):
    """The limits of tenants and organizations."""

    daily_budget: int | None = None
    monthly_budget: int | None = None
    total_budget: int | None = None


class Limits(Limited, frozen=True, kw_only=True, gc=False):
    """The limits of teams, users and keys."""

    daily_limit: int | None = None
    monthly_limit: int | None = None
    total_limit: int | None = None


class Tenant(Budgets, frozen=True, gc=False):
    """The isolation unit of an installation, with the limits over all its organizations.

    Its days and months are those in which each call counts: the calendar of the call's organization.
    """

    tenant_id: str
    status: Status = Status.ACTIVE
    created_at_ms: int = 0
    version: int = 1


class Organization(Budgets, frozen=True, gc=False):
    """A customer of a tenant."""

    org_id: str
    tenant_id: str
    name: str
    status: Status = Status.ACTIVE
    time_zone: str = "UTC"
    failure_mode: str = "fail_closed"
    fallback_daily_limit: int | None = None
    compliance_level: str = "NONE"
    priority_tier: str = "STANDARD"
    webhook_url: str | None = None
    created_at_ms: int = 0
    version: int = 1
    byok: str | None = None
    """What becomes of its own provider keys: `preferred` (None, too), `required` or `off`."""
    thresholds: tuple[int, ...] | None = None
    """At which per cent of its limits events are told; None: those of the configuration."""


class Team(Limits, frozen=True, gc=False):
    """A workspace of an organization: a limit over the users in it."""

    team_id: str
    org_id: str
    name: str
    status: Status = Status.ACTIVE
    created_at_ms: int = 0
    version: int = 1


class User(Limits, frozen=True, gc=False):
    """A person or service in an organization, and in one of its teams or in none."""

    user_id: str
    org_id: str
    email: str
    team_id: str | None = None
    status: Status = Status.ACTIVE
    created_at_ms: int = 0
    version: int = 1


class ApiKey(Limits, frozen=True, gc=False):
    """A key of a user. Only the SHA-256 of its text is known, and the first characters to tell keys apart.

    `allowed_providers` are names of provider entries, `allowed_addresses` networks (`192.0.2.0/24`, `2001:db8::/32`); None: any.
    `counts_as` is the first of the keys that this one replaced: they count in one scope, so replacing a key grants nothing.
    """

    key_id: str
    user_id: str
    sha256: bytes
    prefix: str
    name: str = ""
    status: Status = Status.ACTIVE
    test: bool = False
    expires_at_ms: int | None = None
    allowed_models: tuple[str, ...] | None = None
    allowed_providers: tuple[str, ...] | None = None
    allowed_addresses: tuple[str, ...] | None = None
    counts_as: str | None = None
    created_at_ms: int = 0
    version: int = 1


class AdminKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key to the admin API. `org_id` None: the whole tenant; else nothing outside this organization exists for it."""

    admin_key_id: str
    tenant_id: str
    sha256: bytes
    prefix: str
    name: str
    role: Role
    org_id: str | None = None
    status: Status = Status.ACTIVE
    expires_at_ms: int | None = None
    created_at_ms: int = 0
    version: int = 1


class DataKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that a tenant's secrets are sealed with, itself wrapped by the key that `encryption_key_id` names."""

    data_key_id: str
    tenant_id: str
    wrapped: bytes
    encryption_key_id: str
    status: Status = Status.ACTIVE
    """Revoked: nothing is sealed with it any more."""
    created_at_ms: int = 0
    version: int = 1


class ProviderKey(msgspec.Struct, frozen=True, kw_only=True):
    """A credential for a provider entry, which its customer brings (BYOK) or the operator keeps in the vault instead of a file.

    `org_id` is that of the customer, or `of_tenant(…)`. `sealed` opens with the tenant's data key, which `encryption_key_id` wraps.
    `tail` is shown to people (4 characters at most), `fingerprint` tells equal credentials. Money in nanos; None is no limit.
    """

    provider_key_id: str
    org_id: str
    provider: str
    credential: str
    """Which kind it is: `api_key`, `aws` or `service_account`."""
    sealed: bytes
    encryption_key_id: str
    tail: str
    fingerprint: str
    name: str = ""
    status: Status = Status.ACTIVE
    expires_at_ms: int | None = None
    allowed_models: tuple[str, ...] | None = None
    daily_limit: int | None = None
    monthly_limit: int | None = None
    last_validated_ms: int | None = None
    created_at_ms: int = 0
    version: int = 1

    @property
    def slot(self) -> bytes:
        """Of which there is one at a time: a customer's key for a provider entry, the operator's of a name."""
        return hashlib.sha256((self.name if is_of_tenant(self.org_id) else self.provider).encode()).digest()

    def works_at(self, now_ms: int) -> bool:
        return self.status is Status.ACTIVE and (self.expires_at_ms is None or now_ms < self.expires_at_ms)


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where events are sent: all those of the organization `org_id`, or of the whole tenant (`of_tenant(…)`); of these only the
    `kinds` (None: all). Suspended: nothing is sent. `sealed` is what deliveries are signed with, and until `previous_until_ms`
    `previous_sealed` beside it; both open with the tenant's data key."""

    webhook_id: str
    org_id: str
    url: str
    sealed: bytes
    name: str = ""
    kinds: tuple[str, ...] | None = None
    status: Status = Status.ACTIVE
    previous_sealed: bytes | None = None
    previous_until_ms: int | None = None
    created_at_ms: int = 0
    version: int = 1


def of_tenant(tenant_id: str) -> str:
    """What stands in place of an organization where something belongs to the whole tenant; no organization is called so."""
    return f"(tenant {tenant_id})"


def tenant_of(org_id: str) -> str:
    """The tenant that `of_tenant` names."""
    return org_id.removeprefix("(tenant ").removesuffix(")")


def is_of_tenant(org_id: str) -> bool:
    return org_id.startswith("(tenant ")


class OwnKey(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's own provider key as a call is made with it: in which scopes the call then counts, and under which limits."""

    provider_key_id: str
    allowed_models: frozenset[str] | None
    scopes: tuple[ScopeId, ...]
    limits: tuple[Limit, ...]


class TargetScope(msgspec.Struct, frozen=True):
    """A scope of the caller's for one provider or one model, with its limits. `names` are those of what it is for."""

    scope: ScopeId
    is_model: bool
    name: str
    limits: tuple[Limit, ...]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller, resolved once per change of configuration and not per call.

    `scopes` are every scope the call counts in (key, user, team, organization, tenant); `limits` all limits that any of them
    sets. `allowed_networks` are where it may call from; None: from anywhere.
    """

    tenant_id: str
    org_id: str
    user_id: str
    key_id: str
    test: bool
    time_zone: str
    scopes: tuple[ScopeId, ...]
    limits: tuple[Limit, ...]
    expires_at_ms: int | None = None
    allowed_models: frozenset[str] | None = None
    allowed_providers: frozenset[str] | None = None
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] | None = None
    team_id: str | None = None
    own_keys: Mapping[str, OwnKey] = {}  # msgspec copies mutable defaults
    """The customer's own provider keys by provider entry."""
    own_keys_only: bool = False
    """Nothing but those may be used."""
    at_targets: tuple[TargetScope, ...] = ()
    """The scopes in which calls count beside `scopes` where they go to a certain provider or model."""

    def scopes_at(self, provider: str, credential: str) -> tuple[ScopeId, ...]:
        """The scopes in which a call counts that is made with this credential ("": the gateway's)."""
        return self.own_keys[provider].scopes if credential else self.scopes

    def limits_at(self, provider: str, credential: str) -> tuple[Limit, ...]:
        """The limits of such a call."""
        return self.own_keys[provider].limits if credential else self.limits

    @property
    def has_budget(self) -> bool:
        return any(limit.metric is Metric.MONEY for limit in self.limits)
