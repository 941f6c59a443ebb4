"""Reads back who changed what, when and from where."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, literal, select, tuple_

from onevault.core.changes import ChangeQuery, RecordedChange
from onevault.stores.sql import locks
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.entities import ORGANIZATION
from onevault.stores.sql.putting import SOURCE
from onevault.stores.sql.schema.who import change_s

_CALLED = {ORGANIZATION.kind: "organization"}
_KEPT_AS = {called: kind for kind, called in _CALLED.items()}


class VaultChangeLog:
    """Implements `directory.ChangeLog`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def newest(self, query: ChangeQuery) -> list[RecordedChange]:
        """The changes that were asked for, newest first."""
        return await self._vault.read(lambda connection: _newest(connection, query))

    async def note(self, change: RecordedChange) -> None:
        """Adds what somebody did that makes no new state of an entity."""
        await self._vault.write(lambda connection: _note(connection, change))


def _note(connection: Connection, change: RecordedChange) -> None:
    # Numbered with the changes of entities, so it is written by the same rule: alone.
    locks.alone(connection, locks.DIRECTORY)
    row = {
        "load_date": _moment(change.at_ms),
        "actor": change.actor,
        "address": change.address,
        "entity": _KEPT_AS.get(change.entity, change.entity),
        "entity_bk": change.entity_id,
        "before": change.before,
        "after": change.after,
        "record_source": SOURCE,
        "org_bk": change.org_id,
    }
    connection.execute(change_s.insert(), [row])


def _newest(connection: Connection, query: ChangeQuery) -> list[RecordedChange]:
    of = change_s.c
    wanted = select(
        of.change_id, of.load_date, of.actor, of.address, of.entity, of.entity_bk, of.org_bk, of.before, of.after
    )
    if query.before_id is not None:
        last = connection.execute(select(of.load_date).where(of.change_id == query.before_id)).scalar_one_or_none()
        if last is None:
            return []
        told = tuple_(literal(last, of.load_date.type), literal(query.before_id))
        wanted = wanted.where(tuple_(of.load_date, of.change_id) < told)
    kind = None if query.entity is None else _KEPT_AS.get(query.entity, query.entity)
    asked = ((of.entity_bk, query.entity_id), (of.org_bk, query.org_id), (of.actor, query.actor), (of.entity, kind))
    rarest = True
    for column, value in asked:
        if value is not None:
            # From the rarest to the most frequent: only the first may choose an index. SQLite knows no better, and would read all
            # that one actor ever did to find what it did to one organization.
            wanted = wanted.where((column if rarest else func.coalesce(column, "")) == value)
            rarest = False
    if query.since_ms is not None:
        wanted = wanted.where(of.load_date >= _moment(query.since_ms))
    if query.until_ms is not None:
        wanted = wanted.where(of.load_date < _moment(query.until_ms))
    rows = connection.execute(wanted.order_by(of.load_date.desc(), of.change_id.desc()).limit(query.limit))
    return [
        RecordedChange(
            change_id=row.change_id,
            at_ms=round(row.load_date.timestamp() * 1000),
            actor=row.actor,
            address=row.address,
            entity=_CALLED.get(row.entity, row.entity),
            entity_id=row.entity_bk,
            org_id=row.org_bk,
            before=row.before,
            after=row.after,
        )
        for row in rows
    ]


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC)
