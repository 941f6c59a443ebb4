"""Decides who a key stands for and which limits stand above it, or why it is refused."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import (
    ApiKey,
    Limit,
    Metric,
    Organization,
    Principal,
    ScopeId,
    Status,
    User,
    Window,
)
from onevault.core.keys import is_key_text, key_sha256
from onevault.core.ports import Snapshot

Entity = Organization | User | ApiKey

UNKNOWN = "The API key is not known here. Check for a missing character, or ask your administrator for a key."
ABSENT = "An API key is needed: send it as `Authorization: Bearer gw_live_…`."
MISSHAPEN = "This is not an API key of this gateway: those begin with `gw_live_` or `gw_test_`."
EXPIRED = "This API key has expired."


class DefaultLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a key or a user that has no limit of its own of the kind. None: no limit. Money in nanos."""

    key_requests_per_minute: int | None = None
    key_concurrent_requests: int | None = None
    user_daily_requests: int | None = None
    user_monthly_requests: int | None = None
    user_monthly_budget: int | None = None


NO_DEFAULTS = DefaultLimits()


class Refusal(msgspec.Struct, frozen=True):
    """Why a known key is not let in. Its holder is told: who presents the whole secret learns nothing to guess by."""

    message: str


def organization_scope(org_id: str) -> ScopeId:
    return ScopeId(f"org:{org_id}")


def user_scope(user_id: str) -> ScopeId:
    return ScopeId(f"user:{user_id}")


def key_scope(key_id: str) -> ScopeId:
    return ScopeId(f"key:{key_id}")


def organization_limits(organization: Organization) -> tuple[Limit, ...]:
    """The limits that an organization sets."""
    return _limits(
        organization_scope(organization.org_id),
        (Metric.MONEY, Window.DAY, organization.daily_budget),
        (Metric.MONEY, Window.MONTH, organization.monthly_budget),
        (Metric.REQUESTS, Window.MINUTE, organization.requests_per_minute),
        (Metric.CONCURRENCY, Window.NOW, organization.concurrent_requests),
    )


def user_limits(user: User, defaults: DefaultLimits = NO_DEFAULTS) -> tuple[Limit, ...]:
    """The limits that a user has, its own or the default ones."""
    return _limits(
        user_scope(user.user_id),
        (Metric.MONEY, Window.DAY, user.daily_limit),
        (Metric.MONEY, Window.MONTH, _own_or(user.monthly_limit, defaults.user_monthly_budget)),
        (Metric.REQUESTS, Window.DAY, _own_or(user.daily_request_limit, defaults.user_daily_requests)),
        (Metric.REQUESTS, Window.MONTH, _own_or(user.monthly_request_limit, defaults.user_monthly_requests)),
        (Metric.REQUESTS, Window.MINUTE, user.requests_per_minute),
        (Metric.TOKENS, Window.MINUTE, user.tokens_per_minute),
        (Metric.CONCURRENCY, Window.NOW, user.concurrent_requests),
    )


def key_limits(key: ApiKey, defaults: DefaultLimits = NO_DEFAULTS) -> tuple[Limit, ...]:
    """The limits that a key has, its own or the default ones."""
    return _limits(
        key_scope(key.key_id),
        (Metric.MONEY, Window.DAY, key.daily_limit),
        (Metric.MONEY, Window.MONTH, key.monthly_limit),
        (Metric.REQUESTS, Window.DAY, key.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, key.monthly_request_limit),
        (Metric.REQUESTS, Window.MINUTE, _own_or(key.requests_per_minute, defaults.key_requests_per_minute)),
        (Metric.TOKENS, Window.MINUTE, key.tokens_per_minute),
        (Metric.CONCURRENCY, Window.NOW, _own_or(key.concurrent_requests, defaults.key_concurrent_requests)),
    )


def _own_or(own: int | None, default: int | None) -> int | None:
    return default if own is None else own


def _limits(scope: ScopeId, *rows: tuple[Metric, Window, int | None]) -> tuple[Limit, ...]:
    return tuple(
        Limit(scope=scope, metric=metric, window=window, maximum=maximum)
        for metric, window, maximum in rows
        if maximum is not None
    )


def resolve(
    key: ApiKey, user: User | None, *, organization: Organization | None, defaults: DefaultLimits = NO_DEFAULTS
) -> Principal | Refusal:
    """The principal of a key whose user and organization are active like itself; the first reason against it otherwise."""
    if key.status is not Status.ACTIVE:
        return Refusal(f"This API key is {key.status.value}.")
    if user is None or user.status is not Status.ACTIVE:
        return Refusal(f"The user of this API key is {(user.status if user else Status.DELETED).value}.")
    if organization is None or organization.status is not Status.ACTIVE:
        status = organization.status if organization else Status.DELETED
        return Refusal(f"The organization of this API key is {status.value}.")
    return Principal(
        tenant_id=organization.tenant_id,
        org_id=organization.org_id,
        user_id=user.user_id,
        key_id=key.key_id,
        test=key.test,
        time_zone=organization.time_zone,
        scopes=(key_scope(key.key_id), user_scope(user.user_id), organization_scope(organization.org_id)),
        limits=key_limits(key, defaults) + user_limits(user, defaults) + organization_limits(organization),
        expires_at_ms=key.expires_at_ms,
        allowed_models=None if key.allowed_models is None else frozenset(key.allowed_models),
    )


def principals(snapshot: Snapshot, defaults: DefaultLimits = NO_DEFAULTS) -> dict[bytes, Principal | Refusal]:
    """Every key of a snapshot resolved: the definition that `Access` keeps to while it resolves only what is used."""
    resolved: dict[bytes, Principal | Refusal] = {}
    for key in snapshot.keys.values():
        user = snapshot.users.get(key.user_id)
        organization = snapshot.organizations.get(user.org_id) if user else None
        resolved[key.sha256] = resolve(key, user, organization=organization, defaults=defaults)
    return resolved


def check(found: Principal | Refusal | None, now_ms: int) -> Principal:
    """The principal, if it may call now. Raises Fault UNAUTHENTICATED that says whether the key is unknown, refused or expired."""
    if isinstance(found, Principal):
        if found.expires_at_ms is None or now_ms < found.expires_at_ms:
            return found
        raise Fault(FaultKind.UNAUTHENTICATED, EXPIRED)
    raise Fault(FaultKind.UNAUTHENTICATED, UNKNOWN if found is None else found.message)


E = TypeVar("E", Organization, User, ApiKey)


def _other(before: dict[str, E], after: dict[str, E]) -> list[E]:
    """What is new or another object than before: a directory gives the same object for what has not changed."""
    return [entity for entity_id, entity in after.items() if before.get(entity_id) is not entity]


class Access:
    """Who is known, in memory, following changes one at a time.

    A key is resolved when it is first used and again after it, its user or its organization changed: told by the identity
    of the three (they are immutable), so that a change costs the same whether an organization has one key or 100,000.
    """

    def __init__(self, snapshot: Snapshot, defaults: DefaultLimits = NO_DEFAULTS) -> None:
        self._defaults = defaults
        self._organizations: dict[str, Organization] = {}
        self._users: dict[str, User] = {}
        self._keys: dict[bytes, ApiKey] = {}
        self._resolved: dict[bytes, tuple[ApiKey, User | None, Organization | None, Principal | Refusal]] = {}
        self._loaded = Snapshot(version=-1, organizations={}, users={}, keys={})
        self.load(snapshot)

    def load(self, snapshot: Snapshot) -> None:
        """Takes over what a newer snapshot knows. A change applied since the snapshot was read stays."""
        last = self._loaded
        for organization in _other(last.organizations, snapshot.organizations):
            self.apply(organization)
        for user in _other(last.users, snapshot.users):
            self.apply(user)
        for key in _other(last.keys, snapshot.keys):
            self.apply(key)
        self._loaded = snapshot

    def apply(self, entity: Entity) -> None:
        """Takes over one entity's new state; an older version than the one known is ignored."""
        match entity:
            case Organization():
                known: Entity | None = self._organizations.get(entity.org_id)
                if known is None or known.version < entity.version:
                    self._organizations[entity.org_id] = entity
            case User():
                known = self._users.get(entity.user_id)
                if known is None or known.version < entity.version:
                    self._users[entity.user_id] = entity
            case ApiKey():
                known = self._keys.get(entity.sha256)
                if known is None or known.version < entity.version:
                    self._keys[entity.sha256] = entity

    @property
    def defaults(self) -> DefaultLimits:
        """The default limits in force."""
        return self._defaults

    def set_defaults(self, defaults: DefaultLimits) -> None:
        """Other default limits hold from the next call on."""
        self._defaults = defaults
        self._resolved = {}

    def find(self, sha256: bytes) -> Principal | Refusal | None:
        """What is known of the key with this hash; None if there is none."""
        key = self._keys.get(sha256)
        if key is None:
            return None
        user = self._users.get(key.user_id)
        organization = self._organizations.get(user.org_id) if user is not None else None
        known = self._resolved.get(sha256)
        if known is not None and known[0] is key and known[1] is user and known[2] is organization:
            return known[3]
        resolved = resolve(key, user, organization=organization, defaults=self._defaults)
        self._resolved[sha256] = (key, user, organization, resolved)
        return resolved

    def authenticate(self, credential: str | None, *, now_ms: int) -> Principal:
        """Who presents this credential. Raises Fault UNAUTHENTICATED; what is not spelled like a key is never looked up."""
        if not credential:
            raise Fault(FaultKind.UNAUTHENTICATED, ABSENT)
        if not is_key_text(credential):
            raise Fault(FaultKind.UNAUTHENTICATED, MISSHAPEN)
        return check(self.find(key_sha256(credential)), now_ms)
