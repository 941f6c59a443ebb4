"""Runs of several gateway processes on one Redis under drawn faults, and a checker that works out from outside whether money was kept.

`ONEVAULT_TEST_SEEDS` chooses how many runs there are (`50`), or which (`7,12` or `100-149`).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from tests.fault.conftest import LONG
from tests.support.checker import Account, Limit, Sent, findings, open_calls, postgres_rows, redis_windows, sqlite_rows
from tests.support.fleet import Fleet, Host
from tests.support.postgres_server import shared_postgres
from tests.support.processes import NewKey, SimulatorProcess
from tests.support.raw_client import CHAT, Answer, begin, question

CALLERS = 24
KNOWN_EVERYWHERE_S = 1.0
QUIET_WITHIN_S = 100.0
"""The lease of a call whose process died is a minute."""
SEEDS_OF_A_FLEET = 10
LINES_TOLD, FINDINGS_TOLD = 15, 20
"""Of what the gateways say, and of what is wrong, where something is."""
AWAY_S = 5.0 if LONG else 3.0


def seeds() -> list[int]:
    chosen = os.environ.get("ONEVAULT_TEST_SEEDS", "1000" if LONG else "1")
    found: list[int] = []
    for part in chosen.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last) + 1) if last else [int(first)]
    return list(range(found[0])) if chosen.isdigit() else found


def groups() -> list[tuple[int, ...]]:
    """Seeds that one fleet goes through: every third seed one host of four workers, the others two hosts of two."""
    chosen = seeds()
    one, two = [seed for seed in chosen if seed % 3 == 2], [seed for seed in chosen if seed % 3 != 2]
    return [
        tuple(of[start : start + SEEDS_OF_A_FLEET])
        for of in (one, two)
        for start in range(0, len(of), SEEDS_OF_A_FLEET)
    ]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    started = SimulatorProcess(tmp_path_factory.mktemp("recording"), "--record-calls", "--record-bodies")
    started.start()
    yield started
    started.stop()


@dataclass
class Customer:
    key: NewKey
    weight: int


class Run:
    """One seed on a fleet: customers of its own, traffic, faults, rest, and the account of it all."""

    def __init__(self, seed: int, fleet: Fleet) -> None:
        self.seed = seed
        self.fleet = fleet
        self.dice = random.Random(seed)
        self.account = Account()
        self.story: list[str] = []
        self._number = 0
        self._is_over = False

    def open_accounts(self) -> list[NewKey]:
        """Budgets that end in the run, in windows of every length; two that fail open."""
        dice, account, gateway = self.dice, self.account, self.fleet.hosts[0].gateway
        keys = []
        for number in range(4):
            month, day = round(dice.uniform(0.02, 0.4), 4), round(dice.uniform(0.02, 0.4), 4)
            organization: dict[str, object] = {"monthly_budget_usd": month}
            user: dict[str, object] = {}
            if number % 2:
                organization["daily_budget_usd"] = day
            else:
                user["monthly_limit_usd"] = day
            fallback = round(dice.uniform(0.01, 0.1), 4) if number >= 2 else 0.0
            if fallback:
                organization |= {"failure_mode": "fail_open", "fallback_daily_limit": fallback}
            key = gateway.new_key(organization=organization, user=user)
            on_top = round(fallback * 1e9)
            account.fallbacks[key.org_id] = on_top
            account.limits.append(Limit(f"org:{key.org_id}", "month", round(month * 1e9), on_top))
            limited = (f"org:{key.org_id}", "day") if number % 2 else (f"user:{key.user_id}", "month")
            account.limits.append(Limit(*limited, round(day * 1e9), on_top))
            keys.append(key)
        return keys

    async def traffic(self, keys: list[NewKey]) -> None:
        await asyncio.gather(*(self._caller(random.Random(f"{self.seed} {n}"), keys) for n in range(CALLERS)))

    async def _caller(self, dice: random.Random, keys: list[NewKey]) -> None:
        while not self._is_over:
            key, host = dice.choice(keys), dice.choice(self.fleet.hosts)
            self._number += 1
            sent = Sent(f"{self.seed}-{self._number}", key.org_id)
            tokens = dice.randint(1, 40)
            simulate = (
                f"latency_ms={dice.uniform(0, 250):.0f}; pace={dice.uniform(50, 2000):.0f}; output_tokens={tokens}"
            )
            body = question(
                model="priced-oa",
                stream=dice.random() < 0.5,
                max_tokens=tokens + dice.randint(0, 40),
                simulate=simulate,
            ) | {"metadata": {"number": sent.number}}
            try:
                answer = await begin(host.gateway.port, CHAT, body, key=key.api_key)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self.account.sent.append(sent)
            if dice.random() < 0.15:
                try:
                    async with asyncio.timeout(dice.uniform(0.01, 0.6)):
                        await answer.over.wait()
                except TimeoutError:
                    answer.hang_up(reset=dice.random() < 0.5)
            await answer.wait()
            self._take(sent, answer)
            if sent.status != 200:
                await asyncio.sleep(0.05)

    def _take(self, sent: Sent, answer: Answer) -> None:
        sent.status = answer.status
        if answer.status == 200:
            sent.call_id = answer.call_id
            sent.finished = answer.finished
            sent.grace = answer.headers.get("x-gateway-ledger") == "grace"
            if sent.finished:
                sent.cost = answer.cost_nanos
        elif answer.status and answer.complete:
            sent.error = answer.error_code

    async def faults(self) -> None:
        dice, fleet = self.dice, self.fleet
        ways: dict[str, Callable[[], object]] = {
            "a worker dies": self._a_worker_dies,
            "a host dies": self._a_host_dies,
            "Redis is silent": self._redis_is_silent,
            "Redis is killed": self._redis_is_killed,
            "Redis is shut down": self._redis_is_shut_down,
            "a host is cut off": self._a_host_is_cut_off,
        }
        if dice.random() < 0.5:
            fleet.clock.month_ends_in(seconds := dice.uniform(2, 6))
            self.story.append(f"the month ends in {seconds:.1f} s")
        drawn = dice.sample(list(ways), 3)
        for name in drawn:
            await asyncio.sleep(dice.uniform(0.2, 1.2))
            self.story.append(name)
            done = ways[name]()
            if asyncio.iscoroutine(done):
                await done
        await asyncio.sleep(dice.uniform(0.3, 1.5))

    async def _a_worker_dies(self) -> None:
        host = self._host()
        await host.until_ready()
        host.kill_worker(self.dice)

    async def _a_host_dies(self) -> None:
        host = self._host()
        host.kill()
        await asyncio.sleep(self.dice.uniform(0, 1))
        host.start()

    async def _redis_is_silent(self) -> None:
        self.fleet.redis.pause()
        if self.dice.random() < 0.5:
            await asyncio.sleep(self.dice.uniform(0.1, 1.5))
            if self.dice.random() < 0.5:
                self._host().kill_worker(self.dice)
        await asyncio.sleep(AWAY_S)
        self.fleet.redis.resume()

    async def _redis_is_killed(self) -> None:
        self.fleet.redis.kill()
        await asyncio.sleep(self.dice.uniform(0.1, AWAY_S))
        await asyncio.to_thread(self.fleet.redis.start)

    async def _redis_is_shut_down(self) -> None:
        await asyncio.to_thread(self.fleet.redis.stop)
        await asyncio.sleep(self.dice.uniform(0.1, AWAY_S))
        await asyncio.to_thread(self.fleet.redis.start)

    async def _a_host_is_cut_off(self) -> None:
        host = self._host()
        host.cut(self.dice.choice(("requests", "answers", "both")))
        await asyncio.sleep(self.dice.uniform(0.3, AWAY_S))
        if self.dice.random() < 0.3:
            host.kill_worker(self.dice)
        host.mend()

    def _host(self) -> Host:
        """One whose processes are there."""
        there = [host for host in self.fleet.hosts if host.gateway.process.popen.poll() is None]
        return self.dice.choice(there)

    async def go(self) -> None:
        keys = await asyncio.to_thread(self.open_accounts)
        await asyncio.sleep(KNOWN_EVERYWHERE_S)
        calling = asyncio.create_task(self.traffic(keys))
        try:
            await self.faults()
            self._is_over = True
            await calling
        finally:
            calling.cancel()
        await self.fleet.until_ready()

    def look(self) -> list[str]:
        fleet, account = self.fleet, self.account
        rows, counts = (
            postgres_rows(shared_postgres().url(fleet.database))
            if fleet.database
            else sqlite_rows(fleet.hosts[0].gateway.data_dir)
        )
        with Redis(port=fleet.redis.port) as client:
            windows = redis_windows(client)
        return findings(account, rows, counts, windows)


async def checked(seed: int, fleet: Fleet, simulator: SimulatorProcess) -> list[str]:
    """What the checker finds when all has come to rest."""
    simulator.reset()
    run = Run(seed, fleet)
    began = time.monotonic()
    await run.go()
    ran_s = time.monotonic() - began
    run.account.reached = [
        call["body"]["metadata"]["number"]
        for call in await asyncio.to_thread(simulator.calls)
        if call["body"] and call["status"] == 200
    ]
    while found := await asyncio.to_thread(run.look):
        if time.monotonic() - began - ran_s > QUIET_WITHIN_S:
            break
        await asyncio.sleep(0.25)
    for host in () if found else fleet.hosts:
        code, said = await asyncio.to_thread(host.verify)
        found += [] if code == 0 else [f"verify ledger: {said}"]
    sent = run.account.sent
    statuses = {status: sum(each.status == status for each in sent) for status in sorted({s.status for s in sent})}
    print(
        f"seed {seed}: {len(sent)} calls {statuses}, {sum(each.grace for each in sent)} in grace, {len(run.account.reached)} "
        f"reached; {'; '.join(run.story)}; ran {ran_s:.1f} s, quiet after {time.monotonic() - began - ran_s:.1f} s"
    )
    for host in fleet.hosts if found else ():
        lines = [
            line
            for line in host.gateway.process.output.splitlines()
            if '"level":"info"' not in line and '"event":"call"' not in line
        ]
        print("\n".join(lines[-LINES_TOLD:]), await asyncio.to_thread(host.gateway.admin, "/health"), sep="\n")
    if found:
        with Redis(port=fleet.redis.port) as client:
            print("still open:", open_calls(client), *found[:FINDINGS_TOLD], sep="\n")
    return [f"seed {seed} ({'; '.join(run.story)}): {each}" for each in found[:FINDINGS_TOLD]]


@pytest.mark.timeout(0 if LONG or "ONEVAULT_TEST_SEEDS" in os.environ else 300)
@pytest.mark.parametrize("chosen", groups(), ids=lambda chosen: f"seeds-{chosen[0]}-{chosen[-1]}")
async def test_no_window_is_overspent_and_no_call_is_settled_twice_or_lost_whatever_befalls_processes_redis_and_clock(
    chosen: tuple[int, ...], tmp_path: Path, recording: SimulatorProcess
) -> None:
    hosts = 1 if chosen[0] % 3 == 2 else 2
    found: list[str] = []
    async with Fleet(tmp_path, recording, hosts=hosts, workers=4 // hosts) as fleet:
        for seed in chosen:
            found += await checked(seed, fleet, recording)
        said = fleet.outputs()
    assert not found, "\n".join(found)
    for output in said:
        assert "Traceback" not in output
        assert '"internal fault"' not in output
