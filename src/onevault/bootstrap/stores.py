"""Opens the embedded stores of one data directory and brings the money back to where the journal left it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from onevault.config.schema import Settings
from onevault.core.faults import Fault
from onevault.core.ports import Clock
from onevault.jobs.supervise import kept_going
from onevault.stores.journal.lock import locked
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.minutes import TokenMinutes
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.recovery import recover
from onevault.stores.sql.change_log import VaultChangeLog
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import VaultUnusable, open_vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.requests import VaultRequests
from onevault.stores.sql.usage import VaultUsage

_log = structlog.get_logger("onevault.stores")
_LAST_FLUSH_S = 10.0


@dataclass(frozen=True, slots=True)
class Stores:
    ledger: MemoryLedger
    rates: MemoryRates
    journal: JournalWriter
    loader: Loader
    directory: VaultDirectory
    change_log: VaultChangeLog
    requests: VaultRequests
    history: VaultUsage


@asynccontextmanager
async def open_stores(settings: Settings, clock: Clock) -> AsyncGenerator[Stores]:
    """The stores, recovered and loading. Raises Fault CONFLICT where another process has the directory, OSError where the
    vault cannot be opened. Leaving writes the journal out and loads what is left of it."""
    directory = settings.gateway.data_dir
    journals = directory / "journal"
    with locked(directory):
        try:
            async with open_vault(directory) as vault:
                minutes = TokenMinutes()
                ledger, rates = MemoryLedger(minutes=minutes), MemoryRates(minutes=minutes)
                journal = JournalWriter(journals, durability=settings.gateway.durability)
                loader = Loader(vault, journals)
                now_ns = clock.wall_ns()
                rollups, position = await loader.standing(now_ns)
                recovery = await recover(
                    ledger=ledger,
                    rates=rates,
                    rollups=rollups,
                    position=position,
                    journal_directory=journals,
                    journal=journal,
                    now_ns=now_ns,
                )
                _log.info("money recovered", report=recovery)
                loading = asyncio.create_task(kept_going("loader", loader.run, clock))
                try:
                    yield Stores(
                        ledger,
                        rates,
                        journal,
                        loader,
                        VaultDirectory(vault, clock),
                        VaultChangeLog(vault),
                        VaultRequests(vault, loader),
                        VaultUsage(vault),
                    )
                finally:
                    loading.cancel()
                    await asyncio.wait((loading,))
                    try:
                        await journal.close()
                    finally:
                        with suppress(Fault):
                            # What the vault does not take by now is loaded at the next start.
                            await loader.flush(timeout_s=_LAST_FLUSH_S)
        except VaultUnusable as error:
            raise OSError(str(error)) from None
