"""`onevault verify ledger` where several processes share a ledger: journals of all workers, the vault, and what Redis counts."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis

from tests.fault.conftest import LONG
from tests.support.commands import Shell
from tests.support.killing import Lane
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http, wait_until_ready
from tests.support.raw_client import CHAT, begin, call, question
from tests.support.redis_server import RedisServer
from tests.support.vaults import ENGINES, place

WITHIN_S = PATIENCE_S
READY_WITHIN_S = PATIENCE_S
"""The process above and the first worker start one after the other: on a busy machine that takes its time."""
KNOWN_EVERYWHERE_S = 1.0


@pytest.fixture(params=ENGINES if LONG else ENGINES[-1:])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    with place(request.param) as url:
        yield url


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess, redis: RedisServer, database: str) -> Iterator[GatewayProcess]:
    environment = simulator.as_provider | {"ONEVAULT_REDIS_URL": redis.url}
    if database:
        environment["ONEVAULT_DATABASE_URL"] = database
    made = GatewayProcess(tmp_path, environment=environment, config="gateway: {workers: 2, drain_timeout: 2}\n")
    made.process.start()
    wait_until_ready(f"{made.base_url}/readyz", made.process, READY_WITHIN_S)
    yield made
    if made.process.popen.poll() is None:
        made.stop()


def verified(gateway: GatewayProcess) -> dict[str, Any]:
    done = Shell(gateway.directory)("verify", "ledger", "--json", **gateway.process.environment)
    found: dict[str, Any] = done.json
    assert done.code == (0 if found["agrees"] else 1), done
    return found


def both_serve(gateway: GatewayProcess, *, but: int = 0) -> list[int]:
    """The process ids of two workers that answer, none of them `but`."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = [process.pid for process in psutil.Process(gateway.process.popen.pid).children()]
        try:
            metrics = http(f"{gateway.base_url}/metrics", raw=True)[2]
        except OSError:  # a killed worker's socket may still take a connection
            continue
        if len(found) == 2 and but not in found and all(f'worker="{number}"' in metrics for number in (1, 2)):
            return found
        time.sleep(0.05)
    raise AssertionError(gateway.process.output)


async def spend(gateway: GatewayProcess, key: NewKey, calls: int) -> None:
    answers = await asyncio.gather(*(call(gateway.port, CHAT, question(), key=key.api_key) for _ in range(calls)))
    assert {answer.status for answer in answers} == {200}


async def test_journals_of_all_workers_the_vault_and_redis_agree_and_a_figure_that_was_changed_is_told(
    gateway: GatewayProcess, redis: RedisServer
) -> None:
    workers = both_serve(gateway)
    one, other = (gateway.new_key(organization={"monthly_budget_usd": 1}) for _ in range(2))
    await asyncio.sleep(KNOWN_EVERYWHERE_S)
    lane = Lane(gateway, random.Random(3))
    traffic = asyncio.create_task(lane.traffic([one, other], callers=12))
    for _ in range(3):
        at_work = await asyncio.to_thread(verified, gateway)
        assert at_work["differences"] == []
        assert sorted(at_work["gateway_processes"]) == sorted(workers)
    assert not traffic.done(), traffic.exception()
    traffic.cancel()
    await asyncio.wait((traffic,))
    assert at_work["shared_scopes"] >= 6
    assert lane.account.broken == 0
    await spend(gateway, one, 20)

    # What a killed worker held is settled by the one that takes its place, and counts everywhere alike.
    waiting = [
        await begin(gateway.port, CHAT, question(simulate="latency_ms=30000"), key=one.api_key) for _ in range(10)
    ]
    # All stand in the journals: one that was only reserved when its worker died stays held in Redis until its lease ends.
    while (await asyncio.to_thread(verified, gateway))["held_calls"] < len(waiting):
        await asyncio.sleep(0.05)
    os.kill(workers[0], signal.SIGKILL)
    both_serve(gateway, but=workers[0])
    assert (await asyncio.to_thread(verified, gateway))["differences"] == []
    assert gateway.stop() == 0
    for answer in waiting:
        await answer.wait()

    at_rest = await asyncio.to_thread(verified, gateway)
    assert at_rest["differences"] == []
    assert (at_rest["held_calls"], at_rest["waiting_calls"], at_rest["gateway_processes"]) == (0, 0, [])
    assert at_rest["shared_held_calls"] == 0
    assert at_rest["calls"] >= len(lane.account.costs) + 20
    assert at_rest["shared_scopes"] >= 6

    with Redis(port=redis.port) as client:
        names = {key: client.keys(f"*}}:scope:org:{key.org_id}")[0] for key in (one, other)}
        client.copy(names[one], names[other], replace=True)
    changed = await asyncio.to_thread(verified, gateway)
    assert {(found["kind"], found["scope"]) for found in changed["differences"]} == {
        ("shared_sum", f"org:{other.org_id}")
    }
    assert {found["window"] for found in changed["differences"]} == {"day", "month", "total"}

    redis.stop()
    away = await asyncio.to_thread(verified, gateway)
    assert (away["agrees"], away["shared_scopes"]) == (True, None)
