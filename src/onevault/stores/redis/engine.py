"""Opens the ledger and the rates of one Redis, keeps their calls alive while they are open, and closes them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onevault.stores.redis.batches import Batches
from onevault.stores.redis.connection import RedisConnection
from onevault.stores.redis.holds import Holds
from onevault.stores.redis.leases import Leases
from onevault.stores.redis.ledger import RedisLedger, TenantOf
from onevault.stores.redis.rates import RedisRates
from onevault.stores.redis.restore import Restore
from onevault.stores.redis.settings import RedisSettings


@dataclass(frozen=True, slots=True)
class RedisEngine:
    """What one store counts. `restore` is to be called at start, and again whenever the store is found empty."""

    ledger: RedisLedger
    rates: RedisRates
    leases: Leases
    batches: Batches
    restore: Restore
    holds: Holds


@asynccontextmanager
async def open_redis(
    url: str,
    *,
    tenant_of: TenantOf,
    settings: RedisSettings | None = None,
    on_empty: Callable[[str], None] | None = None,
    owner: str = "",
) -> AsyncGenerator[RedisEngine]:
    """The engines on the store at a URL. Opening never waits for the store: while it is away they answer STORE_UNAVAILABLE.

    `on_empty` is told the tenant whenever the store is found without its data; it is called from the event loop and must not wait.
    By `owner` (`PLACE#` and something of its own) the store tells what processes of a place have begun (`Leases.give_back`).
    Leaving sends what is owed, for at most `close_timeout_s`.
    """
    settings = settings if settings is not None else RedisSettings()
    connection = RedisConnection(url, settings)
    batches = Batches(connection, settings, owner=owner)
    batches.on_empty = on_empty
    leases = Leases(batches, settings)
    renewing = asyncio.create_task(leases.run())
    try:
        yield RedisEngine(
            RedisLedger(batches, leases, tenant_of),
            RedisRates(batches, leases, tenant_of),
            leases,
            batches,
            Restore(connection, settings),
            Holds(connection, settings),
        )
    finally:
        renewing.cancel()
        await asyncio.wait((renewing,))
        await leases.close()
        await batches.close()
        await connection.close()
