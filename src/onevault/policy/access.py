"""Decides who a key stands for and which limits stand above it, or why it is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import TypeVar

import msgspec

from onevault.core.directory import Entity, Snapshot
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    DataKey,
    Organization,
    Principal,
    ProviderKey,
    Status,
    Team,
    Tenant,
    User,
    Webhook,
    is_of_tenant,
)
from onevault.core.keys import is_key_text, key_sha256
from onevault.core.packed import KEYS, USERS, Form, Record, Records, start_of_text
from onevault.core.recent import Recent
from onevault.policy.byok import REQUIRED, own_keys
from onevault.policy.limits import (
    NO_DEFAULTS,
    DefaultLimits,
    key_limits,
    key_scope,
    organization_limits,
    organization_scope,
    target_scopes,
    team_limits,
    team_scope,
    tenant_limits,
    tenant_scope,
    user_limits,
    user_scope,
)

Network = IPv4Network | IPv6Network

UNKNOWN = "The API key is not known here. Check for a missing character, or ask your administrator for a key."
ABSENT = "An API key is needed: send it as `Authorization: Bearer gw_live_…`."
MISSHAPEN = "This is not an API key of this gateway: those begin with `gw_live_` or `gw_test_`."
EXPIRED = "This API key has expired."
ELSEWHERE = "This API key may not be used from this address."
SIGNED_IN = "oidc:"
"""How the key is called that stands in the records for a user who has signed in: `oidc:USER`. No key is made with such an id."""


_NO_KEYS: Mapping[str, ProviderKey] = MappingProxyType({})


FAIL_OPEN = "fail_open"
RESOLVED_MAX = 32_768
"""Of so many keys at most, and of half as many at least, it is kept what they may do, in some 2 kB each."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a known key is not let in. Its holder is told: who presents the whole secret learns nothing to guess by."""

    message: str


class Above(msgspec.Struct, frozen=True):
    """What stands above a key, as far as it is known. The team is None for a user who is in none."""

    user: User | None = None
    team: Team | None = None
    organization: Organization | None = None
    tenant: Tenant | None = None
    provider_keys: Mapping[str, ProviderKey] = {}
    """The organization's own, by id."""


def resolve(key: ApiKey, above: Above, *, defaults: DefaultLimits = NO_DEFAULTS) -> Principal | Refusal:
    """The principal of a key whose user, team and organization are active like itself; the first reason against it otherwise."""
    user, team, organization, tenant = above.user, above.team, above.organization, above.tenant
    if key.status is not Status.ACTIVE:
        return Refusal(f"This API key is {key.status.value}.")
    if user is None or user.status is not Status.ACTIVE:
        return Refusal(f"The user of this API key is {_status(user)}.")
    if user.team_id is not None and (team is None or team.status is not Status.ACTIVE):
        return Refusal(f"The team of this API key is {_status(team)}.")
    if organization is None or organization.status is not Status.ACTIVE:
        return Refusal(f"The organization of this API key is {_status(organization)}.")
    own_scope = key_scope(key.counts_as or key.key_id)
    of_team = () if team is None else (team_scope(team.team_id),)
    of_organization = (organization_scope(organization.org_id), tenant_scope(organization.tenant_id))
    bare = Principal(
        tenant_id=organization.tenant_id,
        org_id=organization.org_id,
        team_id=user.team_id,
        user_id=user.user_id,
        key_id=key.key_id,
        test=key.test,
        time_zone=organization.time_zone,
        scopes=(own_scope, user_scope(user.user_id), *of_team, *of_organization),
        limits=key_limits(key, defaults)
        + user_limits(user, defaults)
        + (() if team is None else team_limits(team))
        + organization_limits(organization)
        + (() if tenant is None else tenant_limits(tenant)),
        expires_at_ms=key.expires_at_ms,
        allowed_models=None if key.allowed_models is None else frozenset(key.allowed_models),
        allowed_providers=None if key.allowed_providers is None else frozenset(key.allowed_providers),
        allowed_networks=None if key.allowed_addresses is None else tuple(map(_network, key.allowed_addresses)),
        own_keys_only=organization.byok == REQUIRED,
        at_targets=target_scopes(own_scope, key)
        + target_scopes(user_scope(user.user_id), user)
        + (() if team is None else target_scopes(team_scope(team.team_id), team))
        + target_scopes(organization_scope(organization.org_id), organization)
        + (() if tenant is None else target_scopes(tenant_scope(tenant.tenant_id), tenant)),
    )
    if not above.provider_keys:
        return bare
    return msgspec.structs.replace(bare, own_keys=own_keys(organization, above.provider_keys.values(), bare))


def _status(entity: User | Team | Organization | None) -> str:
    return (Status.DELETED if entity is None else entity.status).value


@lru_cache(maxsize=4096)
def _network(text: str) -> Network:
    return ip_network(text)


def principals(snapshot: Snapshot, defaults: DefaultLimits = NO_DEFAULTS) -> dict[bytes, Principal | Refusal]:
    """Every key of a snapshot resolved: the definition that `Access` keeps to while it resolves only what is used."""
    resolved: dict[bytes, Principal | Refusal] = {}
    keys_of: dict[str, dict[str, ProviderKey]] = {}
    for own in snapshot.provider_keys.values():
        keys_of.setdefault(own.org_id, {})[own.provider_key_id] = own
    for key in snapshot.keys.values():
        user = snapshot.users.get(key.user_id)
        team = snapshot.teams.get(user.team_id or "") if user else None
        organization = snapshot.organizations.get(user.org_id) if user else None
        tenant = snapshot.tenants.get(organization.tenant_id) if organization else None
        resolved[key.sha256] = resolve(
            key,
            Above(user, team, organization, tenant, keys_of.get(user.org_id if user else "", {})),
            defaults=defaults,
        )
    return resolved


def check(found: Principal | Refusal | None, now_ms: int) -> Principal:
    """The principal, if it may call now. Raises Fault UNAUTHENTICATED that says whether the key is unknown, refused or expired."""
    if isinstance(found, Principal):
        if found.expires_at_ms is None or now_ms < found.expires_at_ms:
            return found
        raise Fault(FaultKind.UNAUTHENTICATED, EXPIRED)
    raise Fault(FaultKind.UNAUTHENTICATED, UNKNOWN if found is None else found.message)


def check_address(principal: Principal, address: str) -> None:
    """Raises Fault FORBIDDEN where the key's addresses do not take in the peer's. An IPv4 address that came in an IPv6 one is
    itself; what is no address (a socket without one) is in no network."""
    if principal.allowed_networks is None:
        return
    try:
        peer = ip_address(address.partition("%")[0])
    except ValueError:
        raise Fault(FaultKind.FORBIDDEN, ELSEWHERE) from None
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    if not any(peer in network for network in principal.allowed_networks):
        raise Fault(FaultKind.FORBIDDEN, ELSEWHERE)


E = TypeVar("E", Tenant, Organization, Team, AdminKey, ProviderKey)


class Access:
    """Who is known, in memory, following changes one at a time.

    Users and keys are kept packed. A key is resolved when it is first used and again after it or anything above it changed: told by
    the identity of the five (they are immutable), so that a change costs the same whether an organization has one key or 100,000.
    What was resolved is kept for the keys used last.
    """

    def __init__(self, snapshot: Snapshot, defaults: DefaultLimits = NO_DEFAULTS) -> None:
        self._defaults = defaults
        self._tenants: dict[str, Tenant] = {}
        self._organizations: dict[str, Organization] = {}
        self._teams: dict[str, Team] = {}
        self._users = Records(USERS.records(snapshot.users), start=USERS.start, plain=True)
        self._keys = Records(KEYS.records(snapshot.keys), start=KEYS.start, plain=True)
        self._admin_keys: dict[bytes, AdminKey] = {}
        self._provider_keys: dict[str, ProviderKey] = {}
        self._provider_keys_of: dict[str, Mapping[str, ProviderKey]] = {}
        """By organization; replaced whole with every change, so that its identity tells of one."""
        self._keys_of_tenant: dict[str, ProviderKey] = {}
        """Those that work, by name."""
        self._changes = 0
        """How many were followed: nobody need be looked at again while there was none."""
        self._resolved: Recent[bytes, _Resolved] = Recent(RESOLVED_MAX)
        for known in (snapshot.tenants, snapshot.organizations, snapshot.teams):
            for entity in known.values():
                self.apply(entity)
        for admin_key in snapshot.admin_keys.values():
            self.apply(admin_key)
        for provider_key in snapshot.provider_keys.values():
            self.apply(provider_key)

    def apply(self, entity: Entity) -> None:
        """Takes over one entity's new state; an older version than the one known is ignored."""
        self._changes += 1
        match entity:
            case Tenant():
                _keep(self._tenants, entity.tenant_id, entity)
            case Organization():
                _keep(self._organizations, entity.org_id, entity)
            case Team():
                _keep(self._teams, entity.team_id, entity)
            case User():
                _keep_packed(self._users, USERS, entity)
            case ApiKey():
                _keep_packed(self._keys, KEYS, entity)
            case AdminKey():
                _keep(self._admin_keys, entity.sha256, entity)
            case ProviderKey():
                self._keep_provider_key(entity)
            case DataKey() | Webhook():
                pass  # nobody calls with it

    def _keep_provider_key(self, entity: ProviderKey) -> None:
        key_id, org_id = entity.provider_key_id, entity.org_id
        _keep(self._provider_keys, key_id, entity)
        of = {**self._provider_keys_of.get(org_id, {}), key_id: self._provider_keys[key_id]}
        self._provider_keys_of[org_id] = of
        if is_of_tenant(org_id):
            self._keys_of_tenant = {key.name: key for key in of.values() if key.status is Status.ACTIVE}

    def fallback_daily_limit(self, org_id: str) -> int | None:
        """What an organization may spend on a day while the ledger is away, in nanos; None: it fails closed."""
        organization = self._organizations.get(org_id)
        if organization is None or organization.failure_mode != FAIL_OPEN:
            return None
        return organization.fallback_daily_limit

    @property
    def defaults(self) -> DefaultLimits:
        """The default limits in force."""
        return self._defaults

    def set_defaults(self, defaults: DefaultLimits) -> None:
        """Other default limits hold from the next call on."""
        self._defaults = defaults
        self._resolved = Recent(RESOLVED_MAX)

    def find(self, sha256: bytes) -> Principal | Refusal | None:
        """What is known of the key with this hash; None if there is none."""
        known = self._resolved.get(sha256)
        if known is not None and known.changes == self._changes:
            return known.found
        key = self._keys.find(sha256)
        if key is None:
            return None
        user = self._users.find(KEYS.first_text(key))
        return self._principal(
            sha256, key, user, lambda: (KEYS.unpack(key), None if user is None else USERS.unpack(user))
        )

    def member(self, user_id: str, team_id: str | None) -> Principal:
        """A user without a key, who calls in a team (None: in none). Raises Fault UNAUTHENTICATED where one of them is not active."""
        name = f"{SIGNED_IN}{user_id}"
        user = self._users.find(start_of_text(user_id))

        def unpack() -> tuple[ApiKey, User | None]:
            key = ApiKey(key_id=name, user_id=user_id, sha256=b"", prefix="")
            return key, None if user is None else msgspec.structs.replace(USERS.unpack(user), team_id=team_id)

        found = self._principal(f"{name}/{team_id or ''}".encode(), b"", user, unpack)
        if isinstance(found, Refusal):
            raise Fault(FaultKind.UNAUTHENTICATED, found.message.replace("this API key", "this token"))
        return found

    def _principal(
        self, slot: bytes, key: Record, user: Record | None, unpack: Callable[[], tuple[ApiKey, User | None]]
    ) -> Principal | Refusal:
        known = self._resolved.get(slot)
        if known is not None and known.key is key and known.user is user:
            above = self._above(known.above.user)
            if _is_same(above, known.above):
                known.changes = self._changes
                return known.found
        api_key, unpacked = unpack()
        above = self._above(unpacked)
        found = resolve(api_key, above, defaults=self._defaults)
        self._resolved.keep(slot, _Resolved(key, user, above, found, self._changes))
        return found

    def _above(self, user: User | None) -> Above:
        if user is None:
            return Above()
        organization = self._organizations.get(user.org_id)
        return Above(
            user,
            None if user.team_id is None else self._teams.get(user.team_id),
            organization,
            None if organization is None else self._tenants.get(organization.tenant_id),
            self._provider_keys_of.get(user.org_id, _NO_KEYS),
        )

    def provider_keys(self) -> Collection[ProviderKey]:
        """All of them, whatever their status."""
        return self._provider_keys.values()

    def provider_key(self, provider_key_id: str) -> ProviderKey | None:
        """The provider key with this id, whatever its status, or the tenant's active one with this name; None if there is none."""
        return self._provider_keys.get(provider_key_id) or self._keys_of_tenant.get(provider_key_id)

    def organization(self, org_id: str) -> Organization | None:
        """As it is now, whatever its status; None if there is none."""
        return self._organizations.get(org_id)

    def admin_key(self, sha256: bytes) -> AdminKey | None:
        """The admin key with this hash, whatever its status; None if there is none. One to an organization that has ended is revoked."""
        key = self._admin_keys.get(sha256)
        organization = self._organizations.get(key.org_id) if key is not None and key.org_id is not None else None
        if key is not None and organization is not None and organization.status is Status.DELETED:
            return msgspec.structs.replace(key, status=Status.REVOKED)
        return key

    def authenticate(self, credential: str | None, *, now_ms: int, address: str = "") -> Principal:
        """Who presents this credential from this address. Raises Fault UNAUTHENTICATED, or FORBIDDEN for a good key from a wrong
        address; what is not spelled like a key is never looked up."""
        if not credential:
            raise Fault(FaultKind.UNAUTHENTICATED, ABSENT)
        if not is_key_text(credential):
            raise Fault(FaultKind.UNAUTHENTICATED, MISSHAPEN)
        principal = check(self.find(key_sha256(credential)), now_ms)
        if principal.allowed_networks is not None:
            check_address(principal, address)
        return principal


class _Resolved(msgspec.Struct):
    """A key that was used, and what it was resolved from; `changes`: after how many of them it was looked at last."""

    key: Record
    user: Record | None
    above: Above
    found: Principal | Refusal
    changes: int


def _is_same(one: Above, other: Above) -> bool:
    return (
        one.user is other.user
        and one.team is other.team
        and one.organization is other.organization
        and one.tenant is other.tenant
        and one.provider_keys is other.provider_keys
    )


Id = TypeVar("Id", str, bytes)
P = TypeVar("P", User, ApiKey)


def _keep(known: dict[Id, E], entity_id: Id, entity: E) -> None:
    before = known.get(entity_id)
    if before is None or before.version < entity.version:
        known[entity_id] = entity


def _keep_packed(known: Records, form: Form[P], entity: P) -> None:
    record = form.pack(entity)
    before = known.find(form.start(record))
    if before is None or form.unpack(before).version < entity.version:
        known.put(record)
