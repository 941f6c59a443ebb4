"""Processes that call one store at the same time, as gateways do; each tells what it did as one line of JSON."""

from __future__ import annotations

import asyncio
import json
import random
import sys

from tests.contract.ledger.build import KEY, ORG, USER, concurrency, fault_of, held, money, principal, settled

from onevault.core.faults import FaultKind
from onevault.core.identity import Window
from onevault.stores.redis.engine import RedisEngine, open_redis
from onevault.stores.redis.settings import RedisSettings

BUDGET = 1_000_000_000
LIMITS = (money(ORG, Window.MONTH, BUDGET), money(KEY, Window.TOTAL, 2 * BUDGET), money(USER, Window.DAY, 2 * BUDGET))
RETRIES_MAX = 40


async def spend(engine: RedisEngine, name: str, calls: int) -> dict[str, int]:
    """Reserves and settles at once, as so many callers; those who are refused try again, as long as something may come back."""
    chance = random.Random(name)
    told = {"settled": 0, "refused": 0, "errors": 0, "calls": 0}

    async def call(number: int) -> None:
        hold = held(f"{name}-{number}", chance.randint(1, 400_000))
        cost = chance.randint(hold.amount // 2, hold.amount)
        for _ in range(RETRIES_MAX):
            fault = await fault_of(engine.ledger.reserve(hold, LIMITS))
            if fault is None:
                await asyncio.sleep(chance.random() / 100)
                await engine.ledger.settle(settled(hold, cost))
                told["settled"] += cost
                told["calls"] += 1
                return
            if fault.kind is not FaultKind.BUDGET_EXCEEDED:
                told["errors"] += 1
                return
            await asyncio.sleep(chance.random() / 20)
        told["refused"] += 1

    await asyncio.gather(*(call(number) for number in range(calls)))
    return told


async def hold(engine: RedisEngine, name: str, calls: int) -> dict[str, int]:
    """Takes the whole budget and all places, says so, and waits to be killed."""
    caller = principal(*LIMITS, concurrency(ORG, calls))
    for number in range(calls):
        await engine.rates.admit(caller, call_id=f"{name}-{number}", now_ns=held("any").at_ns)
        await engine.ledger.reserve(held(f"{name}-{number}", BUDGET // calls), LIMITS)
    print("held", flush=True)
    await asyncio.sleep(600)
    return {}


async def main(url: str, what: str, name: str, calls: int, settings: RedisSettings) -> None:
    async with open_redis(url, tenant_of=lambda _: "t1", settings=settings) as engine:
        told = await (spend if what == "spend" else hold)(engine, name, calls)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _, url, what, name, calls, lease_s = sys.argv
    patient = RedisSettings(lease_s=float(lease_s), command_timeout_s=10.0)
    asyncio.run(main(url, what, name, int(calls), patient))
