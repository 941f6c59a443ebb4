"""Adds new states of entities to their history, many in one transaction: what they build on is read in a few statements, each
is checked against it and against those before it, and those that stand are written in a few more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table

from onevault.core.directory import Change, Entity
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey, Organization, ProviderKey, Status, User, Webhook, is_of_tenant
from onevault.core.money import NANOS_PER_USD
from onevault.stores.sql import locks
from onevault.stores.sql.entities import ALL, API_KEY, TEAM, USER, Kept, for_audit, kept
from onevault.stores.sql.hashing import hash_diff, hash_key
from onevault.stores.sql.provider_keys import hubs_beside, promised, put_whole_tenant
from onevault.stores.sql.schema import secrets, who
from onevault.stores.sql.statements import insert_absent
from onevault.stores.sql.states import State, ids_with, newest_of, present

SOURCE = "directory"


def put_tenants(connection: Connection, tenant_ids: Iterable[str], now: datetime) -> None:
    """Sees to it that the tenants are there."""
    common = {"load_date": now, "record_source": SOURCE}
    rows = [{"tenant_hk": hash_key(each), "tenant_bk": each} | common for each in sorted(set(tenant_ids))]
    insert_absent(connection, who.tenant_h, rows)


def put_each(connection: Connection, changes: Sequence[Change], now: datetime) -> list[Fault | None]:
    """Adds the states and the changes that made them; gives for each what it was refused for."""
    locks.alone(connection, locks.DIRECTORY)
    batch = _Batch(connection, changes, now)
    outcomes: list[Fault | None] = []
    for change in changes:
        try:
            batch.take(change)
            outcomes.append(None)
        except Fault as refusal:
            outcomes.append(refusal)
    batch.write()
    return outcomes


class _Batch:
    """What some changes build on, as it is after those that were taken, and the rows to write for these."""

    def __init__(self, connection: Connection, changes: Sequence[Change], now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._rows: dict[Table, list[dict[str, Any]]] = defaultdict(list)
        self._states: dict[str, dict[str, State]] = {}
        self._hubs: dict[Table, set[str]] = {}
        self._holders: dict[str, dict[object, set[str]]] = {}
        by_kind: dict[str, list[Entity]] = {where.kind: [] for where in ALL}
        for change in changes:
            by_kind[kept(change.entity).kind].append(change.entity)
            if isinstance(change.entity, ProviderKey | Webhook) and is_of_tenant(change.entity.org_id):
                put_whole_tenant(connection, change.entity.org_id, now)
        teams = [each.team_id for each in by_kind["user"] if isinstance(each, User) and each.team_id is not None]
        for where in ALL:
            entities = by_kind[where.kind]
            wanted = dict.fromkeys(getattr(each, where.id_field) for each in entities)
            if where is TEAM:
                wanted |= dict.fromkeys(teams)
            if where is USER:
                wanted |= dict.fromkeys(each.user_id for each in by_kind[API_KEY.kind] if isinstance(each, ApiKey))
            values = {where.unique_value(each) for each in entities} if where.unique_field else set()
            wanted |= dict.fromkeys(ids_with(connection, where, values))
            states = self._states[where.kind] = newest_of(connection, where, wanted)
            self._add_hubs(connection, where.hub, wanted)
            self._add_hubs(connection, where.parent_hub, (getattr(each, where.parent_field) for each in entities))
            holders = self._holders[where.kind] = defaultdict(set)
            if where.unique_field:
                for entity_id, state in states.items():
                    holders[_unique(where, state.entity)].add(entity_id)

    def take(self, change: Change) -> None:
        """Adds one change. Raises Fault where it does not stand: then nothing of it is in the batch."""
        entity = change.entity
        where = kept(entity)
        entity_id, parent_id = getattr(entity, where.id_field), getattr(entity, where.parent_field)
        state = self._states[where.kind].get(entity_id)
        before = None if state is None else state.entity
        self._check(where, entity, before)
        key = hash_key(entity_id)
        if entity_id not in self._hubs[where.hub]:
            self._hubs[where.hub].add(entity_id)
            ids = {where.key_column: key, f"{where.kind}_bk": entity_id, where.parent_column: hash_key(parent_id)}
            ids |= hubs_beside(self._connection, entity, self._now)
            self._rows[where.hub].append(ids | {"load_date": self._now, "record_source": SOURCE})
        values = where.values(entity)
        digest = hash_diff(*(str(value) if isinstance(value, bytes | list) else value for value in values.values()))
        # Just after the row before where the clock went back, so that the newest stays newest.
        moment = self._now if state is None else max(self._now, state.load_date + timedelta(microseconds=1))
        row = {where.key_column: key, "load_date": moment, "hash_diff": digest, "record_source": SOURCE}
        self._rows[where.satellite].append(row | values)
        if isinstance(entity, Organization):
            self._rows[who.customer_config_s].append(row | _config(entity))
        if isinstance(entity, ProviderKey):
            self._rows[secrets.customer_provider_keys_s].append(row | promised(entity))
        self._rows[who.change_s].append(
            {
                "load_date": moment,
                "actor": change.actor,
                "address": change.address,
                "entity": where.told_as,
                "entity_bk": entity_id,
                "before": None if before is None else for_audit(before),
                "after": for_audit(entity),
                "record_source": SOURCE,
                "org_bk": self._organization_of(entity),
            }
        )
        self._states[where.kind][entity_id] = State(entity, moment)
        if where.unique_field:
            self._holders[where.kind][_unique(where, entity)].add(entity_id)

    def write(self) -> None:
        """Writes what was taken: hubs before what hangs on them."""
        connection = self._connection
        for where in ALL:
            if where.hub in self._rows:
                insert_absent(connection, where.hub, self._rows[where.hub])
            if where.satellite in self._rows:
                connection.execute(where.satellite.insert(), self._rows[where.satellite])
        for table in (who.customer_config_s, secrets.customer_provider_keys_s, who.change_s):
            if table in self._rows:
                connection.execute(table.insert(), self._rows[table])

    def _organization_of(self, entity: Entity) -> str | None:
        """Whose change this is, for those who see one organization alone."""
        if isinstance(entity, ApiKey):
            user = self._states[USER.kind].get(entity.user_id)
            return None if user is None else self._organization_of(user.entity)
        org_id: str | None = getattr(entity, "org_id", None)
        return None if org_id is None or is_of_tenant(org_id) else org_id

    def _add_hubs(self, connection: Connection, hub: Table, entity_ids: Iterable[str]) -> None:
        known = self._hubs.setdefault(hub, set())
        known |= present(connection, hub, dict.fromkeys(entity_ids))

    def _check(self, where: Kept, entity: Entity, before: Entity | None) -> None:
        parent_id = getattr(entity, where.parent_field)
        if parent_id not in self._hubs[where.parent_hub]:
            message = f"There is no {where.parent_field} {parent_id!r}."
            raise Fault(FaultKind.NOT_FOUND, message, param=where.parent_field)
        if before is not None and getattr(before, where.parent_field) != parent_id:
            message = f"{where.parent_field} cannot be changed once set."
            raise Fault(FaultKind.CONFLICT, message, param=where.parent_field)
        stored = 0 if before is None else before.version
        if stored != entity.version - 1:
            message = f"The stored version is {stored}; this change was made on {entity.version - 1}."
            raise Fault(FaultKind.CONFLICT, message, param="version")
        if isinstance(entity, User):
            self._check_team(entity, before)
        if where.unique_field and entity.status not in where.gives_way and self._is_taken(where, entity):
            raise Fault(FaultKind.CONFLICT, f"This {where.unique_field} is taken.", param=where.unique_field)

    def _check_team(self, user: User, before: Entity | None) -> None:
        """A user comes only into a living team of its own organization. Who is in a team that ended since stays there, without
        calls."""
        if user.team_id is None or (isinstance(before, User) and before.team_id == user.team_id):
            return
        state = self._states[TEAM.kind].get(user.team_id)
        team: Any = None if state is None else state.entity
        if team is None or team.org_id != user.org_id or team.status is Status.DELETED:
            raise Fault(FaultKind.NOT_FOUND, f"There is no team_id {user.team_id!r}.", param="team_id")

    def _is_taken(self, where: Kept, entity: Entity) -> bool:
        """Whether another living entity of the same parent has the same name, address or digest now (not only once had it)."""
        own_id, value = getattr(entity, where.id_field), _unique(where, entity)
        for entity_id in self._holders[where.kind].get(value, ()):
            other = self._states[where.kind][entity_id].entity
            if entity_id != own_id and other.status not in where.gives_way and _unique(where, other) == value:
                return True
        return False


def _unique(where: Kept, entity: Entity) -> object:
    """What no two living entities may share: a value, under one parent unless it is unique everywhere."""
    value = where.unique_value(entity)
    return value if where.unique_everywhere else (getattr(entity, where.parent_field), value)


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
