"""Places for vaults on every engine that there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres_server import shared_postgres, vault_template

SQLITE, POSTGRESQL = "sqlite", "postgresql"
ENGINES = (SQLITE, POSTGRESQL)


@contextmanager
def place(engine: str, *, empty: bool = False) -> Iterator[str]:
    """A database URL for a new vault: "" is SQLite in the data directory. A database on PostgreSQL has a
    vault without calls already, unless it is to be `empty`."""
    if engine == SQLITE:
        yield ""
        return
    server = shared_postgres()
    database = server.database("template0" if empty else vault_template())
    try:
        yield server.url(database)
    finally:
        server.drop(database)
