"""Opens the vault's SQLite files, and runs what reads and writes them on threads of their own, never on the event loop.

The files `auth.db`, `util.db` and `gateway.db` are attached under the names of the schemas. A commit in WAL mode is atomic in
each file and not over several of them, so whatever must hold together lives in `gateway`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from onevault.stores.sql.schema import SCHEMAS
from onevault.stores.sql.schema.create import SchemaTooNew, bring_up

T = TypeVar("T")

READERS_MAX = 2
_CHECKPOINT_PAGES = 4_000
"""Sixteen mebibytes of log between checkpoints: pages that hash keys hit again and again are then copied once."""
_LOG_BYTES_KEPT_MAX = 64 * 1024 * 1024


class VaultUnusable(Exception):
    """The vault cannot be opened; the message says why and what would be right, and names no secret."""


class Vault:
    """The open vault. Work is a function of a connection inside a transaction, committed when it returns.

    Writes are done one at a time, in the order asked for; other processes are waited for `busy_timeout_ms`, then the
    driver's error passes on (`sqlalchemy.exc.OperationalError`). Reads see one consistent state and wait for no writer.
    """

    def __init__(self, directory: Path, *, busy_timeout_ms: int = 5_000) -> None:
        self.directory = directory
        self._writer = _engine(directory, _WRITES, busy_timeout_ms=busy_timeout_ms)
        self._loader = _engine(directory, _LOADS, busy_timeout_ms=busy_timeout_ms)
        self._reader = _engine(directory, _READS, busy_timeout_ms=busy_timeout_ms)
        self._write_threads = ThreadPoolExecutor(1, "vault-write")
        self._read_threads = ThreadPoolExecutor(READERS_MAX, "vault-read")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs the work in a write transaction on the one writing thread."""
        return await asyncio.get_running_loop().run_in_executor(self._write_threads, _within, self._writer, work)

    async def load(self, job: Callable[[Begin], T]) -> T:
        """Runs a job on the writing thread that opens its transactions itself, by what it is handed.

        Foreign keys are not checked in them, which saves a tenth of the loader's time: it inserts every hub before what
        hangs on it, in the same transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._write_threads, job, self._begin_load)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs the work in a read transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, _within, self._reader, work)

    async def checkpoint(self) -> bool:
        """Brings every committed row from the write-ahead logs to disk; False if somebody was reading an older state.

        A commit survives the death of the process at once, but that of the machine only from here on: so this comes before
        anything else that holds the same facts is deleted."""
        return await asyncio.get_running_loop().run_in_executor(self._write_threads, self._checkpoint)

    async def close(self) -> None:
        """Waits for what is under way, then closes every connection."""
        await asyncio.to_thread(self._close)

    def bring_up(self) -> None:
        """Creates or checks the files; blocking. Raises VaultUnusable."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for schema in SCHEMAS:
                # Made here, for SQLite would let everybody on the machine read them; its logs take on the files' mode.
                (self.directory / f"{schema}.db").touch(mode=0o600)
            _within(self._writer, bring_up)
        except (SchemaTooNew, OSError) as error:
            raise VaultUnusable(f"{self.directory}: {error}") from error
        except DBAPIError as error:
            raise VaultUnusable(f"{self.directory}: the vault cannot be opened ({error.orig})") from error

    def _begin_load(self, work: Callable[[Connection], Any]) -> Any:
        return _within(self._loader, work)

    def _checkpoint(self) -> bool:
        connection = self._loader.raw_connection()  # outside of any transaction, which SQLAlchemy's own would begin
        try:
            cursor = connection.cursor()
            states = [cursor.execute(f"PRAGMA {schema}.wal_checkpoint(FULL)").fetchone() for schema in SCHEMAS]
            return all(busy == 0 and pages == copied for busy, pages, copied in states)
        finally:
            connection.close()

    def _close(self) -> None:
        self._write_threads.shutdown()
        self._read_threads.shutdown()
        for engine in (self._reader, self._loader, self._writer):
            engine.dispose()


Begin = Callable[[Callable[[Connection], Any]], Any]
"""Runs a piece of work in a write transaction of its own and returns what it returned."""


@asynccontextmanager
async def open_vault(
    data_directory: Path, *, database_url: str = "", busy_timeout_ms: int = 5_000
) -> AsyncGenerator[Vault]:
    """The vault of a data directory, or of the one that `sqlite:///path` names. Raises VaultUnusable."""
    vault = Vault(vault_directory(data_directory, database_url), busy_timeout_ms=busy_timeout_ms)
    try:
        await asyncio.to_thread(vault.bring_up)
        yield vault
    finally:
        await vault.close()


def vault_directory(data_directory: Path, database_url: str) -> Path:
    """Where the vault's files are. Raises VaultUnusable for a URL that this version cannot serve."""
    if not database_url:
        return data_directory
    scheme = urlsplit(database_url).scheme
    if scheme == "sqlite" and database_url.startswith("sqlite:///"):
        path = database_url.removeprefix("sqlite:///")
        return Path(path) if path else data_directory
    if scheme.startswith("postgres"):
        raise VaultUnusable(
            "ONEVAULT_DATABASE_URL: PostgreSQL is not supported yet; leave it unset for SQLite in the data directory"
        )
    raise VaultUnusable("ONEVAULT_DATABASE_URL: must be sqlite:///directory, or unset for SQLite in the data directory")


def _within(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


@dataclass(frozen=True, slots=True)
class _Use:
    """What a kind of connection is for. SQLite checks foreign keys within a file only; across files it has none."""

    begin: str
    cache_kib: int
    connections_max: int
    foreign_keys: bool
    query_only: bool


_READS = _Use(begin="BEGIN", cache_kib=8_000, connections_max=READERS_MAX, foreign_keys=False, query_only=True)
_WRITES = _Use(begin="BEGIN IMMEDIATE", cache_kib=8_000, connections_max=1, foreign_keys=True, query_only=False)
_LOADS = _Use(begin="BEGIN IMMEDIATE", cache_kib=32_000, connections_max=1, foreign_keys=False, query_only=False)


def _engine(directory: Path, use: _Use, *, busy_timeout_ms: int) -> Engine:
    def connect() -> sqlite3.Connection:
        # The main database is an empty one in memory: attaching a file that is main as well would lock itself out.
        connection = sqlite3.connect(
            ":memory:", timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
        )
        for schema in SCHEMAS:
            connection.execute(f"ATTACH ? AS {schema}", (str(directory / f"{schema}.db"),))
            connection.execute(f"PRAGMA {schema}.journal_mode = WAL")
            connection.execute(f"PRAGMA {schema}.synchronous = NORMAL")
            connection.execute(f"PRAGMA {schema}.journal_size_limit = {_LOG_BYTES_KEPT_MAX}")
        connection.execute(f"PRAGMA gateway.cache_size = -{use.cache_kib}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA foreign_keys = {use.foreign_keys:d}")
        connection.execute(f"PRAGMA query_only = {use.query_only:d}")
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=use.connections_max, max_overflow=0
    )

    @event.listens_for(engine, "begin")
    def begin_explicitly(connection: Connection) -> None:
        connection.exec_driver_sql(use.begin)

    return engine
