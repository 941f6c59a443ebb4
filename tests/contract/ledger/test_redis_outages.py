"""Redis that is away, silent, emptied or restarted: nothing is counted elsewhere, nothing is lost, and it comes back by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.contract.ledger.build import (
    KEY,
    NOON,
    ORG,
    concurrency,
    fault_of,
    held,
    money,
    principal,
    requests,
    settled,
    tokens,
)
from tests.support.patience import PATIENCE_S
from tests.support.redis_server import RedisServer
from tests.support.wire_fault_proxy import NO_FAULTS, FaultProxy, Faults

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Window
from onevault.core.ports import Figures
from onevault.stores.redis.engine import RedisEngine, open_redis
from onevault.stores.redis.keys import TenantKeys
from onevault.stores.redis.settings import RedisSettings
from onevault.stores.rollup import ScopeUsage

AWAY_S = 5.0 if os.environ.get("ONEVAULT_TEST_LONG") else 0.5
BACK_WITHIN_S = PATIENCE_S
LIMITS = (money(ORG, Window.MONTH, 1_000), tokens(KEY, Window.MINUTE, 1_000))
CALLER = principal(*LIMITS, concurrency(ORG, 10))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer(keep=True)
    try:
        yield server.start()
    finally:
        server.remove()


@asynccontextmanager
async def opened(server: RedisServer, on_empty: Callable[[str], None] | None = None) -> AsyncGenerator[RedisEngine]:
    settings = RedisSettings(command_timeout_s=0.3, connect_timeout_s=0.3, owed_retry_s=0.05, close_timeout_s=2.0)
    async with open_redis(server.url, tenant_of=lambda _: "t1", settings=settings, on_empty=on_empty) as engine:
        yield engine


async def of_organization(engine: RedisEngine) -> Figures:
    return await engine.ledger.figures(ORG, time_zone="UTC", now_ns=NOON)


async def is_told_of_the_outage(engine: RedisEngine, call_id: str) -> None:
    faults = await asyncio.gather(
        fault_of(engine.ledger.reserve(held(call_id, 1), LIMITS)),
        fault_of(engine.rates.admit(CALLER, call_id=call_id, now_ns=NOON)),
        fault_of(of_organization(engine)),
    )
    for fault in faults:
        assert fault is not None
        assert (fault.kind, fault.retry_after_s) == (FaultKind.STORE_UNAVAILABLE, 1.0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(BACK_WITHIN_S):
        while not condition():
            await asyncio.sleep(0.02)


async def eventually(engine: RedisEngine, check: Callable[[Figures], bool]) -> Figures:
    async with asyncio.timeout(BACK_WITHIN_S):
        while True:
            try:
                figures = await of_organization(engine)
            except Fault:
                continue
            if check(figures):
                return figures
            await asyncio.sleep(0.02)


async def test_while_redis_is_stopped_calls_are_refused_and_settlements_owed_until_it_is_back(
    server: RedisServer,
) -> None:
    async with opened(server) as engine:
        await engine.restore("t1", ())
        admission = await engine.rates.admit(CALLER, call_id="a", now_ns=NOON)
        hold = held("a", 600)
        await engine.ledger.reserve(hold, LIMITS)
        server.stop()
        await is_told_of_the_outage(engine, "b")
        await asyncio.sleep(AWAY_S)
        await engine.ledger.settle(settled(hold, 500))
        await engine.ledger.settle(settled(hold, 500))
        await engine.rates.leave(admission)
        assert engine.batches.owed == 3
        assert engine.leases.alive == 1
        await is_told_of_the_outage(engine, "c")
        server.start()
        await until(lambda: not engine.batches.owed)
        figures = await of_organization(engine)
        assert (figures.spent_total, figures.held, figures.requests_day) == (500, 0, 1)
        assert engine.leases.alive == 0
        await engine.ledger.reserve(held("d", 500), LIMITS)
        assert await fault_of(engine.ledger.reserve(held("e", 1), LIMITS)) is not None


async def test_a_killed_redis_that_comes_back_with_its_data_goes_on_where_it_was(server: RedisServer) -> None:
    async with opened(server) as engine:
        await engine.restore("t1", ())
        await engine.ledger.reserve(held("a", 600), LIMITS)
        server.kill()
        await is_told_of_the_outage(engine, "b")
        server.start()
        assert (await of_organization(engine)).held == 600
        await engine.ledger.settle(settled(held("a", 600), 70))
        assert (await of_organization(engine)).spent_total == 70


async def test_a_silent_redis_is_given_up_in_time_and_what_it_does_later_is_undone(server: RedisServer) -> None:
    async with opened(server) as engine:
        await engine.restore("t1", ())
        await engine.ledger.reserve(held("a", 600), LIMITS)
        server.pause()
        loop = asyncio.get_running_loop()
        began = loop.time()
        # These are on their way to Redis, which will carry them out when it wakes up.
        faults = await asyncio.gather(*(fault_of(engine.ledger.reserve(held(f"b{n}", 10), LIMITS)) for n in range(30)))
        assert {fault.kind for fault in faults if fault is not None} == {FaultKind.STORE_UNAVAILABLE}
        assert len(faults) == 30
        await engine.ledger.settle(settled(held("a", 600), 600))
        await is_told_of_the_outage(engine, "c")
        assert loop.time() - began < 5.0
        server.resume()
        figures = await eventually(engine, lambda figures: figures.held == 0 and figures.spent_total == 600)
        assert (figures.requests_day, figures.overshoot) == (1, 0)
        await until(lambda: not engine.batches.owed)
        await engine.ledger.reserve(held("d", 400), LIMITS)


async def test_a_reservation_that_arrives_after_it_was_given_up_is_void(server: RedisServer) -> None:
    async with opened(server) as engine, opened(server) as other:
        await engine.restore("t1", ())
        server.pause()
        assert await fault_of(engine.ledger.reserve(held("a", 600), LIMITS)) is not None
        server.resume()
        await until(lambda: not engine.batches.owed)
        fault = await fault_of(other.ledger.reserve(held("a", 600), LIMITS))  # the same, late, on another connection
        assert fault is not None
        assert fault.kind is FaultKind.STORE_UNAVAILABLE
        assert (await of_organization(engine)).held == 0
        for _ in range(2):  # a call that went out all the same is not lost
            await engine.ledger.settle(settled(held("a", 600), 40))
        figures = await of_organization(engine)
        assert (figures.spent_total, figures.requests_day, figures.held) == (40, 1, 0)


async def test_a_redis_that_lost_its_data_counts_nothing_until_it_is_filled_again(server: RedisServer) -> None:
    empty: list[str] = []
    async with opened(server, empty.append) as engine:
        await is_told_of_the_outage(engine, "new")  # one that was never filled is the same
        assert await engine.restore("t1", ())
        await engine.ledger.reserve(held("a", 600), LIMITS)
        server.empty()
        empty.clear()
        await is_told_of_the_outage(engine, "b")
        assert empty == ["t1"]
        sums = [
            ScopeUsage(ORG, Window.DAY, "2026-11-21", 300, 7, 2, 0),
            ScopeUsage(ORG, Window.MONTH, "2026-11", 400, 70, 3, 0),
            ScopeUsage(ORG, Window.TOTAL, "", 2**62 + 1, 700, 9, 11),
        ]
        assert await engine.restore("t1", sums, standing="segment 7")
        assert not await engine.restore("t1", [ScopeUsage(ORG, Window.TOTAL, "", 1, 1, 1, 1)], standing="segment 8")
        assert await engine.restore.standing("t1") == "segment 7"
        figures = await of_organization(engine)
        assert figures == Figures(
            scope=ORG,
            day="2026-11-21",
            month="2026-11",
            spent_day=300,
            spent_month=400,
            spent_total=2**62 + 1,
            requests_day=2,
            requests_month=3,
            tokens_day=7,
            tokens_month=70,
            overshoot=11,
        )
        assert await fault_of(engine.ledger.reserve(held("b", 601), [money(ORG, Window.MONTH, 1_000)])) is not None
        await engine.ledger.reserve(held("b", 600), [money(ORG, Window.MONTH, 1_000)])
        day = principal(requests(ORG, Window.DAY, 3))
        await engine.rates.admit(day, call_id="x", now_ns=NOON)
        assert await fault_of(engine.rates.admit(day, call_id="y", now_ns=NOON)) is not None
        # the call that was in flight when the data was lost
        await engine.ledger.settle(settled(held("a", 600), 50))
        assert (await of_organization(engine)).spent_month == 450


async def test_of_many_processes_that_fill_a_store_one_does(server: RedisServer) -> None:
    sums = [ScopeUsage(ORG, Window.MONTH, "2026-11", 400, 0, 0, 0)] + [
        ScopeUsage(f"key:{n}", Window.TOTAL, "", n, 0, 0, 0)  # type: ignore[arg-type]
        for n in range(5_000)
    ]
    async with opened(server) as engine:

        async def fill() -> bool:
            async with asyncio.timeout(BACK_WITHIN_S), opened(server) as one:
                while True:
                    try:
                        return await one.restore("t1", sums)
                    except Fault as fault:
                        if fault.kind is not FaultKind.CONFLICT:
                            raise
                        await asyncio.sleep(0.01)

        assert sorted(await asyncio.gather(*(fill() for _ in range(6)))) == [False] * 5 + [True]
        assert (await of_organization(engine)).spent_month == 400
        total = await engine.ledger.figures("key:4999", time_zone="UTC", now_ns=NOON)  # type: ignore[arg-type]
        assert total.spent_total == 4_999


async def test_a_store_that_another_process_is_filling_is_left_to_it_until_it_falls_silent(server: RedisServer) -> None:
    async with opened(server) as engine:
        restoring = TenantKeys("t1").restoring
        assert server.command("SET", restoring, "another") == "+OK"
        fault = await fault_of(engine.restore("t1", ()))
        assert fault is not None
        assert fault.kind is FaultKind.CONFLICT
        await is_told_of_the_outage(engine, "a")
        assert server.command("PEXPIRE", restoring, "1") == ":1"
        await asyncio.sleep(0.01)
        assert await engine.restore("t1", ())


async def test_more_settlements_than_a_batch_takes_are_all_taken_when_redis_is_back(server: RedisServer) -> None:
    async with opened(server) as engine:
        await engine.restore("t1", ())
        holds = [held(f"a{number}", 1) for number in range(700)]
        await asyncio.gather(*(engine.ledger.reserve(hold, LIMITS) for hold in holds))
        server.stop()
        await asyncio.gather(*(engine.ledger.settle(settled(hold, 1)) for hold in holds))
        assert engine.batches.owed == 700
        server.start()
        await until(lambda: not engine.batches.owed)
        figures = await eventually(engine, lambda figures: not figures.held)
        assert (figures.spent_total, figures.requests_day) == (700, 700)


async def test_a_store_that_forgot_the_script_is_told_it_again(server: RedisServer) -> None:
    async with opened(server) as engine:
        await engine.restore("t1", ())
        for _ in range(3):
            assert server.command("SCRIPT", "FLUSH") == "+OK"
            await engine.ledger.reserve(held("a", 600), LIMITS)
        assert (await of_organization(engine)).held == 600


async def test_without_any_redis_opening_and_closing_work_and_calls_are_refused(server: RedisServer) -> None:
    server.stop()
    async with opened(server) as engine:
        await is_told_of_the_outage(engine, "a")
        fault = await fault_of(engine.restore("t1", ()))
        assert fault is not None
        assert fault.kind is FaultKind.STORE_UNAVAILABLE


async def test_a_hold_whose_answer_was_lost_with_the_store_is_given_back_when_that_is_there_again(
    server: RedisServer,
) -> None:
    settings = RedisSettings(command_timeout_s=5.0, connect_timeout_s=5.0, owed_retry_s=0.05, close_timeout_s=2.0)
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        async with open_redis(url, tenant_of=lambda _: "t1", settings=settings) as engine:
            await engine.restore("t1", ())
            await of_organization(engine)  # so that there is a connection to be lost
            proxy.down = Faults(reset_after_bytes=0)
            proxy.refuse()
            fault = await fault_of(engine.ledger.reserve(held("lost", 100), LIMITS))
            assert fault is not None
            assert fault.kind is FaultKind.STORE_UNAVAILABLE
            async with opened(server) as other:
                assert (await of_organization(other)).held == 100, "it was carried out"
            assert engine.batches.owed == 1, "nobody would ever give it back"
            proxy.down = NO_FAULTS
            await proxy.accept_again()
            await eventually(engine, lambda figures: figures.held == 0)
