"""What a process that died had begun, and nobody's journal knows of: its successor gives it back, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from tests.contract.ledger.build import KEY, NOON, ORG, concurrency, held, money, principal, settled, tokens
from tests.support.redis_server import RedisServer, shared_redis

from onevault.core.identity import Window
from onevault.core.ports import Figures
from onevault.stores.redis.engine import RedisEngine, open_redis
from onevault.stores.redis.settings import RedisSettings

LEASE_S = 1.0
LIMITS = (money(ORG, Window.MONTH, 1_000), tokens(KEY, Window.MINUTE, 1_000))
CALLER = principal(*LIMITS, concurrency(ORG, 10))


@pytest.fixture
async def server() -> RedisServer:
    server = shared_redis()
    server.empty()
    return server


@asynccontextmanager
async def process_of(server: RedisServer, owner: str, *, lease_s: float = 60.0) -> AsyncGenerator[RedisEngine]:
    settings = RedisSettings(command_timeout_s=5.0, lease_s=lease_s, spend_expired_holds=True)
    async with open_redis(server.url, tenant_of=lambda _: "t1", settings=settings, owner=owner) as engine:
        await engine.restore("t1", ())
        yield engine


async def begin(engine: RedisEngine, call_id: str) -> None:
    await engine.rates.admit(CALLER, call_id=call_id, now_ns=NOON)
    await engine.ledger.reserve(held(call_id, 100, tokens=50), LIMITS)


async def of_organization(engine: RedisEngine) -> Figures:
    return await engine.ledger.figures(ORG, time_zone="UTC", now_ns=NOON)


async def test_a_successor_gives_back_what_its_predecessor_held_and_leaves_the_calls_of_the_living(
    server: RedisServer,
) -> None:
    async with (
        process_of(server, "host/1#dead") as dead,
        process_of(server, "host/11#alive") as other,
        process_of(server, "host/1#new") as successor,
    ):
        for number in range(300):  # more than are looked at together
            await begin(dead, f"lost-{number}") if number < 8 else await dead.ledger.reserve(
                held(f"free-{number}", 0), ()
            )
        await begin(other, "other")
        await begin(successor, "own")
        settlement = settled(held("lost-0", 100, tokens=50), 70, tokens=50)
        await successor.ledger.settle(settlement)  # the journal had it
        assert await successor.leases.give_back("t1", "host/1") == 300
        figures = await of_organization(successor)
        assert (figures.held, figures.spent_month, figures.requests_month) == (200, 70, 1)
        assert await successor.leases.give_back("t1", "host/1") == 0
        await successor.ledger.settle(settlement)
        assert (await of_organization(successor)).spent_month == 70
        for number in range(8):  # so many places are free again
            await successor.rates.admit(CALLER, call_id=f"more-{number}", now_ns=NOON)


async def test_what_counted_as_spent_since_its_lease_ran_out_is_given_back_too(server: RedisServer) -> None:
    async with process_of(server, "host/2#alive", lease_s=LEASE_S) as other:
        async with process_of(server, "host/1#dead", lease_s=LEASE_S) as dead:
            await begin(dead, "unknown")
            await begin(dead, "journaled")
        async with asyncio.timeout(20):
            while (await of_organization(other)).held:
                await asyncio.sleep(0.05)
        assert (await of_organization(other)).spent_month == 200
        async with process_of(server, "host/1#new", lease_s=LEASE_S) as successor:
            await successor.ledger.settle(settled(held("journaled", 100, tokens=50), 30, tokens=20))
            assert await successor.leases.give_back("t1", "host/1") == 1
            figures = await of_organization(successor)
        assert (figures.held, figures.spent_month, figures.tokens_month, figures.requests_month) == (0, 30, 20, 1)


async def test_an_old_settlement_counts_where_something_is_open_for_it_and_nowhere_else(server: RedisServer) -> None:
    async with process_of(server, "host/1#new") as engine:
        await engine.ledger.settle(settled(held("long over", 100), 60), if_open=True)
        assert (await of_organization(engine)).spent_month == 0
        await engine.ledger.reserve(held("open", 100), LIMITS)
        await engine.ledger.settle(settled(held("open", 100), 60), if_open=True)
        figures = await of_organization(engine)
        assert (figures.held, figures.spent_month) == (0, 60)
