"""Every engine of the ledger and the rates: the same tests run on each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from tests.support.redis_server import shared_redis

from onevault.core.ports import Ledger, Rates
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.minutes import TokenMinutes
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.redis.engine import open_redis

TENANT = "t1"

Engine = AbstractAsyncContextManager[tuple[Ledger, Rates]]


@asynccontextmanager
async def memory() -> AsyncGenerator[tuple[Ledger, Rates]]:
    minutes = TokenMinutes()
    yield MemoryLedger(minutes=minutes), MemoryRates(minutes=minutes)


@asynccontextmanager
async def redis() -> AsyncGenerator[tuple[Ledger, Rates]]:
    server = shared_redis()
    server.empty()
    async with open_redis(server.url, tenant_of=lambda _: TENANT) as opened:
        await opened.restore(TENANT, ())
        yield opened.ledger, opened.rates


ENGINES: dict[str, Callable[[], Engine]] = {"memory": memory, "redis": redis}


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest) -> AsyncGenerator[tuple[Ledger, Rates]]:
    async with ENGINES[request.param]() as opened:
        yield opened


@pytest.fixture
def ledger(engine: tuple[Ledger, Rates]) -> Ledger:
    return engine[0]


@pytest.fixture
def rates(engine: tuple[Ledger, Rates]) -> Rates:
    return engine[1]
