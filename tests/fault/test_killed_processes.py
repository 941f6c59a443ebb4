"""kill -9 in the middle of calls, of starting, of recovering and of loading: what a client saw end is in the books, once."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fault.conftest import LONG
from tests.support import vault_files
from tests.support.killing import Lane
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, begin, call, question

KILLS = 10_000 if LONG else 10
KILLS_WHILE_STARTING = 500 if LONG else 2
LANES = 2
CALLERS = 30
READY_S = 10.0
"""Far more than a start takes (the bench says how long): beyond it, something waits for what does not come."""
ENDED_BY_RECOVERY = "worst_case"


@pytest.fixture
def lanes(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[list[Lane]]:
    made = []
    for number in range(LANES):
        directory = tmp_path / f"lane{number}"
        directory.mkdir()
        made.append(Lane(GatewayProcess(directory, environment=simulator.as_provider), random.Random(number)))
    yield made
    for lane in made:
        if lane.ready_s:
            lane.gateway.kill()


def new_keys(gateway: GatewayProcess) -> list[NewKey]:
    """One without a limit, one with budgets that are never reached, one whose budget ends in the middle of it all."""
    return [
        gateway.new_key(),
        gateway.new_key(organization={"monthly_budget_usd": 1000}, user={"monthly_limit_usd": 500}),
        gateway.new_key(organization={"monthly_budget_usd": 0.02}, user={"daily_limit_usd": 0.015}),
    ]


def check_books(lane: Lane, keys: list[NewKey], limits: dict[str, int]) -> list[vault_files.Row]:
    """The gateway runs and rests. Compares what clients saw, the vault, and every place that tells usage; then stops it."""
    gateway, account = lane.gateway, lane.account
    told = {}
    for key in keys:
        told[f"user:{key.user_id}"] = gateway.admin(f"/users/{key.user_id}/usage")
        told[f"org:{key.org_id}"] = gateway.admin(f"/organizations/{key.org_id}/usage")
        own = http(f"{gateway.base_url}/v1/usage", key=key.api_key)[2]
        assert own["user"]["month_usage_nanos"] == told[f"user:{key.user_id}"]["month_usage_nanos"]
        assert own["key"]["held_usd"] == 0
        if own["month"] == lane.month:  # each user has one key
            assert own["key"]["month_usage_nanos"] == told[f"user:{key.user_id}"]["total_usage_nanos"]
    for call_id in lane.dice.sample(sorted(account.costs), min(20, len(account.costs))):
        key = next(k for k in keys if http(f"{gateway.base_url}/v1/requests/{call_id}", key=k.api_key)[0] == 200)
        seen = http(f"{gateway.base_url}/v1/requests/{call_id}", key=key.api_key)[2]
        assert (seen["cost_nanos"], seen["status"]) == (account.costs[call_id], "SUCCESS")
    assert gateway.stop() == 0

    calls = vault_files.rows(gateway.data_dir)
    by_id = {row.call_id: row for row in calls}
    missing = account.costs.keys() - by_id.keys()
    assert not missing, f"{len(missing)} of {len(account.costs)} calls are not in the vault"
    for call_id, cost in account.costs.items():
        row = by_id[call_id]
        assert (row.cost, row.source, row.outcome) == (cost, "provider", "SUCCESS")
    for scope, figures in told.items():
        sum_of_calls = vault_files.spent(calls, scope)
        assert figures["total_usage_nanos"] == sum_of_calls, scope
        assert figures["month_usage_nanos"] == sum_of_calls or figures["month"] != lane.month, scope
        assert figures["held_nanos"] == 0
        if scope in limits:
            assert sum_of_calls <= limits[scope], scope
    left = [row for row in calls if row.source == ENDED_BY_RECOVERY]
    assert all(row.held and row.cost == row.amount_held and row.outcome == "ERROR" for row in left)
    assert all(row.cost <= row.amount_held for row in calls)
    assert "Traceback" not in gateway.process.output
    assert "JournalDamaged" not in gateway.process.output
    return calls


@pytest.mark.timeout(0 if LONG else 300)
async def test_a_gateway_killed_in_the_middle_of_calls_loses_no_money(
    lanes: list[Lane], simulator: SimulatorProcess
) -> None:
    simulator.reset()

    async def live(lane: Lane) -> list[vault_files.Row]:
        await lane.start()
        keys = await asyncio.to_thread(new_keys, lane.gateway)
        tight = keys[2]
        limits = {f"org:{tight.org_id}": 20_000_000, f"user:{tight.user_id}": 15_000_000}
        spent = 0
        for _ in range(KILLS // LANES):
            before = sum(lane.account.costs.values())
            await lane.kill_in_traffic(keys, callers=CALLERS, after_s=lane.dice.uniform(0.02, 0.4))
            seen = sum(lane.account.costs.values()) - before
            await lane.start()
            figures = [
                await asyncio.to_thread(lane.gateway.admin, f"/organizations/{key.org_id}/usage") for key in keys
            ]
            now = sum(each["total_usage_nanos"] for each in figures)
            assert now >= spent + seen, "a restart forgot money that a client had seen spent"
            assert all(each["held_nanos"] == 0 for each in figures), "a restart left a dead call's hold"
            spent = now
        return await asyncio.to_thread(check_books, lane, keys, limits)

    books = await asyncio.gather(*map(live, lanes))

    calls = [row for rows in books for row in rows]
    reached = http(f"{simulator.base_url}/_simulator/stats")[2]["requests"]
    provable = sum(max(1, row.attempts) for row in calls if row.held)
    assert reached <= provable, f"{reached} calls reached the provider, the vault explains {provable}"
    seen = [lane.account for lane in lanes]
    killed = sum(row.source == ENDED_BY_RECOVERY for row in calls)
    ready = sorted(second for lane in lanes for second in lane.ready_s)
    print(
        f"\n{KILLS} kills, {len(calls)} calls in the vault, {sum(len(a.costs) for a in seen)} seen to their end "
        f"({sum(a.streams for a in seen)} streams), {killed} settled at the worst case, {sum(a.refused for a in seen)} "
        f"refused; ready after {ready[len(ready) // 2]:.2f} s (median), {ready[-1]:.2f} s (worst)"
    )
    assert killed > KILLS  # kills did hit calls in flight
    assert min(a.refused for a in seen) > 0
    assert min(len(a.costs) - a.streams for a in seen) > KILLS
    assert min(a.streams for a in seen) > KILLS
    assert ready[-1] <= READY_S


@pytest.mark.timeout(0 if LONG else 300)
async def test_a_gateway_killed_while_it_starts_recovers_or_loads_loses_no_money(lanes: list[Lane]) -> None:
    lane = lanes[0]
    await lane.start()
    keys = await asyncio.to_thread(new_keys, lane.gateway)
    key = keys[0]

    async def calls(number: int) -> None:
        for _ in range(number):
            lane.account.take(await call(lane.gateway.port, CHAT, question(), key=key.api_key))

    with closing(sqlite3.connect(lane.gateway.data_dir / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nothing is loaded: all of it is left to the starts that follow
        await asyncio.gather(*(calls(60) for _ in range(25)))
        waiting = [
            await begin(lane.gateway.port, CHAT, question(simulate="latency_ms=60000"), key=key.api_key)
            for _ in range(200)
        ]
        await asyncio.sleep(0.3)
        lane.gateway.kill()
        other.execute("ROLLBACK")
    for answer in waiting:
        assert not (await answer.wait()).finished
    for _ in range(KILLS_WHILE_STARTING):
        await lane.kill_while_starting(lane.dice.uniform(0.2, 2.0) * lane.ready_s[0])

    await lane.start()
    books = await asyncio.to_thread(check_books, lane, keys, {})
    assert len(lane.account.costs) == 1500
    assert sum(row.source == ENDED_BY_RECOVERY for row in books) == len(waiting)
    assert max(lane.ready_s) <= READY_S
