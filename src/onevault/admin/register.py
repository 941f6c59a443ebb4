"""Keeps organizations, users and keys at hand as the directory has them now, and carries changes to it one at a time."""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey, Organization, Status, User
from onevault.core.ports import Change, Directory

Entity = Organization | User | ApiKey
T = TypeVar("T", Organization, User, ApiKey)
_GONE = Status.DELETED


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A stretch of a list in the order of ids (which is that of creation). `after` goes on from it; None at the end."""

    entries: tuple[T, ...]
    after: str | None


class Register:
    """The directory's newest state with what lists and checks need. Hold `lock` and call `refresh` before anything else.

    Reading asks the directory only for its version, so what another process changed is seen at once; the whole is read
    again only then. `on_change` is told of every change of this process after the directory took it.
    """

    def __init__(self, directory: Directory, on_change: Callable[[Entity], None]) -> None:
        self.lock = asyncio.Lock()
        self._directory = directory
        self._on_change = on_change
        self._version: int | None = None
        self._organizations: dict[str, Organization] = {}
        self._users: dict[str, User] = {}
        self._keys: dict[str, ApiKey] = {}
        self._organization_ids: list[str] = []
        self._user_ids: list[str] = []
        self._users_of: dict[str, list[str]] = {}
        self._keys_of: dict[str, list[str]] = {}
        self._called: dict[str, str] = {}
        self._addressed: dict[tuple[str, str], str] = {}

    async def refresh(self) -> None:
        """Takes over what anybody changed in the directory since it was last asked."""
        if self._version is None or await self._directory.version() != self._version:
            snapshot = await self._directory.snapshot()
            self._take(self._organizations, snapshot.organizations)
            self._take(self._users, snapshot.users)
            self._take(self._keys, snapshot.keys)
            self._version = snapshot.version

    async def put(self, entity: Entity, *, actor: str, address: str) -> None:
        """Makes a change durable, then visible. Raises Fault CONFLICT where somebody else changed the entity meanwhile."""
        await self._directory.put(Change(actor=actor, address=address, entity=entity))
        self._add(entity)
        self._on_change(entity)
        version = await self._directory.version()
        if self._version is not None and version == self._version + 1:
            self._version = version

    # ---- reading ----------------------------------------------------------------------------------------------------

    def organization(self, org_id: str, *, deleted: bool = False) -> Organization:
        """Raises Fault NOT_FOUND; a deleted one is found only when asked for."""
        found = self._organizations.get(org_id)
        if found is None or (found.status is _GONE and not deleted):
            raise Fault(FaultKind.NOT_FOUND, "There is no such organization.", param="org_id")
        return found

    def user(self, user_id: str, *, deleted: bool = False) -> User:
        """Raises Fault NOT_FOUND; one that is deleted, or whose organization is, is found only when asked for."""
        found = self._users.get(user_id)
        if found is None or (not deleted and (found.status is _GONE or self._is_gone(found.org_id))):
            raise Fault(FaultKind.NOT_FOUND, "There is no such user.", param="user_id")
        return found

    def key(self, user_id: str, key_id: str) -> ApiKey:
        """Raises Fault NOT_FOUND. Revoked keys are found."""
        self.user(user_id)
        found = self._keys.get(key_id)
        if found is None or found.user_id != user_id:
            raise Fault(FaultKind.NOT_FOUND, "There is no such API key of this user.", param="key_id")
        return found

    def organizations(self, after: str, *, limit: int, deleted: bool = False) -> Page[Organization]:
        return _page(self._organizations, self._organization_ids, after, limit, deleted)

    def users(self, after: str, *, limit: int, org_id: str | None = None, deleted: bool = False) -> Page[User]:
        ids = self._user_ids if org_id is None else self._users_of.get(org_id, [])
        return _page(self._users, ids, after, limit, deleted)

    def keys(self, user_id: str, after: str, *, limit: int) -> Page[ApiKey]:
        return _page(self._keys, self._keys_of.get(user_id, []), after, limit, True)

    def organization_called(self, name: str) -> Organization | None:
        """The organization that is not deleted and has this name, whatever the case."""
        found = self._organizations.get(self._called.get(name.casefold(), ""))
        return found if found and found.status is not _GONE and found.name.casefold() == name.casefold() else None

    def user_addressed(self, org_id: str, email: str) -> User | None:
        """The user of the organization that is not deleted and has this e-mail address, whatever the case."""
        found = self._users.get(self._addressed.get((org_id, email.casefold()), ""))
        return found if found and found.status is not _GONE and found.email.casefold() == email.casefold() else None

    def everything(self) -> tuple[Sequence[Organization], Sequence[User], Sequence[ApiKey]]:
        """All of them as they are, deleted ones included."""
        return list(self._organizations.values()), list(self._users.values()), list(self._keys.values())

    # ---- keeping ----------------------------------------------------------------------------------------------------

    def _is_gone(self, org_id: str) -> bool:
        organization = self._organizations.get(org_id)
        return organization is None or organization.status is _GONE

    def _take(self, known: dict[str, T], newest: dict[str, T]) -> None:
        """Nothing ever leaves the directory, so only what is new or other is taken; in the order of ids, which appends."""
        for entity_id in sorted(each for each, entity in newest.items() if known.get(each) is not entity):
            self._add(newest[entity_id])

    def _add(self, entity: Entity) -> None:
        match entity:
            case Organization():
                if entity.org_id not in self._organizations:
                    insort(self._organization_ids, entity.org_id)
                self._organizations[entity.org_id] = entity
                if entity.status is not _GONE:
                    self._called[entity.name.casefold()] = entity.org_id
            case User():
                if entity.user_id not in self._users:
                    insort(self._user_ids, entity.user_id)
                    insort(self._users_of.setdefault(entity.org_id, []), entity.user_id)
                self._users[entity.user_id] = entity
                if entity.status is not _GONE:
                    self._addressed[entity.org_id, entity.email.casefold()] = entity.user_id
            case ApiKey():
                if entity.key_id not in self._keys:
                    insort(self._keys_of.setdefault(entity.user_id, []), entity.key_id)
                self._keys[entity.key_id] = entity


def _page(entities: dict[str, T], ids: list[str], after: str, limit: int, deleted: bool) -> Page[T]:
    entries: list[T] = []
    for position in range(bisect_right(ids, after), len(ids)):
        entity = entities[ids[position]]
        if entity.status is _GONE and not deleted:
            continue
        if len(entries) == limit:
            return Page(tuple(entries), _id(entries[-1]))
        entries.append(entity)
    return Page(tuple(entries), None)


def _id(entity: Entity) -> str:
    match entity:
        case Organization():
            return entity.org_id
        case User():
            return entity.user_id
        case ApiKey():
            return entity.key_id
