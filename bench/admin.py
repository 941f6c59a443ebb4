"""What 100,000 users and keys cost: `python -m bench.admin [--entities 100000] [--calls 300]`.

Fills the vault of a data directory, starts `onevault serve` on it, and measures the start, the memory, the CPU that it takes to tell who
calls, and every kind of admin call, one after the other, while nothing else goes on.
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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import aiohttp
import psutil  # type: ignore[import-untyped]

from bench.processes import Process, free_port, running
from bench.settings import GATEWAY_CORE, LOAD_CORE
from onevault.bootstrap.system import SystemClock
from onevault.core.identity import ApiKey, Organization, User
from onevault.core.keys import key_prefix, key_sha256, key_text
from onevault.core.ports import Change, Entity, Snapshot
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


def authentication(directory: Path, count: int) -> tuple[float, float]:
    """CPU in µs to tell who calls, each time another of the known keys; and the MB that a process grows by to know them."""

    async def snapshot() -> Snapshot:
        async with open_vault(directory) as vault:
            return await VaultDirectory(vault, SystemClock()).snapshot()

    before = psutil.Process().memory_info().rss
    access = Access(asyncio.run(snapshot()))
    gc.collect()
    grown = psutil.Process().memory_info().rss - before
    picked = random.Random(7)
    texts = [text_of(picked.randrange(count)) for _ in range(20_000)]
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for text in texts:
            access.authenticate(text, now_ms=1_800_000_000_000, address="127.0.0.1")
        rounds.append((time.process_time() - began) / len(texts) * 1e6)
    return statistics.median(rounds), grown / 1e6


async def admin_calls(base_url: str, count: int, calls: int) -> dict[str, list[float]]:
    """Milliseconds of each call, by kind."""
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
    taken: dict[str, list[float]] = {}
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for kind, (method, path, body) in kinds.items():
            times = taken[kind] = []
            for number in range(calls + _WARM_UP):
                asked = body()
                data = None if asked is None else json.dumps(asked).encode()
                began = time.perf_counter()
                async with session.request(method, f"{base_url}/admin/{path()}", data=data) as answer:
                    text = await answer.read()
                if answer.status not in (200, 201, 409):
                    raise SystemExit(f"{kind}: {answer.status} {text[:300]!r}")
                if number >= _WARM_UP:
                    times.append((time.perf_counter() - began) * 1000)
    return taken


def serve(directory: Path, port: int) -> Process:
    environment = {"ONEVAULT_DATA_DIR": str(directory), "ONEVAULT_ADMIN_KEY": ADMIN_KEY}
    command = [sys.executable, "-m", "onevault", "serve", "--port", str(port)]
    return Process(command, core=GATEWAY_CORE, log=directory.parent / "gateway.log", environment=environment)


def started(directory: Path) -> tuple[float, float]:
    """Seconds until a gateway on this directory is ready, and the MB that it then has."""
    port = free_port()
    with running(serve(directory, port)) as process:
        ready_s = process.wait_until_ready(port, "/readyz", timeout_s=READY_TIMEOUT_S)
        time.sleep(1)
        return ready_s, process.memory().rss_bytes / 1e6


def measured(directory: Path, count: int, calls: int) -> None:
    empty, full = directory / "empty", directory / "full"
    empty.mkdir()
    asyncio.run(fill(full, count))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as another:
        us, mb = another.submit(authentication, full, count).result()
    print(
        f"authentication       {us:6.1f} µs CPU, each time another key; {mb:.0f} MB in all for who is known", flush=True
    )
    empty_s, empty_mb = started(empty)
    full_s, full_mb = started(full)
    print(f"start to ready       {full_s:6.2f} s     (empty {empty_s:.2f} s)")
    print(
        f"memory of the gateway {full_mb:5.0f} MB    (empty {empty_mb:.0f} MB: {full_mb - empty_mb:.0f} MB for {count:,} users and keys)"
    )
    port = free_port()
    with running(serve(full, port)) as process:
        process.wait_until_ready(port, "/readyz", timeout_s=READY_TIMEOUT_S)
        taken = asyncio.run(admin_calls(f"http://127.0.0.1:{port}", count, calls))
        print(f"memory after the calls {process.memory().rss_bytes / 1e6:4.0f} MB")
    for kind, times in taken.items():
        ordered = sorted(times)
        print(f"{kind:30} p50 {ordered[len(times) // 2]:6.1f} ms   p99 {ordered[len(times) * 99 // 100]:6.1f} ms")


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
