"""Opens the shared ledger beside gateways that serve, for commands that only look at it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from onevault.config.schema import Settings

if TYPE_CHECKING:
    from onevault.stores.redis.engine import RedisEngine

_ENGINE: Final = "onevault.stores.redis.engine"


@asynccontextmanager
async def redis_to_read(settings: Settings) -> AsyncGenerator[RedisEngine | None]:
    """The ledger at `gateway.redis_url`; None where there is none. Raises OSError where its client is not installed."""
    url, tenant_id = settings.gateway.redis_url, settings.tenant.tenant_id
    if url is None:
        yield None
        return
    try:
        # Not at the top: who does not use Redis need not have its client installed.
        redis: Any = import_module(_ENGINE)
    except ModuleNotFoundError as error:
        raise OSError(f"gateway.redis_url needs the package {error.name}: install onevault[redis]") from None
    async with redis.open_redis(url.reveal(), tenant_of=lambda _: tenant_id) as engine:
        engine.batches.on_expired = None  # to give back what dead processes held is for those who serve
        yield engine
