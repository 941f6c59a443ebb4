"""Many processes on one Redis: they never spend more than there is, and what dead ones held comes back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator

import pytest
from tests.contract.ledger.build import KEY, NOON, ORG, SCOPES, concurrency, fault_of, held, principal, settled
from tests.contract.ledger.redis_callers import BUDGET, LIMITS
from tests.support.redis_server import RedisServer, shared_redis

from onevault.core.ports import Figures
from onevault.stores.redis.engine import RedisEngine, open_redis
from onevault.stores.redis.settings import RedisSettings

LEASE_S = 1.0
LONG_LEASE_S = 60.0
"""For those who live: on a busy machine a process may get no time for a second, and then its calls are taken for dead."""
SETTLE_WAIT_S = 20.0


def caller(server: RedisServer, what: str, name: str, calls: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "tests.contract.ledger.redis_callers", server.url, what, name, str(calls)]
    lease_s = LEASE_S if what == "hold" else LONG_LEASE_S
    return subprocess.Popen([*arguments, str(lease_s)], stdout=subprocess.PIPE, text=True)


async def of_scope(engine: RedisEngine, scope: str = ORG) -> Figures:
    return await engine.ledger.figures(scope, time_zone="UTC", now_ns=NOON)  # type: ignore[arg-type]


@pytest.fixture
async def server() -> RedisServer:
    server = shared_redis()
    server.empty()
    return server


@pytest.fixture(params=[False, True], ids=["given back", "spent"])
async def engine(server: RedisServer, request: pytest.FixtureRequest) -> AsyncGenerator[RedisEngine]:
    settings = RedisSettings(lease_s=LEASE_S, command_timeout_s=5.0, spend_expired_holds=request.param)
    async with open_redis(server.url, tenant_of=lambda _: "t1", settings=settings) as opened:
        await opened.restore("t1", ())
        yield opened


async def test_four_processes_with_ten_thousand_calls_spend_a_dollar_and_not_a_nano_more(server: RedisServer) -> None:
    async with open_redis(server.url, tenant_of=lambda _: "t1") as engine:
        await engine.restore("t1", ())
        processes = [caller(server, "spend", f"p{number}", 2_500) for number in range(4)]
        told = []
        for process in processes:
            out, _ = await asyncio.to_thread(process.communicate)
            assert process.returncode == 0
            told.append(json.loads(out))
        figures = await of_scope(engine)
        assert sum(one["errors"] for one in told) == 0
        assert sum(one["refused"] for one in told) > 0
        assert sum(one["settled"] for one in told) == figures.spent_month == figures.spent_total
        assert sum(one["calls"] for one in told) == figures.requests_month
        assert 0.95 * BUDGET <= figures.spent_month <= BUDGET
        assert (figures.held, figures.overshoot) == (0, 0)
        for scope in SCOPES:
            assert (await of_scope(engine, scope)).spent_day == figures.spent_day
        rest = BUDGET - figures.spent_month
        assert await fault_of(engine.ledger.reserve(held("one more", rest + 1), LIMITS)) is not None
        await engine.ledger.reserve(held("the rest", rest), LIMITS)


async def test_what_a_killed_process_held_is_free_after_its_lease_or_spent_and_its_settlement_counts_once(
    server: RedisServer, engine: RedisEngine
) -> None:
    process = caller(server, "hold", "dead", 100)
    assert process.stdout is not None
    with process.stdout:
        assert await asyncio.to_thread(process.stdout.readline) == "held\n"
        full = principal(concurrency(ORG, 100))
        assert await fault_of(engine.rates.admit(full, call_id="new", now_ns=NOON)) is not None
        await asyncio.sleep(2 * LEASE_S)
        assert (await of_scope(engine)).held == BUDGET  # a living process keeps its calls alive
        process.kill()
        process.wait()
    is_spent = engine.batches.settings.spend_expired_holds
    async with asyncio.timeout(SETTLE_WAIT_S):
        while (await of_scope(engine)).held:
            await asyncio.sleep(0.1)
    assert engine.leases.expired == 100
    admission = await engine.rates.admit(full, call_id="new", now_ns=NOON)
    await engine.rates.leave(admission)
    figures = await of_scope(engine)
    assert (figures.spent_total, figures.requests_day) == (BUDGET if is_spent else 0, 0)
    fault = await fault_of(engine.ledger.reserve(held("next", BUDGET // 2), LIMITS))
    assert (fault is not None) == is_spent
    late = settled(held("dead-7", BUDGET // 100), 1_234, tokens=5)
    for _ in range(3):
        await engine.ledger.settle(late)
    figures = await of_scope(engine)
    put_down = BUDGET - BUDGET // 100 if is_spent else 0
    assert (figures.spent_total, figures.requests_day, figures.tokens_month) == (put_down + 1_234, 1, 5)
    assert figures.overshoot == 0
    assert (await of_scope(engine, KEY)).spent_day == figures.spent_day


async def test_expired_calls_make_room_for_the_very_call_that_finds_them(server: RedisServer) -> None:
    settings = RedisSettings(lease_s=600, command_timeout_s=5.0)
    async with open_redis(server.url, tenant_of=lambda _: "t1", settings=settings) as engine:
        await engine.restore("t1", ())
        process = caller(server, "hold", "dead", 100)
        assert process.stdout is not None
        with process.stdout:
            assert await asyncio.to_thread(process.stdout.readline) == "held\n"
            process.kill()
            process.wait()
        await asyncio.sleep(1.5 * LEASE_S)
        everything = principal(concurrency(ORG, 1))
        await engine.rates.admit(everything, call_id="next", now_ns=NOON)
        await engine.ledger.reserve(held("next", BUDGET), LIMITS)
        assert engine.leases.expired == 100
        assert (await of_scope(engine)).held == BUDGET
