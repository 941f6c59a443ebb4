"""Keeps the newest state of all entities in memory with what lists and checks need: the order of ids, who belongs to whom, names."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable

from onevault.core.directory import Entity, Snapshot
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
from onevault.core.packed import KEYS, USERS, Record, Records, key_brief, start_of_text, user_brief

_GONE = Status.DELETED
Kind = type[Organization] | type[User] | type[ApiKey]


def _nothing() -> dict[Kind, Counter[Status]]:
    return {Organization: Counter(), User: Counter(), ApiKey: Counter()}


class Shelves:
    """`version` is the newest that was taken; 0 before the first. Ids are kept sorted, which is the order of creation. Users and keys
    are packed: each is one record in all the lists that it is in."""

    def __init__(self) -> None:
        self.version = 0
        self.tenants: dict[str, Tenant] = {}
        self.organizations: dict[str, Organization] = {}
        self.teams: dict[str, Team] = {}
        self.users = _users()
        self.keys = Records(start=KEYS.own_text)
        self.keys_by_user = Records(start=KEYS.texts)
        """By user, then by id."""
        self.admin_keys: dict[str, AdminKey] = {}
        self.provider_keys: dict[str, ProviderKey] = {}
        self.organization_ids: list[str] = []
        self.team_ids: list[str] = []
        self.admin_key_ids: list[str] = []
        self.provider_key_ids: list[str] = []
        self.provider_keys_of: dict[str, list[str]] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.webhook_ids: list[str] = []
        self.webhooks_of: dict[str, list[str]] = {}
        self.teams_of: dict[str, list[str]] = {}
        self.users_of: dict[str, Records] = {}
        self.users_in: dict[str, Records] = {}
        """By team."""
        self.admin_keys_of: dict[str, list[str]] = {}
        self.called: dict[str, str] = {}
        self.team_called: dict[tuple[str, str], str] = {}
        self.addressed: dict[str, Records] = {}
        """By organization, then by e-mail address; without deleted ones."""
        self.counts: defaultdict[str, dict[Kind, Counter[Status]]] = defaultdict(_nothing)
        """How many of each status there are, by organization; "": of all."""

    def begin_with(self, snapshot: Snapshot) -> None:
        """Takes over all at once: users and keys are put in order once, not one by one. Nothing must have been taken before."""
        for known in (snapshot.tenants, snapshot.organizations, snapshot.teams):
            for entity_id in sorted(known):
                self.add(known[entity_id])
        self._begin_with_users(snapshot)
        self.keys = Records(KEYS.records(snapshot.keys), start=KEYS.own_text)
        self.keys_by_user = Records(self.keys, start=KEYS.texts)
        for record in self.keys:
            self._count(ApiKey, self._holder_of(record) or "", None, key_brief(record).status)
        for others in (snapshot.admin_keys, snapshot.provider_keys, snapshot.webhooks):
            for entity_id in sorted(others):
                self.add(others[entity_id])
        self.version = snapshot.version

    def _begin_with_users(self, snapshot: Snapshot) -> None:
        self.users = _users(USERS.records(snapshot.users))
        of: defaultdict[str, list[Record]] = defaultdict(list)
        within: defaultdict[str, list[Record]] = defaultdict(list)
        addressed: defaultdict[str, list[Record]] = defaultdict(list)
        for record in self.users:
            org_id, short = USERS.second_text(record), user_brief(record)
            of[org_id].append(record)
            self._count(User, org_id, None, short.status)
            if short.team_id is not None:
                within[short.team_id].append(record)
            if short.status is not _GONE:
                addressed[org_id].append(record)
        self.users_of = {each: _users(records) for each, records in of.items()}
        self.users_in = {each: _users(records) for each, records in within.items()}
        self.addressed = {each: Records(records, start=_address) for each, records in addressed.items()}

    def user(self, user_id: str) -> User | None:
        """Whatever its status."""
        record = self.users.find(start_of_text(user_id))
        return None if record is None else USERS.unpack(record)

    def key(self, key_id: str) -> ApiKey | None:
        """Whatever its status."""
        record = self.keys.find(start_of_text(key_id))
        return None if record is None else KEYS.unpack(record)

    def keys_of(self, user_id: str) -> list[ApiKey]:
        """All of a user, in order."""
        return [KEYS.unpack(record) for record in self.keys_by_user.beginning(start_of_text(user_id))]

    def _holder_of(self, key: Record) -> str | None:
        user = self.users.find(KEYS.first_text(key))
        return None if user is None else USERS.second_text(user)

    def add(self, entity: Entity) -> None:
        """Takes over one entity's new state."""
        match entity:
            case Tenant():
                self.tenants[entity.tenant_id] = entity
            case Organization():
                known = self.organizations.get(entity.org_id)
                self._count(Organization, entity.org_id, None if known is None else known.status, entity.status)
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
                record = KEYS.pack(entity)
                there = self.keys.find(KEYS.own_text(record))
                before = None if there is None else key_brief(there).status
                self._count(ApiKey, self._holder_of(record) or "", before, entity.status)
                self.keys.put(record)
                self.keys_by_user.put(record)
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
            return self.key(entity.key_id)
        return self.provider_keys.get(entity.provider_key_id) if isinstance(entity, ProviderKey) else None

    def held_key(self, key_id: str) -> tuple[ApiKey, str | None] | None:
        """An API key, and whose it is."""
        found = self.key(key_id)
        return None if found is None else (found, self.organization_of(found))

    def organization_of(self, entity: Entity) -> str | None:
        """Whose key this is."""
        if isinstance(entity, ApiKey):
            user = self.users.find(start_of_text(entity.user_id))
            return None if user is None else USERS.second_text(user)
        return entity.org_id if isinstance(entity, ProviderKey) else None

    def _add_user(self, user: User) -> None:
        record = USERS.pack(user)
        known = self.users.find(USERS.start(record))
        before = None if known is None else user_brief(known)
        self._count(User, user.org_id, None if before is None else before.status, user.status)
        self.users.put(record)
        self.users_of.setdefault(user.org_id, _users()).put(record)
        if before is not None and before.team_id is not None and before.team_id != user.team_id:
            self.users_in[before.team_id].drop(USERS.start(record))
        if user.team_id is not None:
            self.users_in.setdefault(user.team_id, _users()).put(record)
        addressed = self.addressed.setdefault(user.org_id, Records(start=_address))
        if before is not None:
            there = addressed.find(folded(before.email))
            if there is not None and USERS.start(there) == USERS.start(record):
                addressed.drop(folded(before.email))
        if user.status is not _GONE:
            addressed.put(record)

    def _count(self, kind: Kind, org_id: str, before: Status | None, after: Status) -> None:
        for of in {"", org_id}:
            counted = self.counts[of][kind]
            if before is not None:
                counted[before] -= 1
            counted[after] += 1


def folded(email: str) -> bytes:
    """An e-mail address as it is compared: whatever the case."""
    return email.casefold().encode(errors="surrogatepass")


def _address(user: Record) -> bytes:
    return folded(user_brief(user).email)


def _users(records: Iterable[Record] = ()) -> Records:
    return Records(records, start=USERS.start, plain=True)


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
