"""Reads the newest states of the directory's entities from hubs and satellites: of all, or of some by their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Table

from onevault.core.directory import Entity
from onevault.core.identity import ApiKey, User
from onevault.core.packed import KEYS, USERS, Form, Packed
from onevault.stores.sql.entities import ALL, Kept, reader
from onevault.stores.sql.hashing import hash_key
from onevault.stores.sql.moments import moment
from onevault.stores.sql.statements import newest_rows, raw

_KEYS_PER_QUERY = 500
_ROWS_PER_TURN = 1_000
_FORMS: Final[dict[type, Form[Any]]] = {User: USERS, ApiKey: KEYS}
T = TypeVar("T")


class State(NamedTuple):
    """An entity as it is now, and since when."""

    entity: Entity
    load_date: datetime


def newest_of_all(connection: Connection) -> dict[str, Any]:
    """The entities by kind and id, users and keys packed. Hubs and satellites are read in the same order and joined here, one row at a
    time, which takes a third of the time that SQLite's joins do."""
    states: dict[str, Any] = {}
    for where in ALL:
        hubs = _each(connection, _ids_and_parents(where, f"ORDER BY h.{where.key_column} DESC"))
        rows = _each(connection, _newest_rows(connection, where))
        entities = _joined(hubs, rows, reader(where))
        form = _FORMS.get(where.struct)
        if form is not None:
            states[where.kind] = Packed(form, [form.pack(each) for each in entities])
        else:
            states[where.kind] = {getattr(each, where.id_field): each for each in entities}
    return states


def _joined(
    hubs: Iterator[tuple[Any, ...]], rows: Iterator[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], Entity]
) -> Iterator[Any]:
    for row in rows:
        # No state is without its hub; a hub may be without a state.
        _, entity_id, parent_id = next(hub for hub in hubs if hub[0] == row[0])
        yield read((entity_id, parent_id, *row[1:-1]))


def newest_of(connection: Connection, where: Kept, entity_ids: Iterable[str]) -> dict[str, State]:
    """The newest states of these entities, by id and in their order; one that was never there is not in it."""
    found: dict[str, State] = {}
    read = reader(where)
    for some in _in_pieces(entity_ids):
        keys = [hash_key(entity_id) for entity_id in some]
        some_hubs = f"WHERE h.{where.key_column} IN ({_places(len(keys))})"
        parents = {row[0]: row[1:3] for row in raw(connection, _ids_and_parents(where, some_hubs), keys)}
        rows = {row[0]: row for row in raw(connection, _newest_rows(connection, where, some=len(keys)), keys)}
        for key in keys:
            if key in rows:
                entity = read((*parents[key], *rows[key][1:-1]))
                found[parents[key][0]] = State(entity, moment(rows[key][-1]))
    return found


def ids_with(connection: Connection, where: Kept, values: Iterable[str | bytes]) -> list[str]:
    """The ids of all that have, or once had, one of these values in the column that is unique."""
    satellite, key = where.satellite.name, where.key_column
    found: dict[str, None] = {}
    for some in _in_pieces(values):
        statement = (
            f"SELECT DISTINCT h.{where.kind}_bk FROM gateway.{satellite} AS s "  # noqa: S608
            f"JOIN {where.hub.fullname} AS h ON h.{key} = s.{key} "
            f"WHERE s.{where.unique_column} IN ({_places(len(some))})"
        )
        found.update((row[0], None) for row in raw(connection, statement, some))
    return list(found)


def present(connection: Connection, hub: Table, entity_ids: Iterable[str]) -> set[str]:
    """Which of these ids the hub has."""
    key, bk = hub.columns.keys()[:2]
    found: set[str] = set()
    for some in _in_pieces(entity_ids):
        statement = f"SELECT {bk} FROM {hub.fullname} WHERE {key} IN ({_places(len(some))})"  # noqa: S608
        found.update(row[0] for row in raw(connection, statement, [hash_key(each) for each in some]))
    return found


def _each(connection: Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """The driver's own tuples, a thousand in memory at a time."""
    cursor = connection.exec_driver_sql(statement).cursor
    while rows := cursor.fetchmany(_ROWS_PER_TURN):
        yield from rows


def _ids_and_parents(where: Kept, which: str) -> str:
    parent_key, parent_bk = where.parent_hub.columns.keys()[:2]
    return (
        f"SELECT h.{where.key_column}, h.{where.kind}_bk, p.{parent_bk} FROM {where.hub.fullname} AS h "  # noqa: S608
        f"JOIN {where.parent_hub.fullname} AS p ON p.{parent_key} = h.{where.parent_column} {which}"
    )


def _newest_rows(connection: Connection, where: Kept, *, some: int = 0) -> str:
    columns = ", ".join(where.column_of(field) for field in where.fields)
    condition = f"WHERE {where.key_column} IN ({_places(some)})" if some else ""
    return newest_rows(connection, where.satellite, where.key_column, columns, condition)


def _places(count: int) -> str:
    return ", ".join("?" * count)


def _in_pieces(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, _KEYS_PER_QUERY)):
        yield some
