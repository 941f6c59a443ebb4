"""Opens the vault on the engine that the URL names, and runs what reads and writes it on threads of its own, never on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from onevault.stores.sql.database import Database
from onevault.stores.sql.schema.create import SchemaTooNew, bring_up
from onevault.stores.sql.sqlite import SqliteDatabase

_POSTGRES: Final = "onevault.stores.sql.postgres"

T = TypeVar("T")

TRIES_MAX: Final = 5
"""How often a transaction that lost against another one is run."""
_LOST_AGAINST_ANOTHER: Final = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock, by SQLSTATE: the transaction is undone, and may simply be run again."""


class VaultUnusable(Exception):
    """The vault cannot be opened; the message says why and what would be right, and names no secret."""


class VaultAway(VaultUnusable):
    """Its server does not answer: later it may."""


class Reads(Protocol):
    """What runs pieces of work that only read."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `Vault.read`."""


class Vault:
    """The open vault. Work is a function of a connection inside a transaction, committed when it returns.

    Writes are done one at a time, in the order asked for; other processes are waited for `busy_timeout_ms`, then the
    driver's error passes on (`sqlalchemy.exc.OperationalError`). Reads see one consistent state and wait for no writer.
    Work that lost against another process's transaction is run again, so it must do nothing but with its connection. A server that does
    not answer is broken off with, which is the driver's error too; a write that was under way may then be done or not.
    """

    def __init__(self, directory: Path, *, database_url: str = "", busy_timeout_ms: int = 5_000) -> None:
        """Raises VaultUnusable for a URL that cannot be served."""
        self.database = _database(directory, database_url, busy_timeout_ms=busy_timeout_ms)
        self._write_threads = ThreadPoolExecutor(1, "vault-write")
        self._read_threads = ThreadPoolExecutor(self.database.readers_max, "vault-read")
        beside = self.database.loads_beside_writes
        self._load_threads = ThreadPoolExecutor(1, "vault-load") if beside else self._write_threads
        self._is_to_be_brought_up = False
        self._coming_up = threading.Lock()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs the work in a write transaction on the one writing thread."""
        return await self._run(self._write_threads, self._up, self.database.writer, work)

    async def load(self, job: Callable[[Begin], T]) -> T:
        """Runs a job on the loading thread that opens its transactions itself, by what it is handed.

        SQLite checks no foreign keys in them, which saves a tenth of the loader's time: it inserts every hub before what
        hangs on it, in the same transaction."""
        return await self._run(self._load_threads, job, self._begin_load)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs the work in a read transaction."""
        return await self._run(self._read_threads, self._up, self.database.reader, work)

    @asynccontextmanager
    async def one_state(self) -> AsyncGenerator[Reads]:
        """Reads that all see the vault as it is at the first of them, where the engine can keep an old state without harm to those
        who write (PostgreSQL). On SQLite, whose log would grow all the while, each sees its own."""
        if not self.database.keeps_old_states:
            yield self
            return
        connection: Connection = await self._run(self._read_threads, self.database.reader.connect)
        try:
            yield _OneState(self._run, self._read_threads, connection)
        finally:
            await self._run(self._read_threads, connection.close)

    async def checkpoint(self) -> bool:
        """Brings every committed row to disk; False if that is not done yet.

        On SQLite a commit survives the death of the process at once, but that of the machine only from here on: so this comes before
        anything else that holds the same facts is deleted."""
        return await self._run(self._load_threads, self.database.checkpoint)

    async def close(self) -> None:
        """Waits for what is under way, then closes every connection."""
        closing = asyncio.create_task(asyncio.to_thread(self._close))
        await self._patiently(closing)

    def bring_up(self) -> tuple[int, int]:
        """Creates or checks the vault; blocking. From which version of the schema to which it came (0: there was nothing).

        Where the server is away, the first work that finds it there brings it up. Raises VaultUnusable, VaultAway."""
        where = self.database.where
        try:
            self.database.prepare()
            return _within(self.database.writer, bring_up)
        except (SchemaTooNew, OSError) as error:
            raise VaultUnusable(f"{where}: {error}") from error
        except DBAPIError as error:
            self._is_to_be_brought_up = isinstance(error, OperationalError)
            kind = VaultAway if self._is_to_be_brought_up else VaultUnusable
            raise kind(f"{where}: the vault cannot be opened ({error.orig})") from error

    def _up(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        if self._is_to_be_brought_up:
            with self._coming_up:
                if self._is_to_be_brought_up:
                    _within(self.database.writer, bring_up)
                    self._is_to_be_brought_up = False
        return _within(engine, work)

    def _begin_load(self, work: Callable[[Connection], Any]) -> Any:
        return self._up(self.database.loader, work)

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        return await self._patiently(asyncio.get_running_loop().run_in_executor(threads, work, *arguments))

    async def _patiently(self, running: asyncio.Future[T]) -> T:
        """Waits for a thread, and breaks its connection off where the server has not answered for too long: then it ends by itself."""
        timeout_s = self.database.answer_timeout_s
        if timeout_s is None:
            return await running
        while True:
            done, _ = await asyncio.wait((running,), timeout=timeout_s)
            if done:
                return running.result()
            self.database.break_off()

    def _close(self) -> None:
        for threads in (self._write_threads, self._load_threads, self._read_threads):
            threads.shutdown()
        for engine in (self.database.reader, self.database.loader, self.database.writer):
            engine.dispose()


class _OneState:
    """Implements `Reads` in one transaction, a step at a time."""

    def __init__(self, run: Callable[..., Awaitable[Any]], threads: ThreadPoolExecutor, connection: Connection) -> None:
        self._run = run
        self._threads = threads
        self._connection = connection

    async def read(self, work: Callable[[Connection], T]) -> T:
        found: T = await self._run(self._threads, work, self._connection)
        return found


Begin = Callable[[Callable[[Connection], Any]], Any]
"""Runs a piece of work in a write transaction of its own and returns what it returned."""


@asynccontextmanager
async def open_vault(
    data_directory: Path, *, database_url: str = "", busy_timeout_ms: int = 5_000
) -> AsyncGenerator[Vault]:
    """The vault of a data directory, of the one that `sqlite:///path` names, or of a PostgreSQL server. Raises VaultUnusable."""
    vault = Vault(data_directory, database_url=database_url, busy_timeout_ms=busy_timeout_ms)
    try:
        await asyncio.to_thread(vault.bring_up)
        yield vault
    finally:
        await vault.close()


def vault_directory(data_directory: Path, database_url: str) -> Path:
    """Where the vault's files are. Raises VaultUnusable for a URL of neither engine."""
    if not database_url or database_url == "sqlite://":
        return data_directory
    if database_url.startswith("sqlite:///"):
        path = database_url.removeprefix("sqlite:///")
        return Path(path) if path else data_directory
    raise VaultUnusable(
        "gateway.database_url: must be postgresql://user:password@host:5432/database, sqlite:///directory, "
        "or nothing for SQLite in the data directory"
    )


def is_postgresql(database_url: str) -> bool:
    """Whether the vault is on a server."""
    return urlsplit(database_url).scheme.partition("+")[0] in ("postgresql", "postgres")


def _database(directory: Path, database_url: str, *, busy_timeout_ms: int) -> Database:
    if not is_postgresql(database_url):
        return SqliteDatabase(vault_directory(directory, database_url), busy_timeout_ms=busy_timeout_ms)
    try:
        # Not at the top: who does not use PostgreSQL need not have its driver installed, nor wait for it.
        postgres = import_module(_POSTGRES)
    except ImportError as error:
        raise VaultUnusable(
            f"gateway.database_url: PostgreSQL needs its driver ({error}): install onevault[postgres], then start again"
        ) from None
    try:
        made: Database = postgres.PostgresDatabase(database_url, lock_timeout_ms=busy_timeout_ms)
    except ValueError as error:
        raise VaultUnusable(f"gateway.database_url: {error}") from None
    return made


def _within(engine: Engine, work: Callable[[Connection], T]) -> T:
    for left in range(TRIES_MAX - 1, -1, -1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if not left or getattr(error.orig, "sqlstate", None) not in _LOST_AGAINST_ANOTHER:
                raise
    raise AssertionError("unreachable")
