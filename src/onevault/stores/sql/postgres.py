"""The vault on PostgreSQL: connections that notice a server which is gone, and find it again when it is back."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import psycopg
from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from onevault.stores.sql.lease import LedgerLease

READERS_MAX: Final = 4
ANSWER_TIMEOUT_S: Final = 10.0
"""A batch of the loader takes a tenth of a second. A server that says nothing for so long is stopped or cut off."""
_IDLE_IN_TRANSACTION_MS: Final = 60_000
"""After which the server gives up the transaction, and with it the locks, of a gateway that was cut off in the middle."""
_SENT_UNANSWERED_MS: Final = 10_000
_CONNECT_TIMEOUT_S: Final = 5
_DRIVER: Final = "postgresql+psycopg"
_SCHEMES: Final = ("postgresql", "postgres", _DRIVER)
_LIBPQ: Final = {
    "connect_timeout": _CONNECT_TIMEOUT_S,
    "application_name": "onevault",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": _SENT_UNANSWERED_MS,
}


class PostgresDatabase:
    """Implements `database.Database` on the server of a URL as libpq reads it (`postgresql://user:password@host:5432/name`).

    Connections are tried before they are used, so those of a server that was restarted are replaced unnoticed. Waiting for a
    lock ends after `lock_timeout_ms` with the driver's error.
    """

    readers_max = READERS_MAX
    loads_beside_writes = True
    keeps_old_states = True
    answer_timeout_s = ANSWER_TIMEOUT_S

    def __init__(self, url: str, *, lock_timeout_ms: int) -> None:
        """Raises ValueError for what is no URL of a server, without repeating it."""
        parsed = parsed_url(url)
        self.where = shown(parsed)
        self._url = parsed
        self._open: set[psycopg.Connection[Any]] = set()
        waits = f"-c lock_timeout={lock_timeout_ms} -c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_MS}"
        self.reader = self._engine(parsed, READERS_MAX, isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.writer = self._engine(parsed, 1, waits)
        self.loader = self._engine(parsed, 1, waits)

    def prepare(self) -> None:
        """The server is there or it is not."""

    def checkpoint(self) -> bool:
        return True  # a commit is on the server's disk when it returns

    def break_off(self) -> None:
        for connection in tuple(self._open):
            # Not `close`, which would take the descriptor away from the thread that waits on it.
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as shared:
                shared.shutdown(socket.SHUT_RDWR)

    def lease(self) -> LedgerLease:
        sessions = create_engine(
            self._url, connect_args=_LIBPQ, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True
        )
        return LedgerLease(sessions, self.where)

    def _engine(self, url: URL, connections_max: int, options: str = "", **execution: object) -> Engine:
        said = url.query.get("options", "")
        arguments = _LIBPQ | {
            "options": f"-c timezone=UTC {options} {said if isinstance(said, str) else ' '.join(said)}"
        }
        engine = create_engine(
            url.difference_update_query(["options"]),
            connect_args={name: value for name, value in arguments.items() if name not in url.query},
            pool_size=connections_max,
            max_overflow=0,
            pool_pre_ping=True,
            execution_options=execution,
            json_deserializer=msgspec.json.decode,
            native_inet_types=False,
            hide_parameters=True,
        )
        event.listen(engine, "do_executemany", _copy)
        event.listen(engine, "do_execute", _copy_one)
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "close", self._closed)
        return engine

    def _opened(self, connection: psycopg.Connection[Any], entry: ConnectionPoolEntry) -> None:
        self._open.add(connection)

    def _closed(self, connection: psycopg.Connection[Any], entry: ConnectionPoolEntry) -> None:
        self._open.discard(connection)


def parsed_url(url: str) -> URL:
    """Raises ValueError for what is no URL of a PostgreSQL server, without repeating it: it may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.drivername not in _SCHEMES or not parsed.database:
        raise ValueError("must be postgresql://user:password@host:5432/database")
    return parsed.set(drivername=_DRIVER)


def shown(url: URL) -> str:
    """Which database it is, without credentials and options."""
    host = url.host or str(url.query.get("host", "localhost"))
    return f"postgresql://{host}{f':{url.port}' if url.port else ''}/{url.database}"


def _copy(cursor: psycopg.Cursor[Any], statement: str, rows: Sequence[Sequence[Any]], context: object) -> bool | None:
    """Has the rows of a COPY written into its stream; other statements go their usual way."""
    if not statement.startswith("COPY "):
        return None
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
    return True


def _copy_one(cursor: psycopg.Cursor[Any], statement: str, row: Sequence[Any], context: object) -> bool | None:
    return _copy(cursor, statement, (row,), context)
