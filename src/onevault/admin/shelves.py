"""Keeps the newest state of all entities in memory with what lists and checks need: the order of ids, who belongs to whom, names."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable

from onevault.core.identity import (
    AdminKey,
    ApiKey,
    DataKey,
    Organization,
    ProviderKey,
    Status,
    Team,
    Tenant,
    User,
    Webhook,
)
from onevault.core.ports import Entity

_GONE = Status.DELETED
Kind = type[Organization] | type[User] | type[ApiKey]


def _nothing() -> dict[Kind, Counter[Status]]:
    return {Organization: Counter(), User: Counter(), ApiKey: Counter()}


class Shelves:
    """`version` is the newest that was taken; 0 before the first. Ids are kept sorted, which is the order of creation."""

    def __init__(self) -> None:
        self.version = 0
        self.tenants: dict[str, Tenant] = {}
        self.organizations: dict[str, Organization] = {}
        self.teams: dict[str, Team] = {}
        self.users: dict[str, User] = {}
        self.keys: dict[str, ApiKey] = {}
        self.admin_keys: dict[str, AdminKey] = {}
        self.provider_keys: dict[str, ProviderKey] = {}
        self.organization_ids: list[str] = []
        self.team_ids: list[str] = []
        self.user_ids: list[str] = []
        self.admin_key_ids: list[str] = []
        self.provider_key_ids: list[str] = []
        self.provider_keys_of: dict[str, list[str]] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.webhook_ids: list[str] = []
        self.webhooks_of: dict[str, list[str]] = {}
        self.teams_of: dict[str, list[str]] = {}
        self.users_of: dict[str, list[str]] = {}
        self.users_in: dict[str, list[str]] = {}
        """By team."""
        self.keys_of: dict[str, tuple[str, ...]] = {}
        """Most users have one key, so the smallest thing that holds them."""
        self.admin_keys_of: dict[str, list[str]] = {}
        self.called: dict[str, str] = {}
        self.team_called: dict[tuple[str, str], str] = {}
        self.addressed: dict[str, dict[str, str]] = {}
        """By organization, then by e-mail address."""
        self.counts: defaultdict[str, dict[Kind, Counter[Status]]] = defaultdict(_nothing)
        """How many of each status there are, by organization; "": of all."""

    def add(self, entity: Entity) -> None:
        """Takes over one entity's new state."""
        match entity:
            case Tenant():
                self.tenants[entity.tenant_id] = entity
            case Organization():
                self._count(Organization, entity.org_id, self.organizations.get(entity.org_id), entity)
                if entity.org_id not in self.organizations:
                    insort(self.organization_ids, entity.org_id)
                self.organizations[entity.org_id] = entity
                if entity.status is not _GONE:
                    self.called[entity.name.casefold()] = entity.org_id
            case Team():
                if entity.team_id not in self.teams:
                    insort(self.team_ids, entity.team_id)
                    insort(self.teams_of.setdefault(entity.org_id, []), entity.team_id)
                self.teams[entity.team_id] = entity
                if entity.status is not _GONE:
                    self.team_called[entity.org_id, entity.name.casefold()] = entity.team_id
            case User():
                self._add_user(entity)
            case ApiKey():
                user = self.users.get(entity.user_id)
                self._count(ApiKey, "" if user is None else user.org_id, self.keys.get(entity.key_id), entity)
                if entity.key_id not in self.keys:
                    ids = (*self.keys_of.get(entity.user_id, ()), entity.key_id)
                    self.keys_of[entity.user_id] = ids if ids == (entity.key_id,) else tuple(sorted(ids))
                self.keys[entity.key_id] = entity
            case AdminKey():
                if entity.admin_key_id not in self.admin_keys:
                    insort(self.admin_key_ids, entity.admin_key_id)
                    insort(self.admin_keys_of.setdefault(entity.org_id or "", []), entity.admin_key_id)
                self.admin_keys[entity.admin_key_id] = entity
            case ProviderKey():
                if entity.provider_key_id not in self.provider_keys:
                    insort(self.provider_key_ids, entity.provider_key_id)
                    insort(self.provider_keys_of.setdefault(entity.org_id, []), entity.provider_key_id)
                self.provider_keys[entity.provider_key_id] = entity
            case Webhook():
                if entity.webhook_id not in self.webhooks:
                    insort(self.webhook_ids, entity.webhook_id)
                    insort(self.webhooks_of.setdefault(entity.org_id, []), entity.webhook_id)
                self.webhooks[entity.webhook_id] = entity
            case DataKey():
                pass  # nobody manages these by hand

    def find(self, entity: Entity) -> Entity | None:
        """What is known of this key; of what is no key nobody asks."""
        if isinstance(entity, ApiKey):
            return self.keys.get(entity.key_id)
        return self.provider_keys.get(entity.provider_key_id) if isinstance(entity, ProviderKey) else None

    def key(self, key_id: str) -> tuple[ApiKey, str | None] | None:
        """An API key, and whose it is."""
        found = self.keys.get(key_id)
        return None if found is None else (found, self.organization_of(found))

    def organization_of(self, entity: Entity) -> str | None:
        """Whose key this is."""
        if isinstance(entity, ApiKey):
            user = self.users.get(entity.user_id)
            return None if user is None else user.org_id
        return entity.org_id if isinstance(entity, ProviderKey) else None

    def _add_user(self, user: User) -> None:
        before = self.users.get(user.user_id)
        self._count(User, user.org_id, before, user)
        if before is None:
            insort(self.user_ids, user.user_id)
            insort(self.users_of.setdefault(user.org_id, []), user.user_id)
        team_before = None if before is None else before.team_id
        if team_before != user.team_id:
            if team_before is not None:
                there = self.users_in[team_before]
                del there[bisect_left(there, user.user_id)]
            if user.team_id is not None:
                insort(self.users_in.setdefault(user.team_id, []), user.user_id)
        self.users[user.user_id] = user
        if user.status is not _GONE:
            folded = user.email.casefold()
            called = user.email if folded == user.email else folded  # not the same text twice in memory
            self.addressed.setdefault(user.org_id, {})[called] = user.user_id

    def _count(
        self,
        kind: Kind,
        org_id: str,
        before: Organization | User | ApiKey | None,
        after: Organization | User | ApiKey,
    ) -> None:
        for of in {"", org_id}:
            counted = self.counts[of][kind]
            if before is not None:
                counted[before.status] -= 1
            counted[after.status] += 1


def in_order(entities: Iterable[Entity]) -> list[Entity]:
    """What stands above others before them, and each kind in the order of ids, which appends."""
    return sorted(entities, key=_rank_and_id)


def _rank_and_id(entity: Entity) -> tuple[int, str]:
    match entity:
        case Tenant():
            return 0, entity.tenant_id
        case Organization():
            return 1, entity.org_id
        case Team():
            return 2, entity.team_id
        case User():
            return 3, entity.user_id
        case ApiKey():
            return 4, entity.key_id
        case AdminKey():
            return 5, entity.admin_key_id
        case ProviderKey():
            return 6, entity.provider_key_id
        case DataKey():
            return 7, entity.data_key_id
        case Webhook():
            return 8, entity.webhook_id
