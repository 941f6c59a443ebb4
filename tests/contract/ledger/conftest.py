"""Every engine of the ledger and the rates: the same tests run on each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from tests.support.redis_server import shared_redis

from onevault.bootstrap.system import SystemClock
from onevault.core.ports import Ledger, Rates
from onevault.stores.grace.allowance import Allowance
from onevault.stores.grace.ledger import GraceLedger
from onevault.stores.grace.rates import GraceRates
from onevault.stores.grace.reach import Reach
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.redis.engine import open_redis
from onevault.stores.redis.settings import RedisSettings

TENANT = "t1"

Engine = AbstractAsyncContextManager[tuple[Ledger, Rates]]


@asynccontextmanager
async def memory() -> AsyncGenerator[tuple[Ledger, Rates]]:
    yield MemoryLedger(), MemoryRates()


@asynccontextmanager
async def redis() -> AsyncGenerator[tuple[Ledger, Rates]]:
    server = shared_redis()
    server.empty()
    # How long a busy machine takes is not what the contract is about.
    patient = RedisSettings(command_timeout_s=30.0)
    async with open_redis(server.url, tenant_of=lambda _: TENANT, settings=patient) as opened:
        await opened.restore(TENANT, ())
        yield opened.ledger, opened.rates


@asynccontextmanager
async def within_grace(inside: Engine) -> AsyncGenerator[tuple[Ledger, Rates]]:
    """What stands around a shared ledger is, as long as that answers, that ledger."""
    async with inside as (ledger, rates):
        reach = Reach(_never, SystemClock(), on_change=_unheard)
        allowance = Allowance(lambda _: 10**9, processes=1)
        yield GraceLedger(ledger, reach, allowance, _unheard), GraceRates(rates, reach, allowance, _unheard)


async def _never() -> None:
    raise AssertionError("the store answers: nobody has to probe it")


def _unheard(told: object) -> None:
    raise AssertionError(f"there was no outage: {told}")


ENGINES: dict[str, Callable[[], Engine]] = {
    "memory": memory,
    "redis": redis,
    "grace around memory": lambda: within_grace(memory()),
}


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
