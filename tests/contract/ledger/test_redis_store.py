"""What only the engine in Redis has: batches, leases, keys in one slot, numbers beyond a double, callers who go away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from tests.contract.ledger.build import (
    KEY,
    NOON,
    ORG,
    OTHER_KEY,
    SECOND_NS,
    USER,
    concurrency,
    fault_of,
    held,
    money,
    principal,
    requests,
    reset,
    settled,
    tokens,
)
from tests.contract.ledger.conftest import memory, redis
from tests.support.redis_server import RedisServer, shared_redis

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.ports import Admission, Figures, Ledger, Rates, Reserved
from onevault.stores.redis.engine import RedisEngine, open_redis
from onevault.stores.redis.keys import TenantKeys
from onevault.stores.redis.leases import hold_named
from onevault.stores.redis.operations import OK, Operation
from onevault.stores.redis.settings import RedisSettings

LONG = bool(os.environ.get("ONEVAULT_TEST_LONG"))
DAY_NS = 24 * 3600 * SECOND_NS


@asynccontextmanager
async def opened(**changed: Any) -> AsyncGenerator[tuple[RedisServer, RedisEngine]]:
    server = shared_redis()
    server.empty()
    settings = RedisSettings(**({"command_timeout_s": 30.0} | changed))
    async with open_redis(server.url, tenant_of=lambda _: "t1", settings=settings) as engine:
        await engine.restore("t1", ())
        yield server, engine


async def of_organization(engine: RedisEngine, now_ns: int = NOON) -> Figures:
    return await engine.ledger.figures(ORG, time_zone="UTC", now_ns=now_ns)


def scripts_run(server: RedisServer) -> int:
    text = server.text("INFO", "commandstats")
    return sum(int(part.partition("calls=")[2].partition(",")[0]) for part in text.split("cmdstat_eval")[1:])


async def test_operations_of_one_turn_of_the_loop_are_one_scripted_call() -> None:
    async with opened() as (server, engine):
        await of_organization(engine)
        before = scripts_run(server)
        caller = principal(concurrency(ORG, 1000))
        await asyncio.gather(
            *(engine.rates.admit(caller, call_id=f"a{n}", now_ns=NOON) for n in range(100)),
            *(engine.ledger.reserve(held(f"b{n}"), ()) for n in range(100)),
        )
        assert scripts_run(server) - before == 1


async def test_a_batch_is_bounded_and_decided_in_the_order_of_its_operations() -> None:
    async with opened(operations_per_batch_max=50) as (server, engine):
        await of_organization(engine)
        before = scripts_run(server)
        limits = (money(ORG, Window.MONTH, 100),)
        outcomes = await asyncio.gather(
            *(engine.ledger.reserve(held(f"a{n}", 1), limits) for n in range(200)), return_exceptions=True
        )
        assert [isinstance(outcome, Reserved) for outcome in outcomes] == [True] * 100 + [False] * 100
        assert scripts_run(server) - before == 4


async def test_more_operations_than_may_wait_are_refused_and_the_others_are_not() -> None:
    async with opened(operations_waiting_max=100) as (_, engine):
        outcomes = await asyncio.gather(
            *(engine.ledger.reserve(held(f"a{n}", 1), ()) for n in range(150)), return_exceptions=True
        )
        assert [isinstance(outcome, Reserved) for outcome in outcomes] == [True] * 100 + [False] * 50
        assert (await of_organization(engine)).held == 100


@pytest.mark.parametrize("turns", range(12))
async def test_a_caller_who_goes_away_at_any_moment_leaves_nothing_behind(turns: int) -> None:
    async with opened() as (_, engine):
        caller = principal(concurrency(ORG, 1))
        admitting = asyncio.ensure_future(engine.rates.admit(caller, call_id="a", now_ns=NOON))
        reserving = asyncio.ensure_future(engine.ledger.reserve(held("a", 7), ()))
        for _ in range(turns):
            await asyncio.sleep(0.0002 if turns % 2 else 0)
        was_done = [not task.cancel() for task in (admitting, reserving)]
        await asyncio.wait((admitting, reserving))
        if was_done[0]:
            await engine.rates.leave(admitting.result())
        if was_done[1]:
            await engine.ledger.settle(settled(held("a", 7), 0))
        async with asyncio.timeout(10):
            while (await of_organization(engine)).held:
                await asyncio.sleep(0.01)
            while True:
                try:
                    await engine.rates.admit(caller, call_id="b", now_ns=NOON)
                    break
                except Fault:
                    await asyncio.sleep(0.01)


async def test_calls_longer_than_a_lease_are_kept_alive_and_forgotten_when_they_end() -> None:
    async with opened(lease_s=0.3) as (_, engine):
        caller = principal(concurrency(ORG, 1))
        admission = await engine.rates.admit(caller, call_id="a", now_ns=NOON)
        await engine.ledger.reserve(held("a", 7), ())
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert (await of_organization(engine)).held == 7
        assert (engine.leases.alive, engine.leases.lost, engine.leases.expired) == (1, 0, 0)
        await engine.ledger.settle(settled(held("a", 7), 3))
        await engine.rates.leave(admission)
        assert engine.leases.alive == 0
        assert await engine.leases.sweep("t1") == 0


async def test_a_call_that_lost_its_lease_while_it_ran_is_noticed_and_its_settlement_counts_once() -> None:
    async with opened(lease_s=3_600) as (server, engine):
        await engine.ledger.reserve(held("a", 7), ())
        keys = TenantKeys("t1")
        assert server.command("ZADD", keys.leases, "1", "a") == ":0"
        assert await engine.leases.sweep("t1") == 1
        assert (await of_organization(engine)).held == 0
        await engine.ledger.settle(settled(held("a", 7), 3))
        await engine.ledger.settle(settled(held("a", 7), 3))
        assert (await of_organization(engine)).spent_total == 3


async def test_a_call_that_was_renewed_between_the_look_and_the_sweep_stays() -> None:
    async with opened() as (_, engine):
        await engine.ledger.reserve(held("a", 7), ())
        lane = engine.batches.lane("t1")
        hold = hold_named("2026-11-21", "2026-11", "\n".join((KEY, USER, ORG)))
        given = ("a", "", hold, 0, 3, "2026-11-21", "2026-11")
        sweep = Operation("expire", lane.keys.call("a"), lane.keys.of_scopes((KEY, USER, ORG)), given)
        assert await engine.batches.ask(lane, sweep) == [OK, False]
        assert (await of_organization(engine)).held == 7


async def test_a_settlement_that_names_other_windows_than_the_hold_counts_in_those_of_the_hold() -> None:
    async with opened() as (_, engine):
        hold = held("a", 7, at_ns=NOON, zone="UTC")
        await engine.ledger.reserve(hold, ())
        wrong = settled(held("a", 7, at_ns=NOON + 40 * DAY_NS, scopes=(OTHER_KEY,)), 5)
        await engine.ledger.settle(wrong)
        figures = await of_organization(engine)
        assert (figures.held, figures.spent_day, figures.spent_total) == (0, 5, 5)


async def test_all_that_is_kept_of_a_call_goes_by_itself_and_windows_long_over_are_forgotten() -> None:
    async with opened(settled_kept_s=100) as (server, engine):
        caller = principal(requests(KEY, Window.MINUTE, 100), tokens(KEY, Window.MINUTE, 100_000))
        for day in range(70):
            now_ns = NOON + day * DAY_NS
            admission = await engine.rates.admit(caller, call_id=f"a{day}", now_ns=now_ns)
            hold = held(f"a{day}", 7, tokens=9, at_ns=now_ns)
            await engine.ledger.reserve(hold, caller.limits)
            await engine.ledger.settle(settled(hold, 5, tokens=3))
            await engine.rates.leave(admission)
        keys = TenantKeys("t1")
        assert 0 < int(server.command("PTTL", keys.call("a3"))[1:]) <= 100_000
        assert server.command("ZCARD", keys.leases) == ":0"
        for name in ("attempts", "tokens"):
            assert 0 < int(server.command("PTTL", f"{keys.prefix}{name}:{KEY}")[1:]) <= 180_000
        assert server.command("LLEN", f"{keys.prefix}attempts:{KEY}") == ":1"
        assert server.command("HLEN", f"{keys.prefix}tokens:{KEY}") == ":4"
        assert int(server.command("STRLEN", keys.scope(ORG))[1:]) < 300
        assert server.command("DBSIZE") == f":{70 + 3 + 2 + 1}"
        assert (await of_organization(engine, NOON + 69 * DAY_NS)).spent_total == 350


def test_every_key_of_a_tenant_is_in_one_slot_and_of_no_other_tenant() -> None:
    for tenant in ("t1", "", "{x}", "a}:scope:org:o1", "ü"):
        keys = TenantKeys(tenant)
        tag = keys.leases[: keys.leases.index("}") + 1]
        assert tag[1:-1]
        for key in (keys.ready, keys.restoring, keys.call("a"), *keys.of_scopes((KEY, ORG))):
            assert key.startswith(tag)
            assert "}" not in key[len(tag) :]
    assert TenantKeys("a}:scope:b").scope(ORG) != TenantKeys("a").scope(ScopeId(f"b:{ORG}"))


async def test_a_cluster_takes_every_batch_because_it_stays_in_one_slot() -> None:
    server = RedisServer("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no").start()
    try:
        for first in range(0, 16384, 4096):
            slots = [str(slot) for slot in range(first, first + 4096)]
            assert server.command("CLUSTER", "ADDSLOTS", *slots) == "+OK"
        async with open_redis(server.url, tenant_of=lambda _: "t1") as engine:
            async with asyncio.timeout(10):
                while True:
                    try:
                        await engine.restore("t1", ())
                        break
                    except Fault:
                        await asyncio.sleep(0.05)
            limits = (money(ORG, Window.MONTH, 100), tokens(USER, Window.MINUTE, 100), requests(KEY, Window.MINUTE, 9))
            caller = principal(*limits)
            admission = await engine.rates.admit(caller, call_id="a", now_ns=NOON)
            await engine.ledger.reserve(held("a", 100, tokens=50), limits)
            await engine.ledger.settle(settled(held("a", 100, tokens=50), 60, tokens=9))
            await engine.rates.leave(admission)
            assert (await of_organization(engine)).spent_month == 60
    finally:
        server.remove()


async def test_a_node_that_does_not_have_the_keys_says_who_has_also_while_they_are_moved_and_after() -> None:
    nodes = [RedisServer("--cluster-enabled", "yes", "--cluster-node-timeout", "5000").start() for _ in range(2)]
    clients = [Redis(port=node.port, decode_responses=True) for node in nodes]
    first, second = clients
    try:
        slot = int(first.execute_command("CLUSTER KEYSLOT", TenantKeys("t1").ready))
        names = [client.execute_command("CLUSTER MYID") for client in clients]
        both = {slot, (slot + 1) % 16384}  # a node that has lost its last slot would become a replica
        first.execute_command("CLUSTER ADDSLOTS", *(one for one in range(16384) if one not in both))
        second.execute_command("CLUSTER ADDSLOTS", *both)
        second.execute_command("CLUSTER SET-CONFIG-EPOCH", 2)
        first.execute_command("CLUSTER MEET", "127.0.0.1", nodes[1].port)
        async with asyncio.timeout(30):
            while any(client.execute_command("CLUSTER INFO")["cluster_state"] != "ok" for client in clients):
                await asyncio.sleep(0.05)
        limits = (money(ORG, Window.MONTH, 100),)
        async with open_redis(
            nodes[0].url, tenant_of=lambda _: "t1", settings=RedisSettings(command_timeout_s=2.0)
        ) as engine:
            assert await engine.restore("t1", ())
            await engine.ledger.reserve(held("a", 100), limits)
            assert first.dbsize() == 0
            assert second.dbsize() > 0

            first.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[1])
            second.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[0])
            keys = second.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000)
            second.execute_command("MIGRATE", "127.0.0.1", nodes[0].port, "", 0, 5000, "KEYS", *keys[:2])
            undecided = await fault_of(engine.ledger.reserve(held("too early", 1), limits))
            assert undecided is not None
            assert undecided.kind is FaultKind.STORE_UNAVAILABLE, "what is on two nodes is decided by none"
            waiting = asyncio.create_task(fault_of(engine.ledger.reserve(held("waits", 1), limits)))
            await asyncio.sleep(0)
            second.execute_command("MIGRATE", "127.0.0.1", nodes[0].port, "", 0, 5000, "KEYS", *keys[2:])
            refused = await waiting
            assert refused is not None
            assert refused.kind is FaultKind.BUDGET_EXCEEDED
            await engine.ledger.settle(settled(held("a", 100), 60))
            await engine.ledger.reserve(held("while it is moved", 40), limits)
            assert second.dbsize() == 0
            for client in clients:
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", names[0])

            figures = await of_organization(engine)
            assert (figures.spent_month, figures.held) == (60, 40)
            await engine.ledger.settle(settled(held("while it is moved", 40), 30))
            assert (await of_organization(engine)).spent_month == 90
            assert second.dbsize() == 0
    finally:
        for client in clients:
            client.close()
        for node in nodes:
            node.remove()


# ---- the engine in memory is the model ---------------------------------------------------------------------------------

SCOPES = (KEY, OTHER_KEY, USER, ORG)
AMOUNTS = st.one_of(
    st.integers(0, 20),
    st.integers(2**53 - 3, 2**53 + 3),
    st.integers(2**61 - 3, 2**61 + 3),
    st.integers(2**62 - 3, 2**62 + 3),
    st.integers(10**9 - 2, 10**9 + 2),
)
SMALL = st.integers(0, 12)
LIMITS = st.lists(
    st.one_of(
        st.builds(
            Limit,
            st.sampled_from(SCOPES),
            st.just(Metric.MONEY),
            st.sampled_from((Window.NOW, Window.DAY, Window.MONTH, Window.TOTAL)),
            AMOUNTS,
        ),
        st.builds(
            Limit,
            st.sampled_from(SCOPES),
            st.just(Metric.TOKENS),
            st.sampled_from((Window.MINUTE, Window.DAY, Window.MONTH, Window.TOTAL)),
            st.integers(0, 40),
        ),
        st.builds(
            Limit,
            st.sampled_from(SCOPES),
            st.just(Metric.REQUESTS),
            st.sampled_from((Window.MINUTE, Window.DAY, Window.MONTH)),
            SMALL,
        ),
        st.builds(Limit, st.sampled_from(SCOPES), st.just(Metric.CONCURRENCY), st.just(Window.NOW), SMALL),
    ),
    max_size=6,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("admit", "leave", "reserve", "settle", "unheld", "reset", "figures")),
        st.integers(0, 9),  # which call
        AMOUNTS,
        st.integers(0, 20),  # tokens
        st.sampled_from((0, 0, 1, 50_000_000, SECOND_NS, 31 * SECOND_NS, 61 * SECOND_NS, DAY_NS, -3600 * SECOND_NS)),
        st.sampled_from(SCOPES),
    ),
    max_size=40,
)


async def told(work: Any) -> Any:
    """What an operation answers, or the words in which it refuses."""
    try:
        answer = await work
    except Fault as fault:
        return fault.kind, fault.message, fault.retry_after_s, fault.money_left, fault.reached
    return (answer.requests, answer.quotas) if isinstance(answer, Admission) else answer


async def play(ledger: Ledger, rates: Rates, limits: tuple[Limit, ...], steps: list[Any]) -> list[Any]:
    answers: list[Any] = []
    now_ns = NOON
    caller = principal(*limits, scopes=SCOPES)
    began: dict[int, int] = {}
    for step, call, amount, count, passed_ns, scope in steps:
        now_ns += passed_ns
        hold = held(f"c{call}", amount, tokens=count, at_ns=began.get(call, now_ns), scopes=SCOPES)
        if step == "admit":
            answers.append(await told(rates.admit(caller, call_id=f"c{call}", now_ns=now_ns)))
        elif step == "leave":
            answers.append(await told(rates.leave(Admission(f"c{call}", caller, None))))
        elif step == "reserve":
            began.setdefault(call, now_ns)
            answers.append(await told(ledger.reserve(hold, limits, tell=True)))
        elif step == "settle":
            answers.append(await told(ledger.settle(settled(hold, amount // 2 + 1, tokens=count), limits)))
        elif step == "unheld":
            answers.append(await told(ledger.settle(settled(hold, 0, was_held=False), limits)))
        elif step == "reset":
            answers.append(await told(ledger.reset(reset(scope, at_ns=now_ns))))
            answers.append(await told(rates.reset(reset(scope, at_ns=now_ns))))
        seen = SCOPES if step == "figures" else (scope,)
        answers += [await told(ledger.figures(one, time_zone="UTC", now_ns=now_ns)) for one in seen]
    return answers


@settings(
    max_examples=2_000 if LONG else 120, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(limits=LIMITS, steps=STEPS)
def test_the_same_operations_have_the_same_answers_as_in_memory_to_the_last_nano(
    limits: list[Limit], steps: list[Any]
) -> None:
    async def run() -> None:
        async with memory() as (ledger, rates):
            expected = await play(ledger, rates, tuple(limits), steps)
        async with redis() as (ledger, rates):
            assert await play(ledger, rates, tuple(limits), steps) == expected

    asyncio.run(run())
