"""Decides whether journal, calls and sums agree: every sum is recomputed, no call counts twice, and none is lost.

It reads in this order, which is what lets a gateway run meanwhile: how far the vault is; all of the journal; the vault's sums and
how far it is now; the calls that those sums count. What the journal had when the vault was first asked about must be in the
vault by then; what came after is settled, waits for the vault, or is held.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from onevault.core.records import Held
from onevault.stores.rollup import JournalPosition
from onevault.stores.sql.engine import Vault
from onevault.stores.verify.journal import JournalAccount, read_journal
from onevault.stores.verify.sums import Beside, Recomputed, differing, model_difference, scope_difference
from onevault.stores.verify.vault import Stored, calls_of, check_details, mark_of, stored_of
from onevault.stores.verify.words import (
    DIFFERENCES_TOLD_MAX,
    Call,
    Difference,
    Differences,
    Kind,
    ModelSum,
    Sum,
    Verdict,
)

READINGS_MAX: Final = 5
"""How often it is begun anew because the loader has retired a segment of the journal in the middle of it."""


async def verdict(vault: Vault, journal_directory: Path, *, running: int | None) -> Verdict:
    """Reads everything once: about 20 µs a call, 12 µs a record of the journal, and a kilobyte of memory for each settlement in it.
    `running` is the process that has the data directory, None where there is none.

    Raises FileNotFoundError where the journal is retired faster than it can be read.
    """
    readings = 1
    while True:
        try:
            return await _Verification(vault, journal_directory, running).verdict()
        except FileNotFoundError:
            if readings == READINGS_MAX:
                raise
            readings += 1


class _Verification:
    def __init__(self, vault: Vault, journal_directory: Path, running: int | None) -> None:
        self._vault = vault
        self._directory = journal_directory
        self._running = running
        self._differences = Differences()
        self._beside = Beside()

    async def verdict(self) -> Verdict:
        differences = self._differences
        before = await self._vault.read(mark_of)
        journal = await asyncio.to_thread(
            read_journal, self._directory, before.position, differences, running=self._running
        )
        stored = await self._vault.read(stored_of)
        recomputed = Recomputed(stored.resets)
        calls = money = 0
        waiting, held = dict(journal.settled), dict(journal.held)
        async for some in calls_of(self._vault, stored.mark.last_call, differences):
            recomputed.add(call for _, _, call in some)
            calls += len(some)
            for number, call_id, call in some:
                money += call.cost
                journaled = waiting.pop(call_id, None)
                if journaled is not None:
                    self._compare(call_id, call, journaled[0])
                elif held.pop(call_id, None) is not None and number <= before.last_call:
                    self._missing(call_id)
        await check_details(self._vault, differences)
        self._waiting(waiting, journal, stored)
        self._held(held, journal)
        self._sums(stored, recomputed)
        return Verdict(
            calls=calls,
            settled_nanos=money,
            sums=len(stored.scope_sums) + len(stored.model_sums),
            scopes=len({scope for _, _, scope in stored.scope_sums}),
            segments=journal.segments,
            records=journal.records,
            repeated=journal.repeated,
            waiting_calls=len(waiting),
            waiting_nanos=sum(call.cost for call, _ in waiting.values()),
            held_calls=len(held),
            held_nanos=sum(hold.amount for hold in held.values()),
            differences_found=differences.found,
            differences=tuple(differences.told),
            not_settled=self._beside.dearest(DIFFERENCES_TOLD_MAX),
        )

    def _compare(self, call_id: str, in_vault: Call, in_journal: Call) -> None:
        if in_vault == in_journal:
            return
        names = [name for name in Call.__struct_fields__ if getattr(in_vault, name) != getattr(in_journal, name)]
        said = "; ".join(f"{name} {getattr(in_vault, name)} and {getattr(in_journal, name)}" for name in names)
        message = f"The call {call_id} is not the same in the vault and in the journal: {said}."
        self._differences.add(Difference(kind=Kind.ALTERED, message=message, call_id=call_id))

    def _missing(self, call_id: str) -> None:
        message = f"The call {call_id} is settled in the vault; the journal has its hold and no longer what settled it."
        self._differences.add(Difference(kind=Kind.RECORD_MISSING, message=message, call_id=call_id))

    def _waiting(
        self, waiting: dict[str, tuple[Call, JournalPosition]], journal: JournalAccount, stored: Stored
    ) -> None:
        """What the journal settles and the vault does not have: it waits if the vault has not come so far, else it is lost."""
        for call_id, (call, position) in list(waiting.items()):
            if position > stored.mark.position:
                self._beside.add_waiting(call)
                continue
            del waiting[call_id]
            message = f"The call {call_id}, settled at {call.cost} nanos in {position.segment}, was loaded and is not in the vault."
            self._differences.add(Difference(kind=Kind.LOST, message=message, call_id=call_id))
        for reset_id, (reset, position) in journal.resets.items():
            if reset_id not in stored.reset_ids and position <= stored.mark.position:
                message = f"The reset {reset_id} of {reset.scope} was loaded and is not in the vault."
                self._differences.add(Difference(kind=Kind.LOST, message=message, scope=reset.scope))

    def _held(self, held: dict[str, Held], journal: JournalAccount) -> None:
        for call_id, hold in held.items():
            self._beside.add_held(hold.scopes, hold.amount, hold.tokens)
            if call_id in journal.abandoned:
                message = (
                    f"The call {call_id}, held at {hold.amount} nanos by a process that is gone, was never settled, "
                    "though a gateway has started since."
                )
                self._differences.add(Difference(kind=Kind.LOST, message=message, call_id=call_id))

    def _sums(self, stored: Stored, recomputed: Recomputed) -> None:
        scope_sums, model_sums = recomputed.scope_sums, recomputed.model_sums
        for key in differing(stored.scope_sums, scope_sums):
            found = stored.scope_sums.get(key, Sum()), scope_sums.get(key, Sum())
            self._differences.add(scope_difference(key, *found, self._beside.of(key[2])))
        for of_model in differing(stored.model_sums, model_sums):
            both = stored.model_sums.get(of_model, ModelSum()), model_sums.get(of_model, ModelSum())
            self._differences.add(model_difference(of_model, *both, self._beside.of(of_model[0])))
