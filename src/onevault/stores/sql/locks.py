"""Lets transactions of several processes do one thing after the other, by name, until they end."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from sqlalchemy import Connection

from onevault.stores.sql.dialects import POSTGRESQL

SCHEMA: Final = "schema"
"""Who brings the tables to a version."""
DIRECTORY: Final = "directory"
"""Who changes the directory: numbers of changes are then given in the order in which they become visible, and no poller misses one."""
NOTICES: Final = "notices"
"""Who keeps notices: their numbers come into sight in their order."""
RESETS: Final = "resets"
"""Who sets sums back, alone; who adds to sums shares it, so it sees every reset or is seen by it."""


def journal(name: str) -> str:
    """Who loads this journal."""
    return f"journal {name}"


def alone(connection: Connection, name: str) -> None:
    """Waits until no other transaction has the lock, and has it until this one ends. SQLite's writers are alone anyhow."""
    _lock(connection, "pg_advisory_xact_lock", name)


def shared(connection: Connection, name: str) -> None:
    """The same, but together with others who only share it."""
    _lock(connection, "pg_advisory_xact_lock_shared", name)


def _lock(connection: Connection, function: str, name: str) -> None:
    if connection.dialect.name == POSTGRESQL:
        connection.exec_driver_sql(f"SELECT {function}(%s)", (number(name),))


def number(name: str) -> int:
    """By which PostgreSQL knows a lock: eight bytes with a sign."""
    return int.from_bytes(sha256(f"onevault {name}".encode()).digest()[:8], "big", signed=True)
