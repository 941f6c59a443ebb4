"""Gateways of several processes and hosts on one Redis, with what can befall them: deaths, outages, partitions, and a moved clock."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from tests.support.postgres_server import shared_postgres, vault_template
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, clean_environment, http
from tests.support.redis_server import RedisServer
from tests.support.wire_fault_proxy import NO_FAULTS, FaultProxy, Faults

READY_WITHIN_S: Final = 180.0
"""Several processes start one after the other: on a busy machine that takes its time."""
NOTHING_PASSES: Final = Faults(silent_after_bytes=0)
MOVED_CLOCK: Final = Path(__file__).parent / "moved_clock"
CONFIG = """
gateway:
  workers: {workers}
  drain_timeout: 2
limits: {{fallback_replicas: {hosts}}}
providers:
  oa:
    type: openai
    api_key: sk-simulated-openai
    base_url: {url}/v1
    models:
      - {{name: priced-oa, prices: {{input: 0.0370011, output: 99.9999371}}}}
"""


class Clock:
    """The wall clock of all gateways, and how far it is ahead of the machine's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ahead_s = 0.0
        path.write_text("0")
        self.environment = {"PYTHONPATH": str(MOVED_CLOCK), "MOVED_CLOCK": str(path)}

    def month_ends_in(self, seconds: float) -> None:
        """Moves it forward, to so long before the next month's end."""
        now_s = time.time() + self._ahead_s
        now = datetime.fromtimestamp(now_s + seconds, UTC)
        following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
        self._ahead_s += following.timestamp() - seconds - now_s
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f"{self._ahead_s:.3f}")
        fresh.replace(self._path)


class Host:
    """One gateway of several workers, whose way to Redis leads through a proxy."""

    def __init__(self, gateway: GatewayProcess, workers: int, link: FaultProxy) -> None:
        self.gateway = gateway
        self.workers = workers
        self.link = link

    def start(self) -> None:
        self.gateway.process.start()

    def is_ready(self) -> bool:
        """Whether all workers serve."""
        try:
            text = http(f"{self.gateway.base_url}/metrics", raw=True)[2]
        except OSError:
            return False
        return len(set(re.findall(r'onevault_calls_in_flight\{worker="(\d+)"\}', text))) == self.workers

    async def until_ready(self) -> None:
        began = time.monotonic()
        while not await asyncio.to_thread(self.is_ready):
            code = self.gateway.process.popen.poll()
            assert code is None, f"ended with {code}: {self.gateway.process.output[-3000:]}"
            assert time.monotonic() - began < READY_WITHIN_S, self.gateway.process.output[-3000:]
            await asyncio.sleep(0.05)

    def kill_worker(self, dice: random.Random) -> None:
        """kill -9 of one of those that there are."""
        there = psutil.Process(self.gateway.process.popen.pid).children()
        if there:
            _kill([dice.choice(there)])

    def kill(self) -> None:
        """kill -9 of all its processes at once, as when a machine dies."""
        whole = psutil.Process(self.gateway.process.popen.pid)
        whole.suspend()  # so that it starts no worker meanwhile
        _kill([whole, *whole.children()])
        self.gateway.process.popen.wait()

    def verify(self) -> tuple[int, str]:
        """`onevault verify ledger` beside it, by its clock: exit code and what it says."""
        process = self.gateway.process
        done = subprocess.run(
            [sys.executable, "-m", "onevault", "verify", "ledger", "--json"],
            env=clean_environment(process.environment),
            cwd=process.directory,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def cut(self, which: str) -> None:
        """Partitions it from Redis: `requests`, `answers` or `both` get lost, connections stay open."""
        self.link.up = NOTHING_PASSES if which in ("requests", "both") else NO_FAULTS
        self.link.down = NOTHING_PASSES if which in ("answers", "both") else NO_FAULTS

    def mend(self) -> None:
        self.link.up = self.link.down = NO_FAULTS


class Fleet:
    """`hosts` hosts of `workers` workers each, in `directory`; one host keeps its vault in SQLite, several share a PostgreSQL."""

    def __init__(self, directory: Path, simulator: SimulatorProcess, *, hosts: int, workers: int) -> None:
        self._directory = directory
        self._simulator = simulator
        self._count = hosts
        self._workers = workers
        self._stack = AsyncExitStack()
        self.redis = RedisServer(keep=True)
        self.clock = Clock(directory / "clock")
        self.hosts: list[Host] = []
        self.database = shared_postgres().database(vault_template()) if hosts > 1 else ""

    async def __aenter__(self) -> Self:
        self.redis.start()
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def _start(self) -> None:
        config = CONFIG.format(workers=self._workers, hosts=self._count, url=self._simulator.base_url)
        settings = {
            "ONEVAULT_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "ONEVAULT_ADMIN_KEY": base64.b64encode(os.urandom(30)).decode(),
        }
        if self.database:
            settings["ONEVAULT_DATABASE_URL"] = shared_postgres().url(self.database)
        for number in range(self._count):
            link = await self._stack.enter_async_context(FaultProxy("127.0.0.1", self.redis.port))
            directory = self._directory / f"host{number}"
            directory.mkdir()
            own = {"ONEVAULT_REDIS_URL": f"redis://127.0.0.1:{link.port}/0"}
            environment = settings | own | self.clock.environment
            host = Host(GatewayProcess(directory, environment=environment, config=config), self._workers, link)
            self.hosts.append(host)
            host.start()
            await host.until_ready()  # the first makes what a first start makes

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        for host in self.hosts:
            if host.gateway.process.popen.poll() is None:
                host.kill()
        await self._stack.aclose()
        self.redis.remove()
        if self.database:
            shared_postgres().drop(self.database)

    async def until_ready(self) -> None:
        """Whatever befell it is over. A host that ended by itself is started again: a worker was killed before it first served."""
        for host in self.hosts:
            if host.gateway.process.popen.poll() is not None:
                host.start()
            await host.until_ready()

    def outputs(self) -> Sequence[str]:
        return [host.gateway.process.output for host in self.hosts]


def new_key(fleet: Fleet, **limits: object) -> NewKey:
    return fleet.hosts[0].gateway.new_key(**limits)  # type: ignore[arg-type]


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        process.kill()
    psutil.wait_procs(processes[1:] if len(processes) > 1 else (), timeout=10)
