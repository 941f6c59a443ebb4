"""The seam to where tenants, organizations, teams, users and keys are kept, with their history and its audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from onevault.core.changes import ChangeQuery, RecordedChange
from onevault.core.faults import Fault
from onevault.core.identity import AdminKey, ApiKey, DataKey, Organization, ProviderKey, Team, Tenant, User, Webhook


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that authentication needs, by id. A tenant is in it once its limits were changed. Users and keys may be packed."""

    version: int
    organizations: dict[str, Organization]
    users: Mapping[str, User]
    keys: Mapping[str, ApiKey]
    teams: dict[str, Team] = {}  # msgspec copies mutable defaults
    tenants: dict[str, Tenant] = {}
    admin_keys: dict[str, AdminKey] = {}
    provider_keys: dict[str, ProviderKey] = {}
    data_keys: dict[str, DataKey] = {}
    webhooks: dict[str, Webhook] = {}


Entity = Tenant | Organization | Team | User | ApiKey | AdminKey | ProviderKey | DataKey | Webhook
"""What is kept in the directory with its history."""


class Change(msgspec.Struct, frozen=True):
    """A change of configuration for the audit: who, from where, and the entity as it is now."""

    actor: str
    address: str
    entity: Entity


class Changes(msgspec.Struct, frozen=True):
    """What became of the directory since some version: each entity that was changed once, as it is now, and what it stands
    under before it. `version` is the one to go on from."""

    version: int
    entities: tuple[Entity, ...]


class Directory(Protocol):
    """Tenants, organizations, teams, users, keys and admin keys, kept with all their history.

    Every change by any process has a number, its version. The numbers become visible in their order: whoever has read up to
    one misses none below it.
    """

    async def snapshot(self) -> Snapshot:
        """The newest state of all, deleted ones included: the whole is read, so ask once and follow `changes`."""

    async def changes(self, since: int) -> Changes:
        """What any process has changed after this version. With nothing new it is one look-up, for polling; else it costs what
        has changed, not what is there."""

    async def put(self, change: Change) -> None:
        """Adds the entity's new state to its history. Raises Fault CONFLICT when the stored version is not the one before
        (`entity.version - 1`), so two admins cannot overwrite each other."""

    async def put_each(self, changes: Sequence[Change]) -> list[Fault | None]:
        """The same for many, in their order and in one go: each whole or not at all. Gives for each what it was refused for,
        None where it was taken; when it raises anything, none was."""


class ChangeLog(Protocol):
    """The audit of what was changed in the directory."""

    async def newest(self, query: ChangeQuery) -> list[RecordedChange]:
        """The changes that were asked for, newest first, by every process and of all times. Nothing ever leaves it."""

    async def note(self, change: RecordedChange) -> None:
        """Adds what somebody did that makes no new state of an entity; its `change_id` is given here, whatever it says."""
