"""Keeps who calls and who decides with all their history, and tells what has changed without reading what has not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DataError

from onevault.core.directory import Change, Changes, Entity, Snapshot
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import (
    AdminKey,
    DataKey,
    Organization,
    ProviderKey,
    Tenant,
    Webhook,
    is_of_tenant,
    tenant_of,
)
from onevault.core.ports import Clock
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.entities import (
    ADMIN_KEY,
    API_KEY,
    DATA_KEY,
    ORGANIZATION,
    PROVIDER_KEY,
    TEAM,
    TENANT,
    USER,
    WEBHOOK,
)
from onevault.stores.sql.putting import put_each, put_tenants
from onevault.stores.sql.schema import who
from onevault.stores.sql.states import newest_of, newest_of_all

CHANGES_MAX = 10_000
"""So many changes are read one by one; beyond it the whole directory is read, which takes less."""
_PARENTS_FIRST = (TENANT, ORGANIZATION, TEAM, USER, API_KEY, ADMIN_KEY, DATA_KEY, PROVIDER_KEY, WEBHOOK)


class VaultDirectory:
    """The port `Directory` on the vault. An unreachable vault raises the driver's error
    (`sqlalchemy.exc.SQLAlchemyError`): what was read last stays in force with whoever holds it.

    `put` also raises Fault CONFLICT with `param` naming the field where a name, an e-mail address or a key is taken, and
    NOT_FOUND where the entity's parent does not exist, and INVALID_REQUEST for a text that the engine cannot keep. Changes are
    written by one process at a time, so they are numbered in the order in which they become visible.
    """

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def snapshot(self) -> Snapshot:
        """The newest state of all, deleted ones included."""
        return await self._vault.read(_snapshot)

    async def changes(self, since: int) -> Changes:
        """What has changed after this version. With nothing new it is one look-up at the end of an index."""
        return await self._vault.read(lambda connection: _changes(connection, since))

    async def put(self, change: Change) -> None:
        """Adds the entity's new state, and the change to the audit."""
        (refusal,) = await self.put_each([change])
        if refusal is not None:
            raise refusal

    async def put_each(self, changes: Sequence[Change]) -> list[Fault | None]:
        """Adds the states in one transaction; those that are refused are not in it."""
        now = datetime.fromtimestamp(self._clock.wall_ns() // 1000 / 1_000_000, tz=UTC)
        tenants = {tenant_id for change in changes if (tenant_id := _tenant(change.entity))}
        try:
            if tenants:
                # They live in another file, so they are written first and alone; being there twice is being there once.
                await self._vault.write(lambda connection: put_tenants(connection, tenants, now))
            return await self._vault.write(lambda connection: put_each(connection, changes, now))
        except DataError as error:
            message = "A text of this change cannot be kept: it has characters that the vault does not take."
            raise Fault(FaultKind.INVALID_REQUEST, message) from error


def _tenant(entity: Entity) -> str | None:
    """The tenant that an entity hangs on itself."""
    if isinstance(entity, ProviderKey | Webhook):
        return tenant_of(entity.org_id) if is_of_tenant(entity.org_id) else None
    return entity.tenant_id if isinstance(entity, Organization | Tenant | AdminKey | DataKey) else None


def _version(connection: Connection) -> int:
    return connection.execute(select(func.max(who.change_s.c.change_id))).scalar_one() or 0


def _snapshot(connection: Connection) -> Snapshot:
    version = _version(connection)
    states = newest_of_all(connection)
    return Snapshot(
        version,
        organizations=states[ORGANIZATION.kind],
        users=states[USER.kind],
        keys=states[API_KEY.kind],
        teams=states[TEAM.kind],
        tenants=states[TENANT.kind],
        admin_keys=states[ADMIN_KEY.kind],
        provider_keys=states[PROVIDER_KEY.kind],
        data_keys=states[DATA_KEY.kind],
        webhooks=states[WEBHOOK.kind],
    )


def _changes(connection: Connection, since: int) -> Changes:
    version = _version(connection)
    if version == since:
        return Changes(version, ())
    entities: list[Entity] = []
    if not 0 < version - since <= CHANGES_MAX:
        states = newest_of_all(connection)
        for where in _PARENTS_FIRST:
            entities.extend(states[where.kind].values())
        return Changes(version, tuple(entities))
    changes = who.change_s.c
    touched: dict[str, dict[str, None]] = {where.told_as: {} for where in _PARENTS_FIRST}
    for kind, entity_id in connection.execute(
        select(changes.entity, changes.entity_bk).where(changes.change_id > since).order_by(changes.change_id)
    ):
        touched[kind][entity_id] = None
    for where in _PARENTS_FIRST:
        entities.extend(state.entity for state in newest_of(connection, where, touched[where.told_as]).values())
    return Changes(version, tuple(entities))
