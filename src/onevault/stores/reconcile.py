"""Keeps a shared ledger true to what the journals of this host say: after a start, after a death, and after the store lost its data.

The store is filled from the vault's sums at one moment, with how far each journal was loaded then. What a journal has beyond that
the vault did not know, so whoever has the journal settles it again: a call that was settled since then is not counted twice.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock
from onevault.core.records import Held, QuotaReset, Settled
from onevault.core.windows import NS_PER_S
from onevault.stores.journal.reader import read, records_after
from onevault.stores.journal.segment import segments
from onevault.stores.recovery import SETTLED_TOGETHER
from onevault.stores.rollup import JournalPosition
from onevault.stores.sql.batch import positions_of
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import rollups_of

if TYPE_CHECKING:
    from onevault.stores.redis.ledger import RedisLedger
    from onevault.stores.redis.restore import Restore

_ASK_AGAIN_S: Final = 0.1
_SPARE_S: Final = 60.0
"""Settlements are settled again only while the store certainly knows their ids still; so much are clocks allowed to disagree."""


class Filling(msgspec.Struct, frozen=True):
    """What a store was filled with: which filling it is, and how far each journal was in it."""

    id: str
    positions: dict[str, JournalPosition]


async def filled(restore: Restore, vault: Vault, clock: Clock, *, tenant_id: str, settle_down_s: float) -> str:
    """Fills the store where it is empty; what it was filled with (`filling_of`). However many processes ask, one fills.

    Waits `settle_down_s` before it reads the sums for a store that is empty. Raises Fault STORE_UNAVAILABLE, or what the vault raises.
    """
    has_waited = not settle_down_s
    while True:
        standing = await restore.standing(tenant_id)
        if standing is not None:
            return standing
        if not has_waited:
            await clock.sleep(settle_down_s)
            has_waited = True
            continue
        now_ns = clock.wall_ns()
        sums, positions = await vault.read(
            lambda connection, at_ns=now_ns: (rollups_of(connection, at_ns), positions_of(connection))  # type: ignore[misc]
        )
        made = msgspec.json.encode(Filling(secrets.token_hex(8), positions)).decode()
        try:
            await restore(tenant_id, sums, standing=made)
        except Fault as fault:
            if fault.kind is not FaultKind.CONFLICT:
                raise
            await clock.sleep(_ASK_AGAIN_S)


def filling_of(standing: str) -> Filling:
    """What is kept with a store that was filled."""
    return msgspec.json.decode(standing, type=Filling) if standing else Filling("", {})


async def reconcile(
    ledger: RedisLedger,
    restore: Restore,
    directory: Path,
    *,
    name: str,
    tenant_id: str,
    filling: Filling,
    now_ns: int,
    known_s: float,
    owed: Callable[[], int],
) -> int:
    """Counts in the store what a journal has that the store may not know; how many settlements that were.

    That is at most what was not in the sums that it was filled with. Where it has been filled since this journal was last reconciled, all
    of that; otherwise what is so young (less than `known_s`) that the store knows the ids of what it has counted: a settlement
    that was owed to it when the process died is among them. Of what is older, or by a clock that went back seems yet to come, those for
    which the store still holds something, or counts as spent what was held; and what was granted as grace, however old.
    Raises Fault STORE_UNAVAILABLE, also while the store has not taken all of it (`owed`); to begin anew does no harm.
    """
    is_new = await restore.reconciled(tenant_id, name) != filling.id
    since_ns = now_ns - int((known_s - _SPARE_S) * NS_PER_S)
    until_ns = now_ns + int(_SPARE_S * NS_PER_S)
    in_sums = filling.positions.get(name, JournalPosition())
    found = await asyncio.to_thread(lambda: list(_to_settle(directory, in_sums, resets=is_new)))

    async def settle(settled: Settled) -> None:
        await ledger.settle(settled, if_open=not (is_new or since_ns <= settled.at_ns <= until_ns))

    counted = 0
    for start in range(0, len(found), SETTLED_TOGETHER):
        together = found[start : start + SETTLED_TOGETHER]
        if any(isinstance(record, QuotaReset) for record in together):
            for record in together:  # a reset must stand between what came before it and what came after
                await (ledger.reset(record) if isinstance(record, QuotaReset) else settle(record))
        else:
            await asyncio.gather(*(settle(record) for record in together if isinstance(record, Settled)))
        counted += len(together)
    if found:
        _all_taken(owed)
    await restore.mark_reconciled(tenant_id, name, filling.id)
    await count_grace(ledger, restore, directory, name=name, tenant_id=tenant_id, filling=filling, owed=owed)
    return counted


async def count_grace(
    ledger: RedisLedger,
    restore: Restore,
    directory: Path,
    *,
    name: str,
    tenant_id: str,
    filling: Filling,
    owed: Callable[[], int],
) -> JournalPosition:
    """Counts what a journal has of grace since it was last counted; up to where it has read.

    However long an outage was: how far grace is counted is kept with the store. Raises Fault STORE_UNAVAILABLE; a settlement that was
    counted by a run that did not come to its end is known to the store by its id, and not counted again. `owed` is how many
    settlements the store has not taken.
    """
    found, up_to = await uncounted_grace(restore, directory, name=name, tenant_id=tenant_id, filling=filling)
    for start in range(0, len(found), SETTLED_TOGETHER):
        await asyncio.gather(*(ledger.settle(settled) for settled in found[start : start + SETTLED_TOGETHER]))
    if found:
        _all_taken(owed)
    await restore.mark_reconciled(tenant_id, _grace_of(name), _written(up_to))
    return up_to


def _all_taken(owed: Callable[[], int]) -> None:
    if owed():
        raise Fault(FaultKind.STORE_UNAVAILABLE, "The shared ledger has not taken every settlement yet.")


async def uncounted_grace(
    restore: Restore, directory: Path, *, name: str, tenant_id: str, filling: Filling
) -> tuple[list[Settled], JournalPosition]:
    """What a journal has of grace that is not known to be counted in the store, and up to where. Raises Fault STORE_UNAVAILABLE."""
    after = await _grace_counted(restore, name=name, tenant_id=tenant_id)
    return await asyncio.to_thread(_grace_after, directory, max(after, filling.positions.get(name, JournalPosition())))


def _grace_after(directory: Path, after: JournalPosition) -> tuple[list[Settled], JournalPosition]:
    found: list[Settled] = []
    up_to = after
    for record, position in records_after(directory, after, damages=[], holds=False):
        up_to = position
        if isinstance(record, Settled) and record.grace and record.held:
            found.append(record)
    return found, up_to


def _grace_of(name: str) -> str:
    return f"{name} grace"


def _written(position: JournalPosition) -> str:
    return f"{position.offset} {position.segment}"


async def _grace_counted(restore: Restore, *, name: str, tenant_id: str) -> JournalPosition:
    offset, _, segment = (await restore.reconciled(tenant_id, _grace_of(name))).partition(" ")
    return JournalPosition(segment, int(offset)) if segment else JournalPosition()


def _to_settle(directory: Path, in_sums: JournalPosition, *, resets: bool) -> Iterator[Settled | QuotaReset]:
    """What is not in the sums that the store was filled with."""
    for segment in segments(directory):
        if segment.name < in_sums.segment:
            continue
        for record, end in read(segment, damages=[], holds=False):
            if JournalPosition(segment.name, end) <= in_sums or isinstance(record, Held):
                continue
            # A reset is done once: to repeat it would forget what came after it.
            if record.held if isinstance(record, Settled) else resets:
                yield record
