"""What 100,000 users and keys cost: `python -m bench.admin [--entities 100000] [--calls 300]`.

Fills the vault of a data directory, starts `onevault serve` on it, and measures the start, the memory, the CPU that it takes to tell who
calls, and every kind of admin call, one after the other: how long it takes, what CPU it costs the gateway, and how long others wait.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import psutil  # type: ignore[import-untyped]

from bench.processes import Process, free_port, running
from bench.settings import GATEWAY_CORE, LOAD_CORE
from onevault.admin.shelves import Shelves
from onevault.bootstrap.system import SystemClock
from onevault.core.directory import Change, Entity, Snapshot
from onevault.core.identity import ApiKey, Organization, User
from onevault.core.keys import key_prefix, key_sha256, key_text
from onevault.policy.access import Access
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import open_vault

ORGANIZATIONS: Final = 200
_PER_TRANSACTION: Final = 2_000
_WARM_UP: Final = 10
ADMIN_KEY: Final = "adm_the-admin-key-of-the-bench-and-of-nothing-else"
READY_TIMEOUT_S: Final = 60.0


def text_of(number: int) -> str:
    """The text of a key, the same in every run."""
    return key_text(random.Random(number).randbytes(64), test=False)


async def fill(directory: Path, count: int) -> None:
    """So many users with a key each, in 200 organizations."""
    async with open_vault(directory) as vault:
        identities = VaultDirectory(vault, SystemClock())

        async def put(entities: list[Entity]) -> None:
            for start in range(0, len(entities), _PER_TRANSACTION):
                changes = [Change("bench", "", entity) for entity in entities[start : start + _PER_TRANSACTION]]
                if any(await identities.put_each(changes)):
                    raise SystemExit("the vault refused what the bench fills it with")

        await put([_organization(number) for number in range(ORGANIZATIONS)])
        await put([_user(number) for number in range(count)])
        await put([_key(number) for number in range(count)])


def _organization(number: int) -> Organization:
    return Organization(
        org_id=f"org_{number:032x}",
        tenant_id="default",
        name=f"Organization {number}",
        monthly_budget=10**15,
        requests_per_minute=10**6,
    )


def _user(number: int) -> User:
    return User(
        user_id=f"usr_{number:032x}",
        org_id=f"org_{number % ORGANIZATIONS:032x}",
        email=f"somebody.{number}@example.test",
        monthly_limit=10**12 + number,
        created_at_ms=1_795_000_000_000 + number,
    )


def _key(number: int) -> ApiKey:
    text = text_of(number)
    return ApiKey(
        key_id=f"key_{number:032x}",
        user_id=f"usr_{number:032x}",
        sha256=key_sha256(text),
        prefix=key_prefix(text),
        name="laptop",
        requests_per_minute=600,
        created_at_ms=1_795_000_000_000 + number,
    )


class Known(NamedTuple):
    """CPU in µs to tell who calls: with one of 5,000 keys in use, and with a key that was not used before; and the MB of who is known,
    by what the process grew and by what Python says that it allocated."""

    warm_us: float
    cold_us: float
    grown_mb: float
    traced_mb: float


def known(directory: Path, count: int) -> Known:
    async def snapshot() -> Snapshot:
        async with open_vault(directory) as vault:
            return await VaultDirectory(vault, SystemClock()).snapshot()

    def held() -> tuple[Access, Shelves]:
        read, shelves = asyncio.run(snapshot()), Shelves()
        shelves.begin_with(read)
        return Access(read), shelves

    before = psutil.Process().memory_info().rss
    access, shelves = held()
    gc.collect()
    grown = psutil.Process().memory_info().rss - before
    picked = random.Random(7).sample(range(count), min(count, 5_000))
    rounds = []
    for _ in range(9):
        began = time.process_time()
        for number in picked:
            access.authenticate(text_of(number), now_ms=1_800_000_000_000, address="127.0.0.1")
        took = time.process_time() - began
        began = time.process_time()
        for number in picked:
            text_of(number)
        rounds.append((took - (time.process_time() - began)) / len(picked) * 1e6)
    del access, shelves
    tracemalloc.start()
    again = held()
    traced = tracemalloc.get_traced_memory()[0]
    del again
    return Known(statistics.median(rounds[1:]), rounds[0], grown / 1e6, traced / 1e6)


class Taken(NamedTuple):
    """Milliseconds of each call, of the gateway's CPU for one, and that a health check took which was asked meanwhile."""

    calls: list[float]
    cpu: float
    beside: list[float]


async def beside(session: aiohttp.ClientSession, url: str, into: list[float]) -> None:
    """Asks for the health of the process, as often as it answers, until it is cancelled."""
    while True:
        began = time.perf_counter()
        async with session.get(url) as answer:
            await answer.read()
        into.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.001)


async def admin_calls(base_url: str, process: Process, count: int, calls: int) -> dict[str, Taken]:
    """What each kind of call took."""
    picked = random.Random(3)

    def user() -> str:
        return f"usr_{picked.randrange(count):032x}"

    def org() -> str:
        return f"org_{picked.randrange(ORGANIZATIONS):032x}"

    def key() -> str:
        number = picked.randrange(count)
        return f"usr_{number:032x}/api-keys/key_{number:032x}"

    numbers = iter(range(10**9))
    kinds: dict[str, tuple[str, Callable[[], str], Callable[[], object]]] = {
        "POST organizations": (
            "POST",
            lambda: "organizations",
            lambda: {"name": f"N{next(numbers)}", "monthly_budget_usd": 1},
        ),
        "GET organizations": ("GET", lambda: "organizations?limit=200", lambda: None),
        "GET an organization": ("GET", lambda: f"organizations/{org()}", lambda: None),
        "PATCH an organization": (
            "PATCH",
            lambda: f"organizations/{org()}",
            lambda: {"daily_budget_usd": next(numbers)},
        ),
        "GET an organization's users": ("GET", lambda: f"organizations/{org()}/users?limit=200", lambda: None),
        "GET an organization's usage": ("GET", lambda: f"organizations/{org()}/usage", lambda: None),
        "POST users": ("POST", lambda: "users", lambda: {"org_id": org(), "email": f"n{next(numbers)}@example.test"}),
        "GET users, from the middle": ("GET", lambda: f"users?limit=200&after={user()}", lambda: None),
        "GET a user": ("GET", lambda: f"users/{user()}", lambda: None),
        "PATCH a user": ("PATCH", lambda: f"users/{user()}", lambda: {"daily_limit_usd": next(numbers)}),
        "GET a user's usage": ("GET", lambda: f"users/{user()}/usage", lambda: None),
        "POST reset-quota": ("POST", lambda: f"users/{user()}/reset-quota", dict),
        "POST api-keys": ("POST", lambda: f"users/{user()}/api-keys", lambda: {"name": "new"}),
        "GET api-keys": ("GET", lambda: f"users/{user()}/api-keys", lambda: None),
        "PATCH an api-key": ("PATCH", lambda: f"users/{key()}", lambda: {"daily_limit_usd": next(numbers)}),
        "POST rotate": ("POST", lambda: f"users/{key()}/rotate", dict),
        "GET audit": ("GET", lambda: "audit?limit=200", lambda: None),
        "GET audit of an organization": ("GET", lambda: f"audit?limit=200&org_id={org()}", lambda: None),
        "GET audit by actor": ("GET", lambda: "audit?actor=admin", lambda: None),
        "GET audit of a day": ("GET", lambda: "audit?until=2020-01-01T00:00:00Z", lambda: None),
        "GET health": ("GET", lambda: "health", lambda: None),
        "GET metrics": ("GET", lambda: "metrics", lambda: None),
        "DELETE a user": ("DELETE", lambda: f"users/usr_{next(numbers):032x}", lambda: None),
    }
    taken: dict[str, Taken] = {}
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def call(method: str, path: str, asked: object) -> float:
            data = None if asked is None else json.dumps(asked).encode()
            began = time.perf_counter()
            async with session.request(method, f"{base_url}/admin/{path}", data=data) as answer:
                text = await answer.read()
            if answer.status not in (200, 201, 409):
                raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
            return (time.perf_counter() - began) * 1000

        for kind, (method, path, body) in kinds.items():
            for _ in range(_WARM_UP):
                await call(method, path(), body())
            before_s = process.cpu_s()
            times = [await call(method, path(), body()) for _ in range(calls)]
            cpu = (process.cpu_s() - before_s) / calls * 1000
            waits: list[float] = []
            waiting = asyncio.create_task(beside(session, f"{base_url}/livez", waits))
            for _ in range(calls // 3):
                await call(method, path(), body())
            waiting.cancel()
            taken[kind] = Taken(times, cpu, waits)
    return taken


def serve(directory: Path, port: int) -> Process:
    environment = {"ONEVAULT_DATA_DIR": str(directory), "ONEVAULT_ADMIN_KEY": ADMIN_KEY}
    command = [sys.executable, "-m", "onevault", "serve", "--port", str(port)]
    return Process(command, core=GATEWAY_CORE, log=directory.parent / "gateway.log", environment=environment)


class Start(NamedTuple):
    """Seconds until a gateway is ready, of its CPU by then, and the MB that it has a second later."""

    ready_s: float
    cpu_s: float
    memory_mb: float


def started(directory: Path) -> Start:
    port = free_port()
    with running(serve(directory, port)) as process:
        ready_s = process.wait_until_ready(port, "/readyz", timeout_s=READY_TIMEOUT_S)
        cpu_s = process.cpu_s()
        time.sleep(1)
        return Start(ready_s, cpu_s, process.memory().rss_bytes / 1e6)


def measured(directory: Path, count: int, calls: int) -> None:
    empty, full = directory / "empty", directory / "full"
    empty.mkdir()
    asyncio.run(fill(full, count))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as another:
        who = another.submit(known, full, count).result()
    print(f"load of the machine    {os.getloadavg()[0]:6.2f}")
    print(f"authentication         {who.warm_us:6.1f} µs CPU with a key in use, {who.cold_us:.1f} µs with another one")
    print(f"memory of who is known {who.grown_mb:6.0f} MB    (allocated: {who.traced_mb:.0f} MB)", flush=True)
    first, then = started(empty), started(full)
    print(f"start to ready         {then.ready_s:6.2f} s     (empty {first.ready_s:.2f} s)")
    print(f"CPU of the start       {then.cpu_s:6.2f} s     (empty {first.cpu_s:.2f} s)")
    more = then.memory_mb - first.memory_mb
    print(
        f"memory of the gateway  {then.memory_mb:6.0f} MB    (empty {first.memory_mb:.0f} MB: {more:.0f} MB more)",
        flush=True,
    )
    port = free_port()
    with running(serve(full, port)) as process:
        process.wait_until_ready(port, "/readyz", timeout_s=READY_TIMEOUT_S)
        taken = asyncio.run(admin_calls(f"http://127.0.0.1:{port}", process, count, calls))
        print(f"memory after the calls {process.memory().rss_bytes / 1e6:6.0f} MB")
    for kind, of in taken.items():
        whole, others = (f"p50 {_at(times, 50)}   p99 {_at(times, 99)}" for times in (of.calls, of.beside))
        print(f"{kind:28} {whole}   CPU {of.cpu:5.2f} ms   others wait {others}")
    print(f"load of the machine    {os.getloadavg()[0]:6.2f}")


def _at(times: list[float], percent: int) -> str:
    return f"{sorted(times)[len(times) * percent // 100]:6.1f} ms" if times else "     —   "


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.admin", description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000, help="users, and as many keys")
    parser.add_argument("--calls", type=int, default=300, help="of each kind")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="onevault-bench-") as temporary:
        measured(Path(temporary), arguments.entities, arguments.calls)


if __name__ == "__main__":
    main()
