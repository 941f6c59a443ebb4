"""Opens the stores of a gateway that is one process, and brings the money back to where the journal left it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from onevault.bootstrap.stores import LedgerHealth, Stores
from onevault.config.schema import Settings
from onevault.core.faults import Fault
from onevault.core.ports import Clock
from onevault.jobs.supervise import kept_going
from onevault.stores.grace.engine import FailureModes, GraceStanding
from onevault.stores.journal.lock import locked
from onevault.stores.journal.places import main_place, places
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.recovery import recover, settle_left
from onevault.stores.snapshot.directory import DirectoryStanding
from onevault.stores.sql.answers import VaultAnswers
from onevault.stores.sql.change_log import VaultChangeLog
from onevault.stores.sql.deliveries import VaultDeliveries
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault, VaultUnusable, open_vault
from onevault.stores.sql.lease import LedgerLease
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.notices import VaultNotices
from onevault.stores.sql.requests import VaultRequests
from onevault.stores.sql.standings import VaultStandings
from onevault.stores.sql.usage import VaultUsage

_log = structlog.get_logger("onevault.stores")
_LAST_FLUSH_S = 10.0


@asynccontextmanager
async def open_embedded(settings: Settings, clock: Clock) -> AsyncGenerator[Stores]:
    """The stores, recovered and loading. Raises Fault CONFLICT where another process has the directory, or counts for the same
    PostgreSQL vault; OSError where the vault cannot be opened. Leaving writes the journal out and loads what is left of it."""
    directory, url = settings.gateway.data_dir, settings.gateway.vault_url
    with locked(directory):
        try:
            async with open_vault(directory, database_url=url) as vault, _alone(vault):
                place = main_place(directory, has_own_vault=not url)
                journals = place.directory
                await _load_workers_journals(settings, vault, clock)
                ledger, rates = MemoryLedger(), MemoryRates()
                journal = JournalWriter(journals, durability=settings.gateway.durability)
                loader = Loader(vault, journals, journal=place.name)
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
                        journal.status,
                        loader,
                        VaultDirectory(vault, clock),
                        VaultChangeLog(vault),
                        VaultAnswers(vault),
                        VaultRequests(vault, loader),
                        VaultUsage(vault),
                        VaultNotices(vault),
                        VaultDeliveries(vault),
                        VaultStandings(vault),
                        _in_memory,
                        FailureModes(),
                        _local,
                        _in_vault,
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


@asynccontextmanager
async def _alone(vault: Vault) -> AsyncGenerator[None]:
    """Of all gateways that keep the ledger of this vault in memory there is one. The directory's lock sees to that for a vault in
    it; for one on a server a lease does. A gateway that lost it (it was cut off, and another one started) must not count on."""
    lease = vault.database.lease()
    if lease is None:
        yield
        return
    try:
        await lease.take()
    except SQLAlchemyError as error:
        raise OSError(
            f"{vault.database.where}: the vault cannot be used ({getattr(error, 'orig', None) or error})"
        ) from None
    keeping = asyncio.create_task(_stop_without(lease))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait((keeping,))
        await lease.give_back()


async def _stop_without(lease: LedgerLease) -> None:
    holder = await lease.kept()
    _log.critical("another gateway counts for this vault now: this one stops", holder=holder)
    signal.raise_signal(signal.SIGTERM)


def _local() -> GraceStanding:
    """There is no store that could be away."""
    return GraceStanding(mode="local", since_ns=None, outages=0, waiting=False, affected=())


def _in_vault() -> DirectoryStanding:
    """A gateway by itself does not start without its vault, and keeps no snapshot of it."""
    return DirectoryStanding(False, "in the vault", 0.0)


async def _in_memory() -> LedgerHealth:
    return LedgerHealth(True, "in this process's memory")


async def _load_workers_journals(settings: Settings, vault: Vault, clock: Clock) -> None:
    """What the workers of an earlier gateway left (it had a shared ledger, this one has none) is part of the vault's sums first."""
    for place in places(settings.gateway.data_dir)[1:]:
        journal = JournalWriter(place.directory, durability=settings.gateway.durability)
        try:
            left = await settle_left(place.directory, journal, now_ns=clock.wall_ns())
        finally:
            await journal.close()
        await Loader(vault, place.directory, journal=place.name).flush()
        _log.info("a worker's journal was loaded", journal=place.name, holds_settled=len(left))
