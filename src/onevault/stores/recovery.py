"""Brings the figures back at start, and settles what a dead process left held.

What the vault has loaded is taken from its rollups, what came after from the journal. A hold without a settlement belongs to a
call whose process died: nobody knows what its provider delivered, so it is settled at all that was held, and marked for
reconciliation. Doing it twice changes nothing: the settlements go to the journal, where the next start finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from onevault.core.faults import FaultKind
from onevault.core.money import Nanos
from onevault.core.ports import Journal
from onevault.core.records import Held, Outcome, QuotaReset, Settled
from onevault.core.usage import Usage, UsageSource
from onevault.stores.journal.reader import Damage, read
from onevault.stores.journal.segment import Segment, segments
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.rollup import JournalPosition, ScopeUsage

SETTLED_TOGETHER: Final = 500
"""Settlements that are appended without waiting for each other, so that `always` syncs them in one group."""
ENDED_WITHOUT_ANSWER: Final = "The gateway stopped before this call ended; it is settled at what was held for it."


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What recovery found and did, for the log. `damages` are stretches that could not be read: they need a person."""

    segments: int
    records: int
    replayed: int
    duplicates: int
    holds_settled: int
    amount_settled: Nanos
    damages: tuple[Damage, ...]


async def recover(
    *,
    ledger: MemoryLedger,
    rates: MemoryRates,
    rollups: Sequence[ScopeUsage],
    position: JournalPosition,
    journal_directory: Path,
    journal: Journal,
    now_ns: int,
) -> Recovery:
    """Fills an empty ledger and empty rates; to be done before the first call is served, with `journal` open for this process.

    `rollups` and `position` must be of the same moment of the vault. Reads all retained segments at once (10 µs a record).
    Raises Fault STORE_UNAVAILABLE when the journal does not take the settlements.
    """
    ledger.load(rollups)
    rates.load(rollups, now_ns=now_ns)
    walk = _Walk(ledger, rates, now_ns)
    retained = segments(journal_directory)
    for segment in retained:
        walk.through(segment, position)
    left = [at_worst_case(held, now_ns) for held in walk.holds.values()]
    for start in range(0, len(left), SETTLED_TOGETHER):
        together = left[start : start + SETTLED_TOGETHER]
        await asyncio.gather(*(journal.append(settled) for settled in together))
        for settled in together:
            walk.take_in(settled)
    return Recovery(
        segments=len(retained),
        records=walk.records,
        replayed=walk.replayed,
        duplicates=walk.duplicates,
        holds_settled=len(left),
        amount_settled=Nanos(sum(settled.cost for settled in left)),
        damages=tuple(walk.damages),
    )


async def settle_left(directory: Path, journal: Journal, *, now_ns: int) -> list[Settled]:
    """Settles in a journal whose process is gone what that left held, at the worst case. Whoever counts is told by other means.

    `journal` writes to the directory. Raises Fault STORE_UNAVAILABLE where it does not take the settlements.
    """
    left = await asyncio.to_thread(_left_held, directory)
    ended = [at_worst_case(held, now_ns) for held in left]
    for start in range(0, len(ended), SETTLED_TOGETHER):
        await asyncio.gather(*(journal.append(settled) for settled in ended[start : start + SETTLED_TOGETHER]))
    return ended


class _Walk:
    """Goes through the journal once. `holds` are those that nothing has settled so far, by call.

    Remembers the id of every settlement that is retained, because a disk that failed can have taken one that was then
    written again: about 100 bytes each, let go when recovery is done.
    """

    def __init__(self, ledger: MemoryLedger, rates: MemoryRates, now_ns: int) -> None:
        self.holds: dict[str, Held] = {}
        self.damages: list[Damage] = []
        self.records = self.replayed = self.duplicates = 0
        self._ledger = ledger
        self._rates = rates
        self._now_ns = now_ns
        self._ended: set[str] = set()

    def through(self, segment: Segment, position: JournalPosition) -> None:
        """Takes in a segment: what is loaded already only for its holds and ids."""
        loaded_to = position.offset if segment.name == position.segment else 0
        is_loaded = segment.name < position.segment
        for record, end in read(segment, damages=self.damages):
            self.records += 1
            if isinstance(record, Held):
                if record.call_id not in self._ended:
                    self.holds[record.call_id] = record
                continue
            ended = record.reset_id if isinstance(record, QuotaReset) else record.call_id
            if ended in self._ended:
                self.duplicates += 1
            elif is_loaded or end <= loaded_to:
                self._ended.add(ended)
                self.holds.pop(ended, None)
            else:
                self.replayed += 1
                self.take_in(record)

    def take_in(self, record: Settled | QuotaReset) -> None:
        """Counts a record that the rollups do not know."""
        self._ended.add(record.reset_id if isinstance(record, QuotaReset) else record.call_id)
        if isinstance(record, Settled):
            held = self.holds.pop(record.call_id, None)
            if held is not None:
                self._ledger.replay(held)
        self._ledger.replay(record)
        self._rates.replay(record, now_ns=self._now_ns)


def at_worst_case(held: Held, now_ns: int) -> Settled:
    """The settlement of a hold whose process died. A hold carries one number of tokens; they are put down as output, which is most of
    a worst case."""
    return Settled(
        call_id=held.call_id,
        at_ns=now_ns,
        started_ns=held.at_ns,
        caller=held.caller,
        scopes=held.scopes,
        time_zone=held.time_zone,
        held=True,
        amount_held=held.amount,
        cost=held.amount,
        tokens_held=held.tokens,
        usage=Usage(output_tokens=held.tokens),
        usage_source=UsageSource.WORST_CASE,
        outcome=Outcome.ERROR,
        fault=FaultKind.INTERNAL.value,
        fault_message=ENDED_WITHOUT_ANSWER,
        request_type=held.request_type,
        model_asked=held.model_asked,
        provider=held.provider,
        provider_key=held.provider_key,
        model=held.model,
        price_version=held.price_version,
        grace=held.grace,
    )


def _left_held(directory: Path) -> list[Held]:
    holds: dict[str, Held] = {}
    ended: set[str] = set()
    damages: list[Damage] = []
    for segment in segments(directory):
        for record, _ in read(segment, damages=damages):
            if isinstance(record, Held):
                if record.call_id not in ended:
                    holds[record.call_id] = record
            elif isinstance(record, Settled):
                ended.add(record.call_id)
                holds.pop(record.call_id, None)
    return list(holds.values())
