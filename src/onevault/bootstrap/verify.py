"""Opens a data directory only to read it, beside running gateways or without one, and has its ledger verified."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from onevault.bootstrap.redis_to_read import redis_to_read
from onevault.config.schema import Settings
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ScopeId
from onevault.core.ports import Figures
from onevault.core.records import Settled
from onevault.stores.held import HeldNow
from onevault.stores.journal.places import MAIN, main_place, places
from onevault.stores.reconcile import filling_of, uncounted_grace
from onevault.stores.sql.engine import VaultUnusable
from onevault.stores.verify.journal import RetainedJournal
from onevault.stores.verify.vault import vault_to_read
from onevault.stores.verify.verdict import verdict
from onevault.stores.verify.words import Verdict

if TYPE_CHECKING:
    from onevault.stores.redis.engine import RedisEngine


async def verify_ledger(settings: Settings) -> tuple[Verdict, list[int]]:
    """The verdict, and the processes that have journals of the data directory. Writes nothing and takes no lock.

    Raises Fault INVALID_REQUEST where there is no vault or one that this version cannot read, OSError where reading fails.
    """
    gateway = settings.gateway
    directory, url = gateway.data_dir, gateway.vault_url
    found = places(directory, has_own_vault=not url)
    if not found and not url:
        found = [main_place(directory)]  # one that is gone is told of
    journals = [
        RetainedJournal(
            place.name, place.directory, _process_of(directory if place.directory.name == MAIN else place.directory)
        )
        for place in found
    ]
    running = [journal.running for journal in journals if journal.running is not None]
    try:
        async with vault_to_read(directory, database_url=url) as vault, redis_to_read(settings) as redis:
            shared = SharedBooks(redis, settings.tenant.tenant_id, journals) if redis is not None else None
            return await verdict(vault, journals, shared=shared), running
    except VaultUnusable as error:
        raise Fault(FaultKind.INVALID_REQUEST, f"{error}.", param="database_url" if url else "data_dir") from None
    except SQLAlchemyError as error:
        where = "PostgreSQL" if url else directory
        raise OSError(f"{where}: the vault cannot be read ({getattr(error, 'orig', None) or error})") from None


class SharedBooks:
    """Implements `stores.verify.shared.SharedLedger` on Redis and the journals of this host."""

    def __init__(self, engine: RedisEngine, tenant_id: str, journals: list[RetainedJournal]) -> None:
        self._engine = engine
        self._tenant_id = tenant_id
        self._journals = journals

    async def figures(self, scope: ScopeId, day: str, month: str) -> Figures:
        return await self._engine.ledger.figures_of(scope, day, month)

    async def held(self, scopes: list[ScopeId], look_for: list[str]) -> HeldNow:
        return await self._engine.holds(self._tenant_id, scopes, look_for=look_for)

    async def uncounted_grace(self) -> list[Settled]:
        restore = self._engine.restore
        filling = filling_of(await restore.standing(self._tenant_id) or "")
        found: list[Settled] = []
        for journal in self._journals:
            uncounted, _ = await uncounted_grace(
                restore, journal.directory, name=journal.name, tenant_id=self._tenant_id, filling=filling
            )
            found += uncounted
        return found


def _process_of(directory: Path) -> int | None:
    """Who the lock's file says has the directory, if that process lives. The lock itself is not tried: a gateway that starts at
    that very moment would find it taken."""
    try:
        process_id = int((directory / "lock").read_text(encoding="ascii"))
        os.kill(process_id, 0)
    except PermissionError:
        return process_id
    except (OSError, ValueError):
        return None
    return process_id
