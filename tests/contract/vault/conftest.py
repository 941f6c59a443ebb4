"""A real vault in a directory of its own, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.vault.calls import NOON_NS

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


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with open_vault(tmp_path, busy_timeout_ms=200) as opened:
        yield opened


Ask = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
def ask(vault: Vault) -> Ask:
    """Asks the vault in SQL: rows as tuples."""

    async def query(statement: str, *parameters: Any) -> list[Any]:
        return await vault.read(
            lambda connection: [tuple(row) for row in connection.exec_driver_sql(statement, parameters)]
        )

    return query
