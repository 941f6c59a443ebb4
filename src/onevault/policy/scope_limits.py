"""Finds what stands behind a scope by its name: its limits, whose it is, and whose calendar counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from onevault.core.identity import (
    ApiKey,
    Limit,
    Organization,
    ProviderKey,
    ScopeId,
    Status,
    Team,
    Tenant,
    User,
)
from onevault.policy.byok import provider_key_limits
from onevault.policy.limits import (
    DefaultLimits,
    key_limits,
    organization_limits,
    target_scopes,
    team_limits,
    tenant_limits,
    user_limits,
)


class Known(Protocol):
    """All entities by id. Of users and keys, of which there are most, one is made when it is asked for."""

    @property
    def tenants(self) -> Mapping[str, Tenant]: ...
    @property
    def organizations(self) -> Mapping[str, Organization]: ...
    @property
    def teams(self) -> Mapping[str, Team]: ...
    @property
    def provider_keys(self) -> Mapping[str, ProviderKey]: ...
    def user(self, user_id: str) -> User | None: ...
    def key(self, key_id: str) -> ApiKey | None: ...
    def keys_of(self, user_id: str) -> Sequence[ApiKey]: ...


class ScopeLimits(msgspec.Struct, frozen=True):
    """The limits of a scope. `organization` None: it is the tenant's, whose calls count in the calendar of each organization."""

    limits: tuple[Limit, ...]
    organization: Organization | None


def limits_of(scope: ScopeId, known: Known, defaults: DefaultLimits) -> ScopeLimits | None:
    """None for what is not there any more, or has no limits that count in windows."""
    name, _, target = scope.partition("|")
    kind, _, entity_id = name.partition(":")
    holders, organization = _found(kind, entity_id, known)
    if not holders or (organization is None and kind != "tenant"):
        return None
    limits: dict[Limit, None] = {}
    for holder in holders:
        if not target:
            limits |= dict.fromkeys(_own(holder, defaults))
        elif not isinstance(holder, ProviderKey):
            of_targets = target_scopes(ScopeId(name), holder)
            limits |= dict.fromkeys(limit for each in of_targets if each.scope == scope for limit in each.limits)
    return ScopeLimits(tuple(limits), organization) if limits else None


_Holder = Tenant | Organization | Team | User | ApiKey | ProviderKey


def _found(kind: str, entity_id: str, known: Known) -> tuple[list[_Holder], Organization | None]:
    org_id = ""
    holders: list[_Holder] = []
    match kind:
        case "tenant":
            return _active(known.tenants.get(entity_id)), None
        case "org":
            org_id, holders = entity_id, _active(known.organizations.get(entity_id))
        case "team" if team := known.teams.get(entity_id):
            org_id, holders = team.org_id, _active(team)
        case "user" if user := known.user(entity_id):
            org_id, holders = user.org_id, _active(user)
        case "provider_key" if own := known.provider_keys.get(entity_id):
            org_id, holders = own.org_id, _active(own)
        case "key" if (key := known.key(entity_id)) and (user := known.user(key.user_id)):
            # The keys that replaced it count in its scope.
            holders = _active(
                *(each for each in known.keys_of(user.user_id) if (each.counts_as or each.key_id) == entity_id)
            )
            org_id = user.org_id
    return holders, known.organizations.get(org_id)


def _active(*holders: _Holder | None) -> list[_Holder]:
    return [holder for holder in holders if holder is not None and holder.status is Status.ACTIVE]


def _own(holder: _Holder, defaults: DefaultLimits) -> Iterable[Limit]:
    match holder:
        case Tenant():
            return tenant_limits(holder)
        case Organization():
            return organization_limits(holder)
        case Team():
            return team_limits(holder)
        case User():
            return user_limits(holder, defaults)
        case ApiKey():
            return key_limits(holder, defaults)
        case ProviderKey():
            return provider_key_limits(holder)
