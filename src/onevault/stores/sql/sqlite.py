"""The vault on SQLite: three files in the data directory, attached under the names of the schemas.

A commit in WAL mode is atomic in each file and not over several of them, so whatever must hold together lives in `gateway`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from onevault.stores.sql.schema import SCHEMAS

READERS_MAX = 2
_CHECKPOINT_PAGES = 4_000
"""Sixteen mebibytes of log between checkpoints: pages that hash keys hit again and again are then copied once."""
_LOG_BYTES_KEPT_MAX = 64 * 1024 * 1024


class SqliteDatabase:
    """Implements `database.Database`. SQLite has one writer at a time, so the loader shares the thread of the other writes."""

    readers_max = READERS_MAX
    loads_beside_writes = False
    keeps_old_states = False
    answer_timeout_s = None

    def __init__(self, directory: Path, *, busy_timeout_ms: int) -> None:
        self.where = str(directory)
        self._directory = directory
        self.writer = _engine(directory, _WRITES, busy_timeout_ms=busy_timeout_ms)
        self.loader = _engine(directory, _LOADS, busy_timeout_ms=busy_timeout_ms)
        self.reader = _engine(directory, _READS, busy_timeout_ms=busy_timeout_ms)

    def prepare(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for schema in SCHEMAS:
            # Made here, for SQLite would let everybody on the machine read them; its logs take on the files' mode.
            (self._directory / f"{schema}.db").touch(mode=0o600)

    def checkpoint(self) -> bool:
        connection = self.loader.raw_connection()  # outside of any transaction, which SQLAlchemy's own would begin
        try:
            cursor = connection.cursor()
            states = [cursor.execute(f"PRAGMA {schema}.wal_checkpoint(FULL)").fetchone() for schema in SCHEMAS]
            return all(busy == 0 and pages == copied for busy, pages, copied in states)
        finally:
            connection.close()

    def lease(self) -> None:
        return None

    def break_off(self) -> None:
        """Files answer or fail by themselves."""


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
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=use.connections_max,
        max_overflow=0,
        json_deserializer=msgspec.json.decode,
    )

    @event.listens_for(engine, "begin")
    def begin_explicitly(connection: Connection) -> None:
        connection.exec_driver_sql(use.begin)

    return engine
