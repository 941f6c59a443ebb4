"""A real vault on every engine, in a directory or database of its own, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.vault.calls import NOON_NS
from tests.support.vaults import ENGINES, place

from onevault.stores.sql.engine import Vault, open_vault


class MovedClock:
    """Wall time that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now_ns = NOON_NS

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_s(self) -> float:
        return self.now_ns / 1_000_000_000

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1_000_000_000)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the test's vault is: "" for SQLite in its directory, or a PostgreSQL database that has an empty vault."""
    with place(request.param) as url:
        yield url


@pytest.fixture
async def vault(tmp_path: Path, database_url: str) -> AsyncIterator[Vault]:
    async with open_vault(tmp_path, database_url=database_url, busy_timeout_ms=200) as opened:
        yield opened


Ask = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
def ask(vault: Vault) -> Ask:
    """Asks the vault in SQL: rows as tuples, in the words of SQLite (no types but text, numbers and bytes)."""

    async def query(statement: str, *parameters: Any) -> list[Any]:
        return await vault.read(
            lambda connection: [
                tuple(map(_plain, row)) for row in connection.exec_driver_sql(statement.replace("%", "%%"), parameters)
            ]
        )

    return query


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    if isinstance(value, Decimal):
        return float(value) if value % 1 else int(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value
