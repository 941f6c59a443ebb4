"""Lets one process at a time count limits in its memory for a vault that several hosts can reach."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from time import monotonic, sleep
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from onevault.core.faults import Fault, FaultKind
from onevault.stores.sql import locks

CHECK_INTERVAL_S: Final = 0.5
TAKE_WITHIN_S: Final = 3.0
"""How long a start waits for the lease: the server may not have noticed yet that the last process died."""
RESTARTED_WITHIN_S: Final = 5.0
"""After a restart of the server whoever had the lease gets it back first: nobody new takes it for so long."""
_NAME: Final = "ledger in memory"
_HOLDER: Final = text(
    "SELECT a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid WHERE l.locktype = 'advisory' "
    "AND l.granted AND l.classid = :high AND l.objid = :low AND l.database = (SELECT oid FROM pg_database WHERE datname = "
    "current_database())"
)
_SESSION: Final = (
    f"SET application_name = '{f'onevault on {socket.gethostname()}, process {os.getpid()}'.replace(chr(39), '')[:60]}'",
    # The server lets go within seconds of the lease of a host that was cut off, not after the system's two hours.
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)


class LedgerLease:
    """An advisory lock of a session of its own: it ends with the process, however that dies. While the server is away the
    process goes on, for nobody else can take the lease either.

    `engine` commits each statement by itself and keeps no connection; `where` names the vault without any secret.
    """

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._connection: Connection | None = None

    async def take(self) -> None:
        """Raises Fault CONFLICT that names who has the lease, SQLAlchemyError where the server cannot be asked."""
        await asyncio.to_thread(self._take)

    async def kept(self) -> str:
        """Keeps the lease through restarts of the server; returns only when it is lost, with who has it now."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            with suppress(SQLAlchemyError):
                holder = await asyncio.to_thread(self._check)
                if holder is not None:
                    return holder

    async def give_back(self) -> None:
        await asyncio.to_thread(self._drop)

    def _take(self) -> None:
        until = monotonic() + TAKE_WITHIN_S
        while True:
            connection = self._connected()
            is_new = connection.execute(
                text("SELECT now() - pg_postmaster_start_time() < make_interval(secs => :age)"),
                {"age": RESTARTED_WITHIN_S},
            ).scalar_one()
            if not is_new and self._locked(connection):
                return
            if not is_new and monotonic() > until:
                holder = self._holder(connection)
                self._drop()
                message = (
                    f"Another gateway ({holder}) counts the limits and budgets of {self._where} in its memory, which only one can do. "
                    "Stop it first, or set gateway.redis_url, so that both share one ledger."
                )
                raise Fault(FaultKind.CONFLICT, message)
            sleep(CHECK_INTERVAL_S / 5)

    def _check(self) -> str | None:
        """None: the lease is ours, or nobody knows; else who has it."""
        try:
            if self._connection is not None:
                self._connection.execute(text("SELECT 1"))
                return None
            connection = self._connected()
            return None if self._locked(connection) else self._holder(connection)
        except SQLAlchemyError:
            self._drop()
            raise

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._engine.connect()
            for statement in _SESSION:
                connection.exec_driver_sql(statement)
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()

    @staticmethod
    def _locked(connection: Connection) -> bool:
        number = {"number": locks.number(_NAME)}
        return bool(connection.execute(text("SELECT pg_try_advisory_lock(:number)"), number).scalar_one())

    @staticmethod
    def _holder(connection: Connection) -> str:
        number = locks.number(_NAME) % (1 << 64)
        parts = {"high": number >> 32, "low": number & 0xFFFFFFFF}
        return connection.execute(_HOLDER, parts).scalar() or "its name is not known"
