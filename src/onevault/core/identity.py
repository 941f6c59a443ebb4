"""Who calls, and which limits stand above them."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import NewType

import msgspec

ScopeId = NewType("ScopeId", str)
"""`tenant:ID`, `org:ID`, `team:ID`, `user:ID`, `key:ID`: anything that counts and can have a limit."""


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


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    DELETED = "deleted"


class Role(StrEnum):
    """What an admin key may do; `admin/roles.py` says which routes each has."""

    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """The isolation unit of an installation, with the limits over all its organizations. Money in nanos; None is no limit.

    Its days and months are those in which each call counts: the calendar of the call's organization.
    """

    tenant_id: str
    status: Status = Status.ACTIVE
    monthly_budget: int | None = None
    daily_budget: int | None = None
    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    created_at_ms: int = 0
    version: int = 1


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """A customer of a tenant. Money in nanos; None is no limit."""

    org_id: str
    tenant_id: str
    name: str
    status: Status = Status.ACTIVE
    monthly_budget: int | None = None
    daily_budget: int | None = None
    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    time_zone: str = "UTC"
    failure_mode: str = "fail_closed"
    fallback_daily_limit: int | None = None
    compliance_level: str = "NONE"
    priority_tier: str = "STANDARD"
    webhook_url: str | None = None
    created_at_ms: int = 0
    version: int = 1


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace of an organization: a limit over the users in it."""

    team_id: str
    org_id: str
    name: str
    status: Status = Status.ACTIVE
    monthly_limit: int | None = None
    daily_limit: int | None = None
    daily_request_limit: int | None = None
    monthly_request_limit: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    created_at_ms: int = 0
    version: int = 1


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person or service in an organization, and in one of its teams or in none."""

    user_id: str
    org_id: str
    email: str
    team_id: str | None = None
    status: Status = Status.ACTIVE
    monthly_limit: int | None = None
    daily_limit: int | None = None
    daily_request_limit: int | None = None
    monthly_request_limit: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    created_at_ms: int = 0
    version: int = 1


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
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
    monthly_limit: int | None = None
    daily_limit: int | None = None
    daily_request_limit: int | None = None
    monthly_request_limit: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    created_at_ms: int = 0
    version: int = 1


class AdminKey(msgspec.Struct, frozen=True, kw_only=True):
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

    @property
    def has_budget(self) -> bool:
        return any(limit.metric is Metric.MONEY for limit in self.limits)
