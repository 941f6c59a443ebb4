"""Keeps a shared ledger true to what the journals of this host say: after a start, after a death, and after the store lost its data.

The store is filled from the vault's sums at one moment, with how far each journal was loaded then. What a journal has beyond that
the vault did not know, so whoever has the journal settles it again: a call that was settled since then is not counted twice.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeGuard

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock, Ledger
from onevault.core.records import QuotaReset, Record, Settled
from onevault.stores.journal.reader import Damage, read
from onevault.stores.journal.segment import segments
from onevault.stores.recovery import SETTLED_TOGETHER
from onevault.stores.redis.restore import Restore
from onevault.stores.rollup import JournalPosition
from onevault.stores.sql.batch import positions_of
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import rollups_of

_ASK_AGAIN_S: Final = 0.1
_SPARE_S: Final = 60.0
"""Settlements are settled again only while the store certainly knows their ids still."""


class Filling(msgspec.Struct, frozen=True):
    """What a store was filled with: which filling it is, and how far each journal was in it."""

    id: str
    positions: dict[str, JournalPosition]


async def filled(
    restore: Restore, vault: Vault, clock: Clock, *, tenant_id: str, journal: str, settle_down_s: float
) -> Filling:
    """Fills the store where it is empty; what it was filled with. However many processes ask, one fills.

    Where the vault knows of other journals than this process's, waits `settle_down_s` before it reads the sums for a store that is
    empty, so that their loaders bring in what they have. Raises Fault STORE_UNAVAILABLE, or what the vault raises.
    """
    has_waited = False
    while True:
        standing = await restore.standing(tenant_id)
        if standing is not None:
            return msgspec.json.decode(standing, type=Filling) if standing else Filling("", {})
        if not has_waited and (await vault.read(positions_of)).keys() - {journal}:
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


async def reconcile(
    ledger: Ledger,
    restore: Restore,
    directory: Path,
    *,
    name: str,
    tenant_id: str,
    filling: Filling,
    now_ns: int,
    known_s: float,
) -> int:
    """Counts in the store what a journal has that the store may not know; how many settlements that were.

    Where the store was filled since this journal was last reconciled: all of it that was not in the sums. Otherwise what is so young
    (less than `known_s`) that the store knows the ids of what it has counted: a settlement that was owed to it when the process
    died is among them. Raises Fault STORE_UNAVAILABLE; to begin anew does no harm.
    """
    is_new = await restore.reconciled(tenant_id, name) != filling.id
    known_since_ns = now_ns - int((known_s - _SPARE_S) * 1_000_000_000)
    in_sums = filling.positions.get(name, JournalPosition()) if is_new else None
    found = await asyncio.to_thread(lambda: list(_to_settle(directory, in_sums, known_since_ns)))
    counted = 0
    for start in range(0, len(found), SETTLED_TOGETHER):
        together = found[start : start + SETTLED_TOGETHER]
        if any(isinstance(record, QuotaReset) for record in together):
            for record in together:  # a reset must stand between what came before it and what came after
                await (ledger.reset(record) if isinstance(record, QuotaReset) else ledger.settle(record))
        else:
            await asyncio.gather(*(ledger.settle(record) for record in together if isinstance(record, Settled)))
        counted += len(together)
    await restore.mark_reconciled(tenant_id, name, filling.id)
    return counted


def _counts(record: Record) -> TypeGuard[Settled]:
    """Whether it is the settlement of a call that was held; one that was refused before counts nowhere."""
    return isinstance(record, Settled) and record.held


def _to_settle(directory: Path, in_sums: JournalPosition | None, known_since_ns: int) -> Iterator[Settled | QuotaReset]:
    """What is not in the sums, or (None: the sums are older than this journal's last reconciliation) what is young."""
    damages: list[Damage] = []
    for segment in segments(directory):
        if in_sums is not None and segment.name < in_sums.segment:
            continue
        for record, end in read(segment, damages=damages, holds=False):
            if in_sums is None:
                if _counts(record) and record.at_ns >= known_since_ns:
                    yield record
            elif JournalPosition(segment.name, end) > in_sums and (isinstance(record, QuotaReset) or _counts(record)):
                yield record
