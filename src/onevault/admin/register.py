"""Shows entities as the directory has them now to whoever may see them, and carries changes to it one at a time."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import msgspec

from onevault.admin.shelves import Kind, Shelves, folded, in_order
from onevault.core.directory import Change, Directory, Entity, Snapshot
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    Organization,
    ProviderKey,
    Status,
    Team,
    Tenant,
    User,
    Webhook,
    is_of_tenant,
)
from onevault.core.packed import KEYS, USERS, Record, Records, start_of_text, user_brief
from onevault.policy.key_notices import Put

E = TypeVar("E")
T = TypeVar("T", Organization, Team, User, ApiKey, AdminKey, ProviderKey, Webhook)
_GONE = Status.DELETED
_PER_TURN = 500
"""Calls are served in between, however much was changed at once."""


class Page(msgspec.Struct, Generic[E], frozen=True):
    """A stretch of a list in the order of ids (which is that of creation). `after` goes on from it; None at the end."""

    entries: tuple[E, ...]
    after: str | None


class Register:
    """The directory's newest state with what lists and checks need: to be read as `newest`, or right after `catch_up`.

    Reading asks the directory for what has changed since, so what another process changed is seen at once. `on_change` is told of
    all that was read, and of every change of this process after the directory took it; `on_put` of the latter alone. With an `org_id`
    nothing outside this organization is there (`within`).
    """

    def __init__(
        self,
        directory: Directory,
        on_change: Callable[[Entity], None],
        *,
        on_put: Callable[[Sequence[Put]], None] = lambda _: None,
        shelves: Shelves | None = None,
        lock: asyncio.Lock | None = None,
        org_id: str | None = None,
    ) -> None:
        self.lock = lock or asyncio.Lock()
        self._directory = directory
        self._on_change = on_change
        self._on_put = on_put
        self._shelves = shelves or Shelves()
        self._org_id = org_id

    def within(self, org_id: str | None) -> Register:
        """The same register as one sees it who is confined to an organization; None: who is not."""
        if org_id == self._org_id:
            return self
        return Register(
            self._directory,
            self._on_change,
            on_put=self._on_put,
            shelves=self._shelves,
            lock=self.lock,
            org_id=org_id,
        )

    def begin_with(self, snapshot: Snapshot) -> None:
        """Takes over what was read already, and told of: only what comes after it is asked for."""
        self._shelves.begin_with(snapshot)

    async def refresh(self) -> None:
        """Takes over what anybody changed in the directory since it was last asked."""
        changes = await self._directory.changes(self._shelves.version)
        for position, entity in enumerate(in_order(changes.entities), 1):
            self._shelves.add(entity)
            self._on_change(entity)
            if position % _PER_TURN == 0:
                await asyncio.sleep(0)
        self._shelves.version = changes.version

    @asynccontextmanager
    async def newest(self) -> AsyncGenerator[Register]:
        """The register with all that anybody changed so far, while nobody else in this process changes anything."""
        async with self.lock:
            await self.refresh()
            yield self

    async def catch_up(self) -> None:
        """Takes over what anybody changed, for whoever holds no lock. What is read before anything else is awaited is the newest."""
        async with self.newest():
            pass

    async def put(self, entity: Entity, *, actor: str, address: str) -> None:
        """Makes a change durable, then visible. Raises Fault CONFLICT where somebody else changed the entity meanwhile."""
        await self._directory.put(Change(actor=actor, address=address, entity=entity))
        self._on_put([self._made(entity)])

    async def put_each(self, entities: Sequence[Entity], *, actor: str, address: str) -> list[Fault | None]:
        """Makes those changes durable that stand, then visible; gives for each what it was refused for."""
        outcomes = await self._directory.put_each(
            [Change(actor=actor, address=address, entity=entity) for entity in entities]
        )
        made = zip(entities, outcomes, strict=True)
        self._on_put([self._made(entity) for entity, outcome in made if outcome is None])
        return outcomes

    def _made(self, entity: Entity) -> Put:
        """Makes a change of this process visible."""
        before = self._shelves.find(entity)
        self._shelves.add(entity)
        self._on_change(entity)
        return Put(entity, before, self._shelves.organization_of(entity))

    @property
    def known(self) -> Shelves:
        """All that is known, whoever may see it."""
        return self._shelves

    # ---- one -------------------------------------------------------------------------------------------------------

    def tenant(self, tenant_id: str) -> Tenant:
        """As it was last changed; without limits, at version 0, where it never was."""
        return self._shelves.tenants.get(tenant_id) or Tenant(tenant_id=tenant_id, version=0)

    def organization(self, org_id: str, *, deleted: bool = False) -> Organization:
        """Raises Fault NOT_FOUND; a deleted one is found only when asked for."""
        found = self._shelves.organizations.get(org_id)
        if found is None or not self._sees(org_id) or (found.status is _GONE and not deleted):
            raise Fault(FaultKind.NOT_FOUND, "There is no such organization.", param="org_id")
        return found

    def team(self, team_id: str, *, deleted: bool = False) -> Team:
        """Raises Fault NOT_FOUND; one that is deleted, or whose organization is, is found only when asked for."""
        found = self._shelves.teams.get(team_id)
        if found is None or not self._is_there(found, deleted):
            raise Fault(FaultKind.NOT_FOUND, "There is no such team.", param="team_id")
        return found

    def user(self, user_id: str, *, deleted: bool = False) -> User:
        """As `team`."""
        found = self._shelves.user(user_id)
        if found is None or not self._is_there(found, deleted):
            raise Fault(FaultKind.NOT_FOUND, "There is no such user.", param="user_id")
        return found

    def key(self, user_id: str, key_id: str) -> ApiKey:
        """Raises Fault NOT_FOUND. Revoked keys are found."""
        self.user(user_id)
        found = self._shelves.key(key_id)
        if found is None or found.user_id != user_id:
            raise Fault(FaultKind.NOT_FOUND, "There is no such API key of this user.", param="key_id")
        return found

    def admin_key(self, admin_key_id: str) -> AdminKey:
        """Raises Fault NOT_FOUND. Revoked ones are found."""
        found = self._shelves.admin_keys.get(admin_key_id)
        if found is None or not self._sees(found.org_id):
            raise Fault(FaultKind.NOT_FOUND, "There is no such admin key.", param="admin_key_id")
        return found

    def provider_key(self, provider_key_id: str) -> ProviderKey:
        """Raises Fault NOT_FOUND. Revoked and expired ones are found."""
        found = self._shelves.provider_keys.get(provider_key_id)
        if found is None or not self._sees(found.org_id):
            raise Fault(FaultKind.NOT_FOUND, "There is no such provider key.", param="provider_key_id")
        return found

    def provider_key_in(self, org_id: str, slot: bytes) -> ProviderKey | None:
        """The active key that an organization has for a provider, or the tenant under a name."""
        for key_id in self._shelves.provider_keys_of.get(org_id, []):
            key = self._shelves.provider_keys[key_id]
            if key.slot == slot and key.status is Status.ACTIVE:
                return key
        return None

    def webhook(self, webhook_id: str) -> Webhook:
        """Raises Fault NOT_FOUND, also for a deleted one, or one whose organization is."""
        found = self._shelves.webhooks.get(webhook_id)
        if found is None or not self._sees(found.org_id) or self._has_ended(found):
            raise Fault(FaultKind.NOT_FOUND, "There is no such webhook.", param="webhook_id")
        return found

    # ---- many ------------------------------------------------------------------------------------------------------

    def organizations(self, after: str, *, limit: int, deleted: bool = False) -> Page[Organization]:
        ids = self._shelves.organization_ids
        if self._org_id is not None:
            ids = [each for each in (self._org_id,) if each in self._shelves.organizations]
        return _page(self._shelves.organizations, ids, after, limit, deleted)

    def teams(self, after: str, *, limit: int, org_id: str | None = None, deleted: bool = False) -> Page[Team]:
        ids = self._ids(self._shelves.team_ids, self._shelves.teams_of, org_id)
        return _page(self._shelves.teams, ids, after, limit, deleted, has_ended=self._has_ended)

    def users(self, after: str, *, limit: int, org_id: str | None = None, deleted: bool = False) -> Page[User]:
        if self._org_id is not None and org_id not in (None, self._org_id):
            return Page((), None)
        one = org_id or self._org_id
        records = self._shelves.users if one is None else self._shelves.users_of.get(one)
        return _users(records, after, limit, is_shown=_any if deleted else self._stands)

    def users_of_team(self, team_id: str, after: str, *, limit: int, deleted: bool = False) -> Page[User]:
        return _users(self._shelves.users_in.get(team_id), after, limit, is_shown=_any if deleted else _is_not_deleted)

    def keys(self, user_id: str, after: str, *, limit: int) -> Page[ApiKey]:
        entries = [key for key in self._shelves.keys_of(user_id) if key.key_id > after]
        return Page(tuple(entries[:limit]), entries[limit - 1].key_id if len(entries) > limit else None)

    def all_keys(self, user_id: str) -> list[ApiKey]:
        """All API keys of a user, revoked ones included, oldest first."""
        return self._shelves.keys_of(user_id)

    def admin_keys(self, after: str, *, limit: int) -> Page[AdminKey]:
        ids = self._ids(self._shelves.admin_key_ids, self._shelves.admin_keys_of, None)
        return _page(self._shelves.admin_keys, ids, after, limit, True)

    def every_key(self) -> Iterator[ApiKey]:
        """All API keys that are seen, revoked ones included, each user's together."""
        for record in self._shelves.keys:
            user = None if self._org_id is None else self._shelves.users.find(KEYS.first_text(record))
            if self._org_id is None or (user is not None and USERS.second_text(user) == self._org_id):
                yield KEYS.unpack(record)

    def count(self, kind: Kind) -> Counter[Status]:
        """How many of a kind are seen, by status."""
        return self._shelves.counts[self._org_id or ""][kind]

    def all_organizations(self) -> list[Organization]:
        """All that are seen, deleted ones included."""
        return [each for each in self._shelves.organizations.values() if self._sees(each.org_id)]

    # ---- names -----------------------------------------------------------------------------------------------------

    def provider_keys(self, after: str, *, limit: int, org_id: str | None = None) -> Page[ProviderKey]:
        ids = self._ids(self._shelves.provider_key_ids, self._shelves.provider_keys_of, org_id)
        return _page(self._shelves.provider_keys, ids, after, limit, True)

    def webhooks(self, after: str, *, limit: int, org_id: str | None = None, deleted: bool = False) -> Page[Webhook]:
        ids = self._ids(self._shelves.webhook_ids, self._shelves.webhooks_of, org_id)
        return _page(self._shelves.webhooks, ids, after, limit, deleted, has_ended=self._has_ended)

    def organization_called(self, name: str) -> Organization | None:
        """The organization that is not deleted and has this name, whatever the case."""
        found = self._shelves.organizations.get(self._shelves.called.get(name.casefold(), ""))
        return found if found and found.status is not _GONE and found.name.casefold() == name.casefold() else None

    def team_called(self, org_id: str, name: str) -> Team | None:
        """The team of the organization that is not deleted and has this name, whatever the case."""
        found = self._shelves.teams.get(self._shelves.team_called.get((org_id, name.casefold()), ""))
        return found if found and found.status is not _GONE and found.name.casefold() == name.casefold() else None

    def user_addressed(self, org_id: str, email: str) -> User | None:
        """The user of the organization that is not deleted and has this e-mail address, whatever the case."""
        record = addressed.find(folded(email)) if (addressed := self._shelves.addressed.get(org_id)) else None
        return None if record is None else USERS.unpack(record)

    # ---- what is there ---------------------------------------------------------------------------------------------

    def _sees(self, org_id: str | None) -> bool:
        return self._org_id is None or self._org_id == org_id

    def _is_there(self, entity: Team | User, deleted: bool) -> bool:
        return self._sees(entity.org_id) and (deleted or not self._has_ended(entity))

    def _stands(self, user: Record) -> bool:
        """A user has ended neither by itself nor with its organization."""
        organization = self._shelves.organizations.get(USERS.second_text(user))
        return organization is not None and organization.status is not _GONE and _is_not_deleted(user)

    def _has_ended(self, entity: Team | User | Webhook) -> bool:
        """By itself, or with its organization; what is the whole tenant's has none."""
        if entity.status is _GONE or is_of_tenant(entity.org_id):
            return entity.status is _GONE
        organization = self._shelves.organizations.get(entity.org_id)
        return organization is None or organization.status is _GONE

    def _ids(self, all_ids: list[str], ids_of: dict[str, list[str]], org_id: str | None) -> list[str]:
        """The ids of an organization's, or of all that are seen."""
        if self._org_id is not None and org_id not in (None, self._org_id):
            return []
        one = org_id or self._org_id
        return all_ids if one is None else ids_of.get(one, [])


def _is_gone(entity: Any) -> bool:
    return bool(entity.status is _GONE)


def _page(
    entities: dict[str, T],
    ids: Sequence[str],
    after: str,
    limit: int,
    deleted: bool,
    *,
    has_ended: Callable[[T], bool] = _is_gone,
) -> Page[T]:
    entries: list[T] = []
    last = ""
    for position in range(bisect_right(ids, after), len(ids)):
        entity = entities[ids[position]]
        if not deleted and has_ended(entity):
            continue
        if len(entries) == limit:
            return Page(tuple(entries), last)
        entries.append(entity)
        last = ids[position]
    return Page(tuple(entries), None)


def _any(_: Record) -> bool:
    return True


def _is_not_deleted(user: Record) -> bool:
    return user_brief(user).status is not _GONE


def _users(records: Records | None, after: str, limit: int, *, is_shown: Callable[[Record], bool]) -> Page[User]:
    entries: list[User] = []
    begin = start_of_text(after)
    for record in records.since(begin) if records is not None else ():
        if USERS.start(record) == begin or not is_shown(record):
            continue
        if len(entries) == limit:
            return Page(tuple(entries), entries[-1].user_id)
        entries.append(USERS.unpack(record))
    return Page(tuple(entries), None)
