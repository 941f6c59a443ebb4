"""Opens the stores of one of several processes: the ledger is in Redis, the journal its own, the vault everybody's.

The process starts also while Redis is away: calls are refused until it answers, and then what this host's journals have is counted.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from onevault.bootstrap.master_keys import known_masters
from onevault.bootstrap.stores import LedgerHealth, Stores
from onevault.config.schema import Settings
from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock, Notices
from onevault.jobs.supervise import kept_going
from onevault.stores.grace.engine import FailureModes, Grace
from onevault.stores.journal.lock import locked
from onevault.stores.journal.places import Place, places, taken, worker_place
from onevault.stores.journal.segment import segments
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.reconcile import count_grace, filled, filling_of, reconcile
from onevault.stores.recovery import settle_left
from onevault.stores.redis.engine import RedisEngine, open_redis
from onevault.stores.redis.settings import RedisSettings
from onevault.stores.rollup import JournalPosition
from onevault.stores.snapshot.directory import SnapshotDirectory
from onevault.stores.snapshot.file import Kept, SnapshotFile, SnapshotUnusable
from onevault.stores.sql.answers import VaultAnswers
from onevault.stores.sql.change_log import VaultChangeLog
from onevault.stores.sql.deliveries import VaultDeliveries
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault, VaultAway, VaultUnusable, is_postgresql
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.notices import VaultNotices
from onevault.stores.sql.requests import VaultRequests
from onevault.stores.sql.standings import VaultStandings
from onevault.stores.sql.usage import VaultUsage

_log = structlog.get_logger("onevault.stores")
_LAST_FLUSH_S: Final = 10.0
_COMMAND_TIMEOUT_S: Final = 1.0
"""A store that is only busy, as beside a loader that catches up, must not be taken for one that is away."""
_AGAIN_S: Final = 0.5
_LOOK_FOR_ORPHANS_S: Final = 5.0
_FIRST_TRY_S: Final = 5.0
"""How long a start waits for Redis before it serves without: then everything is refused until it answers."""
_SETTLE_DOWN_S: Final = 1.0
"""How long the loaders of all processes get to bring in their journals before a store that was emptied is filled from the vault."""
_LOOK_AT_FILLING_S: Final = 1.0
_OTHERS_LOAD_S: Final = 1.0
_GIVE_BACK_FIRST, _GIVE_BACK_EACH = 10, 20
"""At how many of the first looks at the store, and then at each how many, it is asked for what dead processes of this place held: it
may have taken that from them late, out of its network buffers."""


@asynccontextmanager
async def open_shared(settings: Settings, clock: Clock, notices: Notices, *, worker: int) -> AsyncGenerator[Stores]:
    """The stores of the worker of this number (from 1). Raises Fault CONFLICT where another process is that worker, or has the
    directory for itself; OSError where the vault cannot be opened."""
    url = settings.gateway.redis_url
    if url is None:
        raise ValueError("there is no shared ledger without a URL")
    directory, tenant_id = settings.gateway.data_dir, settings.tenant.tenant_id
    # What a dead process held counts as spent until it is known what became of it: no crash can lead above a limit.
    redis = RedisSettings(spend_expired_holds=True, command_timeout_s=_COMMAND_TIMEOUT_S)
    emptied = asyncio.Event()
    with locked(directory, shared=True):
        place = worker_place(directory, worker)
        with taken(place) as is_ours:
            if not is_ours:
                message = f"Another process is worker {worker} of the data directory {directory} already."
                raise Fault(FaultKind.CONFLICT, message)
            try:
                async with (
                    _vault(settings, clock) as (vault, kept),
                    open_redis(
                        url.reveal(),
                        tenant_of=lambda _: tenant_id,
                        settings=redis,
                        on_empty=lambda _: emptied.set(),
                        owner=f"{place.name}#{secrets.token_hex(4)}",
                    ) as engine,
                    _journaled(settings, vault, engine, place, clock, notices, worker, kept, emptied=emptied) as stores,
                ):
                    yield stores
            except VaultUnusable as error:
                raise OSError(str(error)) from None


@asynccontextmanager
async def _vault(settings: Settings, clock: Clock) -> AsyncGenerator[tuple[Vault, Kept | None]]:
    """The vault; where its server is away, unopened and with what the signed file has. Raises VaultUnusable."""
    gateway = settings.gateway
    vault = Vault(gateway.data_dir, database_url=gateway.vault_url)
    kept: Kept | None = None
    try:
        try:
            await asyncio.to_thread(vault.bring_up)
        except VaultAway as away:
            if not is_postgresql(gateway.vault_url):
                raise
            read = partial(_snapshot_file(settings, vault).read, age_max_s=settings.security.snapshot_max_age_s)
            try:
                kept = await asyncio.to_thread(read, now_ns=clock.wall_ns())
            except SnapshotUnusable as error:
                raise VaultUnusable(f"{away}; and no snapshot stands in for it: {error}") from None
        yield vault, kept
    finally:
        await vault.close()


def _snapshot_file(settings: Settings, vault: Vault) -> SnapshotFile:
    return SnapshotFile(
        settings.gateway.data_dir,
        masters=partial(known_masters, settings),
        tenant_id=settings.tenant.tenant_id,
        vault=vault.database.where,
    )


@asynccontextmanager
async def _journaled(
    settings: Settings,
    vault: Vault,
    engine: RedisEngine,
    place: Place,
    clock: Clock,
    notices: Notices,
    worker: int,
    kept: Kept | None,
    *,
    emptied: asyncio.Event,
) -> AsyncGenerator[Stores]:
    journal = JournalWriter(place.directory, durability=settings.gateway.durability)
    loader = Loader(vault, place.directory, journal=place.name)
    left = await settle_left(place.directory, journal, now_ns=clock.wall_ns())
    _log.info("journal recovered", journal=place.name, holds_settled=len(left))
    host = _Host(settings, vault, engine, place, clock, emptied)
    modes = FailureModes()
    try:
        grace = Grace(
            engine.ledger,
            engine.rates,
            journal,
            modes=modes,
            processes=settings.gateway.workers * settings.limits.fallback_replicas,
            tenant_id=settings.tenant.tenant_id,
            clock=clock,
            notices=notices,
            directory=place.directory,
            count=host.count_grace,
        )
    except ValueError as error:
        raise OSError(f"what was granted while the ledger was away cannot be known: {error}") from None
    host.grace = grace
    loader.may_retire = host.has_counted
    loading = asyncio.create_task(kept_going("loader", loader.run, clock))
    try:
        async with asyncio.timeout(_FIRST_TRY_S):
            await host.until_counted()
    except TimeoutError:
        _log.warning("the shared ledger does not answer: calls are refused until it does")
        emptied.set()
    jobs = [
        asyncio.create_task(kept_going("shared ledger", host.keep_counted, clock)),
        asyncio.create_task(kept_going("orphaned journals", host.look_for_orphans, clock)),
        asyncio.create_task(kept_going("grace", grace.keep_counted, clock)),
        asyncio.create_task(kept_going("ledger probe", grace.watch, clock)),
    ]
    directory = SnapshotDirectory(
        VaultDirectory(vault, clock),
        _snapshot_file(settings, vault),
        clock,
        notices,
        tenant_id=settings.tenant.tenant_id,
        failures=(SQLAlchemyError,),
        kept=kept,
    )
    if worker == 1 and is_postgresql(settings.gateway.vault_url):
        # One of the workers is enough: the file is everybody's.
        jobs.append(asyncio.create_task(kept_going("directory snapshot", directory.keep_file, clock)))
    try:
        yield Stores(
            grace.ledger,
            grace.rates,
            grace.journal,
            journal.status,
            loader,
            directory,
            VaultChangeLog(vault),
            VaultAnswers(vault),
            VaultRequests(vault, loader, others_load_s=_OTHERS_LOAD_S),
            VaultUsage(vault),
            VaultNotices(vault),
            VaultDeliveries(vault),
            VaultStandings(vault),
            host.health,
            modes,
            grace.standing,
            directory.standing,
        )
    finally:
        for task in (*jobs, loading):
            task.cancel()
        await asyncio.wait((*jobs, loading))
        try:
            await journal.close()
        finally:
            with suppress(Fault):
                # What the vault does not take by now is loaded at the next start.
                await loader.flush(timeout_s=_LAST_FLUSH_S)


class _Host:
    """What this process does for the shared ledger beside its calls: fills it when it is empty, counts what journals say, and
    takes care of the journals of this host that no process has."""

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        engine: RedisEngine,
        place: Place,
        clock: Clock,
        emptied: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._tenant_id = settings.tenant.tenant_id
        self._vault = vault
        self._engine = engine
        self._place = place
        self._clock = clock
        self._emptied = emptied
        self._seen: dict[str, tuple[str, int]] = {}
        self._standing: str | None = None
        self._one_at_a_time = asyncio.Lock()
        self.grace: Grace | None = None

    async def until_counted(self, *, settle_down_s: float = 0.0) -> None:
        """Returns when the store is filled and has what this process's journal says. An empty one is filled after `settle_down_s`, in
        which the loaders of all processes bring in what their journals have."""
        while True:
            self._emptied.clear()
            try:
                self._standing = await self._count(self._place, settle_down_s=settle_down_s)
            except Fault as fault:
                if fault.kind is not FaultKind.STORE_UNAVAILABLE:
                    raise
                await self._clock.sleep(_AGAIN_S)
            except SQLAlchemyError:
                # An empty store is filled from the vault, which is away.
                await self._clock.sleep(_AGAIN_S)
            else:
                return

    async def has_counted(self) -> bool:
        """Whether the store has what this process's journal says: only then may what the vault has of it be deleted."""
        try:
            # Whatever is on its way to the store goes before this, and is taken or owed when it is answered.
            await self._engine.leases.sweep(self._tenant_id)
            standing = await self._engine.restore.standing(self._tenant_id)
        except Fault:
            return False
        if standing is None or standing != self._standing or self._engine.batches.owed:
            return False
        return self.grace is None or not self.grace.has_uncounted

    async def keep_counted(self) -> None:
        """Sees to it whenever the store has been emptied, whoever found that."""
        rounds = 0
        while True:
            if not await self._is_to_be_counted():
                rounds += 1
                if self._standing is not None and (rounds <= _GIVE_BACK_FIRST or rounds % _GIVE_BACK_EACH == 0):
                    with suppress(Fault):
                        await self._engine.leases.give_back(self._tenant_id, self._place.name)
                continue
            _log.warning("the shared ledger was emptied or away: it is made to agree with vault and journal")
            await self.until_counted(settle_down_s=_SETTLE_DOWN_S)
            _log.info("the shared ledger has what this process's journal says")

    async def _is_to_be_counted(self) -> bool:
        """Waits a moment for the store to be found empty; whether it was, or has been filled anew by another process."""
        try:
            async with asyncio.timeout(_LOOK_AT_FILLING_S):
                await self._emptied.wait()
        except TimeoutError:
            with suppress(Fault):
                return await self._engine.restore.standing(self._tenant_id) != self._standing
            return False
        return True

    async def count_grace(self) -> JournalPosition:
        """As `stores.grace.engine.Count`, of this process's journal."""
        standing = await self._engine.restore.standing(self._tenant_id)
        if standing is None:
            raise Fault(FaultKind.STORE_UNAVAILABLE, "The shared ledger has lost its data and is being filled.")
        async with self._one_at_a_time:
            return await count_grace(
                self._engine.ledger,
                self._engine.restore,
                self._place.directory,
                name=self._place.name,
                tenant_id=self._tenant_id,
                filling=filling_of(standing),
                owed=lambda: self._engine.batches.owed,
            )

    async def look_for_orphans(self) -> None:
        """Settles and loads what processes of this host left that are gone and have not come back."""
        gateway = self._settings.gateway
        while True:
            await self._clock.sleep(_LOOK_FOR_ORPHANS_S)
            for place in places(gateway.data_dir, has_own_vault=gateway.database_url is None):
                newest = segments(place.directory)[-1:]
                if place == self._place or not newest:
                    continue
                mark = (newest[0].name, newest[0].path.stat().st_size)
                if self._seen.get(place.name) == mark:
                    continue
                with taken(place) as is_orphaned:
                    if is_orphaned:
                        self._seen[place.name] = await self._adopt(place)

    async def health(self) -> LedgerHealth:
        """Asks the store. Names no address: it may hold a password."""
        owed = self._engine.batches.owed
        try:
            standing = await self._engine.restore.standing(self._tenant_id)
        except Fault:
            return LedgerHealth(False, f"Redis does not answer; {owed} settlements wait for it{self._in_grace()}")
        if standing is None:
            return LedgerHealth(False, "Redis has lost its data and is being filled")
        return LedgerHealth(True, f"in Redis; {self._engine.leases.alive} calls held here, {owed} settlements wait")

    def _in_grace(self) -> str:
        affected = self.grace.standing().affected if self.grace is not None else ()
        return (
            f"; the failure modes of {len(affected)} organizations hold: {', '.join(affected[:20])}" if affected else ""
        )

    async def _count(self, place: Place, *, settle_down_s: float = 0.0) -> str:
        """What the store had been filled with when this journal was counted."""
        restore = self._engine.restore
        standing = await filled(
            restore, self._vault, self._clock, tenant_id=self._tenant_id, settle_down_s=settle_down_s
        )
        async with self._one_at_a_time:
            await reconcile(
                self._engine.ledger,
                restore,
                place.directory,
                name=place.name,
                tenant_id=self._tenant_id,
                filling=filling_of(standing),
                now_ns=self._clock.wall_ns(),
                known_s=self._engine.batches.settings.settled_kept_s,
                owed=lambda: self._engine.batches.owed,
            )
        # What is in no journal never went out to a provider: its process died over it.
        given_back = await self._engine.leases.give_back(self._tenant_id, place.name)
        if given_back:
            _log.info("the shared ledger has back what a dead process held", journal=place.name, calls=given_back)
        return standing

    async def _adopt(self, place: Place) -> tuple[str, int]:
        """Ends what is left in a journal; how far it went."""
        journal = JournalWriter(place.directory, durability=self._settings.gateway.durability)
        try:
            left = await settle_left(place.directory, journal, now_ns=self._clock.wall_ns())
        finally:
            await journal.close()
        await self._count(place)
        await Loader(self._vault, place.directory, journal=place.name).flush()
        if left:
            _log.warning("an orphaned journal was settled", journal=place.name, holds_settled=len(left))
        newest = segments(place.directory)[-1]
        return newest.name, newest.path.stat().st_size
