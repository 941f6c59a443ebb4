"""Compiles the loader's SQL once from the tables, for rows that come as plain tuples in the columns' order."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

_DIALECT = sqlite.dialect(paramstyle="qmark")


def insert_ignoring(table: Table, columns: Sequence[str]) -> str:
    """An insert of these columns that leaves a row which is there already as it is."""
    return str(_insert(table, columns).on_conflict_do_nothing().compile(dialect=_DIALECT))


def insert_adding(table: Table, columns: Sequence[str]) -> str:
    """An insert that, where the key is there already, adds the columns beside the key to what they are."""
    statement = _insert(table, columns)
    keys = {column.name for column in table.primary_key.columns}
    sums = {name: table.c[name] + statement.excluded[name] for name in columns if name not in keys}
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=sums)
    return str(statement.compile(dialect=_DIALECT))


def insert_replacing(table: Table, columns: Sequence[str]) -> str:
    """An insert that, where the key is there already, sets the columns beside the key."""
    statement = _insert(table, columns)
    keys = {column.name for column in table.primary_key.columns}
    values = {name: statement.excluded[name] for name in columns if name not in keys}
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=values)
    return str(statement.compile(dialect=_DIALECT))


def _insert(table: Table, columns: Sequence[str]) -> sqlite.Insert:
    # The compiler puts columns in the table's order, so the names given must be in that order too.
    ordered = [column.name for column in table.columns if column.name in columns]
    if ordered != list(columns):
        raise ValueError(f"columns of {table.name} are {ordered}, not {list(columns)}")
    return insert(table).values(dict.fromkeys(columns))
