"""Keeps who calls and who decides with all their history, and gives the newest state of all of them quickly."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, select

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import (
    AdminKey,
    DataKey,
    Organization,
    ProviderKey,
    Status,
    Tenant,
    User,
    is_of_tenant,
    tenant_of,
)
from onevault.core.money import NANOS_PER_USD
from onevault.core.ports import Change, Clock, Entity, Snapshot
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.entities import ALL, TEAM, Kept, for_audit, kept, reader
from onevault.stores.sql.hashing import hash_diff, hash_key
from onevault.stores.sql.provider_keys import hubs_beside, promised, put_whole_tenant
from onevault.stores.sql.schema import secrets, who

SOURCE = "directory"
CHANGES_MAX = 2_000
"""A snapshot is brought up to date by so many changes at most; beyond it is read anew."""


class VaultDirectory:
    """The port `Directory` on the vault. An unreachable vault raises the driver's error
    (`sqlalchemy.exc.SQLAlchemyError`): what was read last stays in force with whoever holds the snapshot.

    `put` also raises Fault CONFLICT with `param` naming the field where a name, an e-mail address or a key is taken, and
    NOT_FOUND where the entity's parent does not exist.
    """

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._last: Snapshot | None = None
        self._one_at_a_time = asyncio.Lock()

    async def snapshot(self) -> Snapshot:
        """The newest state of all. After the first time only what has changed since is read."""
        async with self._one_at_a_time:
            last = self._last
            self._last = await self._vault.read(lambda connection: _snapshot(connection, last))
            return self._last

    async def version(self) -> int:
        """The number of the newest change; any process's change raises it. One look-up at the end of an index."""
        return await self._vault.read(_version)

    async def put(self, change: Change) -> None:
        """Adds the entity's new state, and the change to the audit."""
        now = datetime.fromtimestamp(self._clock.wall_ns() // 1000 / 1_000_000, tz=UTC)
        entity = change.entity
        if isinstance(entity, Organization | Tenant | AdminKey | DataKey):
            # The tenant lives in another file, so it is written first and alone; being there twice is being there once.
            tenant_id = entity.tenant_id
            await self._vault.write(lambda connection: _put_tenant(connection, tenant_id, now))
        if isinstance(entity, ProviderKey) and is_of_tenant(entity.org_id):
            tenant = tenant_of(entity.org_id)
            await self._vault.write(lambda connection: _put_tenant(connection, tenant, now))
        await self._vault.write(lambda connection: _put(connection, change, kept(entity), now))


def _version(connection: Connection) -> int:
    return connection.execute(select(func.max(who.change_s.c.change_id))).scalar_one() or 0


def _snapshot(connection: Connection, last: Snapshot | None) -> Snapshot:
    version = _version(connection)
    if last is not None and last.version == version:
        return last
    changes = who.change_s.c
    touched: list[tuple[str, str]] | None = None
    if last is not None and 0 < version - last.version <= CHANGES_MAX:
        query = select(changes.entity, changes.entity_bk).where(changes.change_id > last.version)
        touched = [(row[0], row[1]) for row in connection.execute(query)]
    if last is None or touched is None:
        return _snapshot_of_all(connection, version)
    states: list[dict[str, Any]] = [
        dict(state)
        for state in (
            last.organizations,
            last.users,
            last.keys,
            last.teams,
            last.tenants,
            last.admin_keys,
            last.provider_keys,
            last.data_keys,
        )
    ]
    for where, state in zip(ALL, states, strict=True):
        for entity_id in {bk for kind, bk in touched if kind == where.told_as}:
            newest = _newest(connection, where, hash_key(entity_id))
            if newest is not None:
                state[entity_id] = newest
    return Snapshot(version, *states)


def _snapshot_of_all(connection: Connection, version: int) -> Snapshot:
    """Reads hubs and satellites one by one and joins them here, which takes a third of the time that SQLite's joins do."""
    tenants = _raw(connection, "SELECT tenant_hk, tenant_bk FROM auth.tenant_h")
    ids_of: dict[str, dict[bytes, str]] = {"tenant_h": dict(tenants)}
    states: list[dict[str, Any]] = []
    for where in ALL:
        key, hub = where.key_column, where.hub
        parents = ids_of[where.parent_hub.name]
        ids = {
            row[0]: (row[1], row[2])
            for row in _raw(connection, f"SELECT {key}, {where.kind}_bk, {where.parent_column} FROM {hub.fullname}")  # noqa: S608
        }
        read = reader(where)
        state = {}
        for row in _raw(connection, _newest_rows(where)):
            entity_id, parent_key = ids[row[0]]
            state[entity_id] = read((entity_id, parents[parent_key], *row[1:-1]))
        states.append(state)
        ids_of[hub.name] = {row_key: entity_id for row_key, (entity_id, _) in ids.items()}
    return Snapshot(version, *states)


def _newest(connection: Connection, where: Kept, key: bytes) -> Entity | None:
    """The newest state of one entity."""
    parent_key, parent_bk = where.parent_hub.columns.keys()[:2]
    hub = where.hub.alias("h")
    parent = where.parent_hub.alias("p")
    ids = connection.execute(
        select(hub.c[f"{where.kind}_bk"], parent.c[parent_bk])
        .select_from(hub.join(parent, parent.c[parent_key] == hub.c[where.parent_column]))
        .where(hub.c[where.key_column] == key)
    ).one_or_none()
    rows = _raw(connection, _newest_rows(where, one=True), (key,))
    return None if ids is None or not rows else reader(where)((*ids, *rows[0][1:-1]))


def _newest_rows(where: Kept, *, one: bool = False) -> str:
    """SQLite takes the other columns of a group from the row that has the maximum: one pass in the order of the key."""
    columns = ", ".join(where.column_of(field) for field in where.fields)
    condition = f"WHERE {where.key_column} = ? " if one else ""
    return (
        f"SELECT {where.key_column}, {columns}, MAX(load_date) FROM gateway.{where.satellite.name} "  # noqa: S608
        f"{condition}GROUP BY {where.key_column}"
    )


def _raw(connection: Connection, statement: str, parameters: tuple[bytes, ...] = ()) -> list[tuple[Any, ...]]:
    """The driver's own tuples: a snapshot reads hundreds of thousands. Statements are made of tables' and columns' names only."""
    return list(connection.exec_driver_sql(statement, parameters).cursor.fetchall())


def _put_tenant(connection: Connection, tenant_id: str, now: datetime) -> None:
    key = hash_key(tenant_id)
    table = who.tenant_h
    if connection.execute(select(table.c.tenant_hk).where(table.c.tenant_hk == key)).first() is None:
        connection.execute(
            table.insert().values(tenant_hk=key, tenant_bk=tenant_id, load_date=now, record_source=SOURCE)
        )


def _put(connection: Connection, change: Change, where: Kept, now: datetime) -> None:
    entity = change.entity
    entity_id, parent_id = getattr(entity, where.id_field), getattr(entity, where.parent_field)
    key, parent_key = hash_key(entity_id), hash_key(parent_id)
    if isinstance(entity, ProviderKey) and is_of_tenant(entity.org_id):
        put_whole_tenant(connection, entity.org_id, now)
    before = _newest(connection, where, key)
    _check(connection, where, entity, before)
    if before is None:
        hub = where.hub
        if connection.execute(select(hub.c[where.key_column]).where(hub.c[where.key_column] == key)).first() is None:
            connection.execute(
                hub.insert().values(
                    {
                        where.key_column: key,
                        f"{where.kind}_bk": entity_id,
                        where.parent_column: parent_key,
                        "load_date": now,
                        "record_source": SOURCE,
                    }
                    | hubs_beside(connection, entity, now)
                )
            )
    values = where.values(entity)
    digest = hash_diff(*(str(value) if isinstance(value, bytes | list) else value for value in values.values()))
    moment = _after_the_last(connection, where, key, now)
    row = {where.key_column: key, "load_date": moment, "hash_diff": digest, "record_source": SOURCE}
    connection.execute(where.satellite.insert().values(row | values))
    if isinstance(entity, Organization):
        connection.execute(who.customer_config_s.insert().values(row | _config(entity)))
    if isinstance(entity, ProviderKey):
        connection.execute(secrets.customer_provider_keys_s.insert().values(row | promised(entity)))
    connection.execute(
        who.change_s.insert().values(
            load_date=moment,
            actor=change.actor,
            address=change.address,
            entity=where.told_as,
            entity_bk=entity_id,
            before=None if before is None else for_audit(before),
            after=for_audit(entity),
            record_source=SOURCE,
        )
    )


def _check(connection: Connection, where: Kept, entity: Entity, before: Entity | None) -> None:
    parent = where.parent_hub
    parent_id = getattr(entity, where.parent_field)
    parent_key = parent.c[parent.columns.keys()[0]]
    if connection.execute(select(parent_key).where(parent_key == hash_key(parent_id))).first() is None:
        raise Fault(FaultKind.NOT_FOUND, f"There is no {where.parent_field} {parent_id!r}.", param=where.parent_field)
    if before is not None and getattr(before, where.parent_field) != parent_id:
        raise Fault(FaultKind.CONFLICT, f"{where.parent_field} cannot be changed once set.", param=where.parent_field)
    stored = 0 if before is None else before.version
    if stored != entity.version - 1:
        raise Fault(
            FaultKind.CONFLICT,
            f"The stored version is {stored}; this change was made on {entity.version - 1}.",
            param="version",
        )
    if isinstance(entity, User) and entity.team_id is not None:
        _check_team(connection, entity, before)
    if where.unique_field and entity.status not in where.gives_way and _taken(connection, where, entity):
        raise Fault(FaultKind.CONFLICT, f"This {where.unique_field} is taken.", param=where.unique_field)


def _check_team(connection: Connection, user: User, before: Entity | None) -> None:
    """A user comes only into a living team of its own organization. Who is in a team that ended since stays there, without calls."""
    if user.team_id is None or (isinstance(before, User) and before.team_id == user.team_id):
        return
    team: Any = _newest(connection, TEAM, hash_key(user.team_id))
    if team is None or team.org_id != user.org_id or team.status is Status.DELETED:
        raise Fault(FaultKind.NOT_FOUND, f"There is no team_id {user.team_id!r}.", param="team_id")


def _taken(connection: Connection, where: Kept, entity: Entity) -> bool:
    """Whether another living entity of the same parent has the same name, address or digest now (not only once had it)."""
    satellite, hub = where.satellite, where.hub
    key = hash_key(getattr(entity, where.id_field))
    holders = (
        select(satellite.c[where.key_column])
        .distinct()
        .join(hub, hub.c[where.key_column] == satellite.c[where.key_column])
    )
    same = and_(satellite.c[where.unique_column] == where.unique_value(entity), satellite.c[where.key_column] != key)
    if not where.unique_everywhere:
        same = and_(same, hub.c[where.parent_column] == hash_key(getattr(entity, where.parent_field)))
    for holder in connection.execute(holders.where(same)).scalars().all():
        other = _newest(connection, where, holder)
        if other is None or other.status in where.gives_way:
            continue
        if where.unique_value(other) == where.unique_value(entity):
            return True
    return False


def _after_the_last(connection: Connection, where: Kept, key: bytes, now: datetime) -> datetime:
    """The row's load date: now, or just after the row before where the clock went back, so that the newest stays newest."""
    dates = where.satellite.c
    last: datetime | None = connection.execute(
        select(func.max(dates.load_date)).where(dates[where.key_column] == key)
    ).scalar_one()
    return now if last is None or last < now else last + timedelta(microseconds=1)


def _config(organization: Organization) -> dict[str, Any]:
    """The columns of `customer_config_s`: the named ones, in dollars and for people; what counts is in `customer_s`."""

    def dollars(nanos: int | None) -> float | None:
        return None if nanos is None else nanos / NANOS_PER_USD

    return {
        "cost_budget_monthly": dollars(organization.monthly_budget),
        "cost_budget_daily": dollars(organization.daily_budget),
        "compliance_level": organization.compliance_level,
        "rate_limit_requests_per_minute": organization.requests_per_minute,
        "priority_tier": organization.priority_tier,
        "webhook_url": organization.webhook_url,
    }
