"""Moves the journal into the vault: in batches, exactly once, in order, for as long as it takes.

When the vault cannot be written (locked, disk full) the loader keeps trying and the journal keeps growing; nothing is lost and
no call waits for it. When the journal is damaged before whole records it stops there and says so: what follows could be
loaded, but whether the missing record changes it is for a person to judge. A record cut off at the end of a finished segment is
where its process died; it was never acknowledged and is passed by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from time import monotonic, sleep

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, SQLAlchemyError

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Window
from onevault.core.records import Record
from onevault.core.windows import NS_PER_S, day_and_month
from onevault.stores.journal.places import MAIN
from onevault.stores.journal.reader import JournalDamaged, records_after
from onevault.stores.journal.retirement import retire
from onevault.stores.journal.segment import segments
from onevault.stores.rollup import JournalPosition, ScopeUsage
from onevault.stores.sql.batch import AlreadyLoaded, Batch, PositionMoved, calls_loaded, position_of, store
from onevault.stores.sql.engine import Begin, Vault
from onevault.stores.sql.hubs import KnownHubs
from onevault.stores.sql.rows import FORMS, PAUSE_S, call_rows
from onevault.stores.sql.schema import derived

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
RECORDS_WITHOUT_PAUSE_MAX = 64
RETIRE_INTERVAL_S = 10.0
_EARLIEST_ZONE_NS = 12 * 3600 * NS_PER_S
_LATEST_ZONE_NS = 14 * 3600 * NS_PER_S


class Step(msgspec.Struct, frozen=True):
    """What one pass over the journal came to: where it ended, and whether there was more than a batch."""

    position: JournalPosition
    records: int
    more: bool


class Loader:
    """Loads the journal of one directory into the vault.

    `last_error` is what went wrong in the last pass, "" after a good one. `lag_s` is for how long the vault has been behind
    the journal; 0 when a pass has just reached its end.
    """

    def __init__(
        self,
        vault: Vault,
        journal_directory: Path,
        *,
        journal: str = MAIN,
        batch_records_max: int = 2_000,
        interval_ms: int = 250,
    ) -> None:
        """`journal` is the name that the vault knows it by."""
        self._vault = vault
        self._journal = journal
        self._directory = journal_directory
        self._batch_records_max = batch_records_max
        self._interval_s = interval_ms / 1000
        self._known = KnownHubs()
        self._position: JournalPosition | None = None
        self._one_at_a_time = asyncio.Lock()
        self._complete_at_s = monotonic()
        self._retired_at_s = -RETIRE_INTERVAL_S
        self.may_retire: Callable[[], Awaitable[bool]] = _always
        """Asked before segments are deleted, once it is known how far the vault has them: the answer is about what it has."""
        self.last_error = ""
        self.records_loaded = 0

    @property
    def lag_s(self) -> float:
        return max(0.0, monotonic() - self._complete_at_s - self._interval_s)

    async def run(self) -> None:
        """Loads until cancelled. Never raises for a vault or journal that fails: it waits longer and tries again."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                more = (await self._step()).more
                if not more:
                    await self._retire()
            except _TROUBLE as error:
                self.last_error = _described(error)
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
            else:
                backoff_s = BACKOFF_FIRST_S
                if not more:
                    await asyncio.sleep(self._interval_s)

    async def flush(self, *, timeout_s: float = 10.0) -> None:
        """Everything that was journaled before this call is in the vault when it returns.

        Raises Fault STORE_UNAVAILABLE when that could not be done within `timeout_s`.
        """
        end = await asyncio.to_thread(self._end)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        step = await self._step()
                    except _TROUBLE:
                        await asyncio.sleep(BACKOFF_FIRST_S)
                        continue
                    if not step.more or step.position >= end:
                        return
        except TimeoutError:
            message = "The vault cannot take up the journal at the moment; nothing is lost."
            raise Fault(FaultKind.STORE_UNAVAILABLE, message, retry_after_s=BACKOFF_MAX_S) from None

    async def position(self) -> JournalPosition:
        """How far the journal is in the vault: the ledger goes on from there at start."""
        return await self._vault.read(lambda connection: position_of(connection, self._journal))

    async def rollups(self, now_ns: int) -> list[ScopeUsage]:
        """What every scope has used in total and in each day and month that is running somewhere on earth."""
        return await self._vault.read(lambda connection: rollups_of(connection, now_ns))

    async def standing(self, now_ns: int) -> tuple[list[ScopeUsage], JournalPosition]:
        """The rollups and the position of one and the same moment of the vault: what the ledger starts from."""
        return await self._vault.read(
            lambda connection: (rollups_of(connection, now_ns), position_of(connection, self._journal))
        )

    async def _step(self) -> Step:
        async with self._one_at_a_time:
            try:
                step = await self._vault.load(self._load)
            except _TROUBLE as error:
                self.last_error = _described(error)
                raise
        self.last_error = ""
        self.records_loaded += step.records
        if not step.more:
            self._complete_at_s = monotonic()
        return step

    async def _retire(self) -> None:
        """Deletes segments that are loaded, once what the vault has of them is on the disk and not only in its log."""
        if monotonic() - self._retired_at_s < RETIRE_INTERVAL_S:
            return
        self._retired_at_s = monotonic()
        position = await self.position()
        if not await self.may_retire():
            return
        if len(await asyncio.to_thread(segments, self._directory)) > 1 and await self._vault.checkpoint():
            await asyncio.to_thread(retire, self._directory, position)

    def _load(self, begin: Begin) -> Step:
        """One pass on the writing thread. What it remembers between passes is checked or harmless, so it may fail anywhere."""
        begins = (
            begin(lambda connection: position_of(connection, self._journal))
            if self._position is None
            else self._position
        )
        self._position = None
        records: list[Record] = []
        ends = begins
        damaged: JournalDamaged | None = None
        try:
            for record, end in islice(records_after(self._directory, begins, holds=False), self._batch_records_max):
                records.append(record)
                ends = end
                if len(records) % RECORDS_WITHOUT_PAUSE_MAX == 0:
                    sleep(PAUSE_S)  # lets the event loop go on: requests come first
        except JournalDamaged as error:
            damaged = error  # what stands before the damage is loaded first
        if records:
            self._store(begin, Batch(records, begins=begins, ends=ends, journal=self._journal))
        self._position = ends
        if damaged is not None:
            raise damaged
        return Step(position=ends, records=len(records), more=len(records) == self._batch_records_max)

    def _store(self, begin: Begin, batch: Batch) -> None:
        try:
            self._store_rows(begin, batch)
        except DataError:
            self._store_rows(begin, batch.fitting())

    def _store_rows(self, begin: Begin, batch: Batch) -> None:
        settled = list(batch.settled.values())
        missing = self._known.missing(settled)
        if missing:
            begin(missing.insert_tenants)
        form = FORMS[self._vault.database.loader.dialect.name]
        rows = call_rows(settled, form)
        try:
            begin(lambda connection: store(connection, batch, rows, missing, settled))
        except AlreadyLoaded:
            unknown = batch.without(begin(lambda connection: calls_loaded(connection, batch.settled)))
            rows = call_rows(unknown, form)
            begin(lambda connection: store(connection, batch, rows, missing, unknown))
        self._known.learn(missing)

    def _end(self) -> JournalPosition:
        newest = segments(self._directory)[-1:]
        return JournalPosition(newest[0].name, newest[0].path.stat().st_size) if newest else JournalPosition()


async def _always() -> bool:
    return True


_TROUBLE = (SQLAlchemyError, OSError, JournalDamaged, PositionMoved)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"


def rollups_of(connection: Connection, now_ns: int) -> list[ScopeUsage]:
    """What every scope has used in total and in each day and month that is running somewhere on earth."""
    table = derived.scope_usage.c
    moments = (now_ns - _EARLIEST_ZONE_NS, now_ns, now_ns + _LATEST_ZONE_NS)
    labels = {label for moment in moments for label in day_and_month(moment, "UTC")} | {""}
    query = select(
        table.scope,
        table.time_window,
        table.label,
        table.money_nanos,
        table.tokens,
        table.requests,
        table.overshoot_nanos,
    ).where(table.time_window.in_([Window.DAY.value, Window.MONTH.value, Window.TOTAL.value]), table.label.in_(labels))
    return [ScopeUsage(row[0], Window(row[1]), *row[2:]) for row in connection.execute(query)]
