"""Compiles the loader's SQL once for each engine from the tables, for rows that come as plain tuples in the columns' order.

What the engines say differently stands here and in `schema/`, and in no other place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError

from onevault.stores.sql.dialects import POSTGRESQL, SQLITE

_DIALECTS: Final[Mapping[str, Dialect]] = {
    SQLITE: sqlite.dialect(paramstyle="qmark"),
    POSTGRESQL: postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}
_INSERTS: Final[Mapping[str, Any]] = {SQLITE: sqlite.insert, POSTGRESQL: postgresql.insert}
_THERE_ALREADY: Final = "23505"
"""A unique violation, by SQLSTATE."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL by the name of the dialect."""

    texts: Mapping[str, str]

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]] | tuple[Any, ...]) -> int:
        """Runs it for each row of a list, or for one. How many rows it inserted or changed; `append` alone has no number."""
        return connection.exec_driver_sql(self.texts[connection.dialect.name], rows).rowcount


def insert_ignoring(table: Table, columns: Sequence[str]) -> Statement:
    """An insert of these columns that leaves a row which is there already as it is."""
    return Statement({name: _text(name, _insert(name, table, columns).on_conflict_do_nothing()) for name in _DIALECTS})


def insert_adding(table: Table, columns: Sequence[str]) -> Statement:
    """An insert that, where the key is there already, adds the columns beside the key to what they are."""
    return _upsert(table, columns, adding=True)


def insert_replacing(table: Table, columns: Sequence[str]) -> Statement:
    """An insert that, where the key is there already, sets the columns beside the key."""
    return _upsert(table, columns, adding=False)


def appending(table: Table, columns: Sequence[str]) -> Statement:
    """Rows for `append`: an insert on SQLite, a COPY on PostgreSQL, which takes a quarter of an insert's time."""
    copy = f"COPY {table.fullname} ({', '.join(_ordered(table, columns))}) FROM STDIN"
    return Statement({**insert_ignoring(table, columns).texts, POSTGRESQL: copy})


def append(connection: Connection, statement: Statement, rows: list[tuple[Any, ...]]) -> bool:
    """Adds rows that are new. False if any was there already: then the transaction must be given up."""
    if not rows:
        return True
    try:
        inserted = statement.run(connection, rows)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _THERE_ALREADY:
            raise
        return False
    return connection.dialect.name == POSTGRESQL or inserted == len(rows)


def insert_absent(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Inserts the rows whose keys are not there, also if another process inserts the same at this moment."""
    connection.execute(_INSERTS[connection.dialect.name](table).on_conflict_do_nothing(), rows)


def raw(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The driver's own tuples: a snapshot reads hundreds of thousands. Statements are made of names of tables and columns only, and
    `?` is the mark of a parameter in them, for every engine."""
    if connection.dialect.name == POSTGRESQL:
        statement = statement.replace("?", "%s")
    return list(connection.exec_driver_sql(statement, tuple(parameters)).cursor.fetchall())


def newest_rows(connection: Connection, table: Table, key: str, columns: str, condition: str = "") -> str:
    """The newest row of each key of a satellite, in falling order: key, columns, load date. Each engine has its own way through the
    primary key in one pass: SQLite takes the other columns of a group from the row that has the maximum, PostgreSQL the first row of
    each key."""
    if connection.dialect.name == POSTGRESQL:
        return (
            f"SELECT DISTINCT ON ({key}) {key}, {columns}, load_date FROM {table.fullname} {condition} "  # noqa: S608
            f"ORDER BY {key} DESC, load_date DESC"
        )
    return (
        f"SELECT {key}, {columns}, MAX(load_date) FROM {table.fullname} {condition} GROUP BY {key} ORDER BY {key} DESC"  # noqa: S608
    )


def _upsert(table: Table, columns: Sequence[str], *, adding: bool) -> Statement:
    keys = list(table.primary_key.columns)
    beside = [name for name in columns if name not in {column.name for column in keys}]
    texts = {}
    for name in _DIALECTS:
        statement = _insert(name, table, columns)
        new = statement.excluded
        values = {column: table.c[column] + new[column] if adding else new[column] for column in beside}
        texts[name] = _text(name, statement.on_conflict_do_update(index_elements=keys, set_=values))
    return Statement(texts)


def _insert(dialect: str, table: Table, columns: Sequence[str]) -> Any:
    return _INSERTS[dialect](table).values(dict.fromkeys(_ordered(table, columns)))


def _text(dialect: str, statement: Any) -> str:
    return str(statement.compile(dialect=_DIALECTS[dialect]))


def _ordered(table: Table, columns: Sequence[str]) -> list[str]:
    # The compiler puts columns in the table's order, so the names given must be in that order too.
    ordered = [column.name for column in table.columns if column.name in columns]
    if ordered != list(columns):
        raise ValueError(f"columns of {table.name} are {ordered}, not {list(columns)}")
    return ordered
