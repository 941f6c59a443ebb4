"""Decides whether journal, calls and sums agree: every sum is recomputed, no call counts twice, and none is lost.

It reads in this order, which is what lets gateways run meanwhile: how far the vault is; all of the journals; the vault's sums and
how far it is now; the calls that those sums count. What a journal had when the vault was first asked about must be in the
vault by then; what came after is settled, waits for the vault, or is held. Where something seems to be missing in a journal that may
have been written since, that journal is read again. Last, where there is one, the shared ledger: what it holds and counts must be
what journals and vault have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from onevault.core.faults import Fault
from onevault.core.identity import ScopeId
from onevault.core.records import Held
from onevault.stores.rollup import JournalPosition
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.fitting import NUL_SHOWN
from onevault.stores.verify.holds import SharedHolds, missing
from onevault.stores.verify.journal import JournalAccount, RetainedJournal, held_now, read_journal
from onevault.stores.verify.shared import SharedLedger, SharedSums
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

_Journaled = tuple[str, Call, JournalPosition]
"""In which journal a call is settled, what it counts, and where that record ends."""
READINGS_MAX: Final = 5
"""How often it is begun anew because the loader has retired a segment of the journal in the middle of it."""


async def verdict(vault: Vault, journals: Sequence[RetainedJournal], *, shared: SharedLedger | None = None) -> Verdict:
    """Reads everything once: about 20 µs a call, 12 µs a record of the journals, and a kilobyte of memory for each settlement in them.
    `journals` are this host's; of other hosts what the vault has loaded is examined. `shared` asks the shared ledger.

    Raises FileNotFoundError where a journal is retired faster than it can be read.
    """
    readings = 1
    while True:
        try:
            return await _Verification(vault, journals, shared).verdict()
        except FileNotFoundError:
            if readings == READINGS_MAX:
                raise
            readings += 1


class _Verification:
    def __init__(self, vault: Vault, journals: Sequence[RetainedJournal], shared: SharedLedger | None) -> None:
        self._vault = vault
        self._journals = journals
        self._shared = shared
        self._differences = Differences()
        self._beside = Beside()

    async def verdict(self) -> Verdict:
        differences = self._differences
        before = await self._vault.read(mark_of)
        accounts = [
            (journal.name, await asyncio.to_thread(read_journal, journal, before.of(journal.name), differences))
            for journal in self._journals
        ]
        calls = money = 0
        waiting, held = _together(accounts)
        settled_unread: list[str] = []
        async with self._vault.one_state() as vault:
            stored = await vault.read(stored_of)
            recomputed = Recomputed(stored.resets)
            async for some in calls_of(vault, stored.mark, differences):
                recomputed.add(call for _, call in some)
                calls += len(some)
                for call_id, call in some:
                    money += call.cost
                    journaled = waiting.pop(call_id, None)
                    if journaled is not None:
                        self._compare(call_id, call, journaled[1])
                    elif held.pop(call_id, None) is not None:
                        settled_unread.append(call_id)
            await check_details(vault, differences)
        await self._missing(settled_unread)
        self._waiting(waiting, accounts, stored)
        self._held(held, {call_id for _, account in accounts for call_id in account.abandoned})
        self._sums(stored, recomputed)
        running = {call_id: held[call_id] for _, account in accounts for call_id in account.running & held.keys()}
        shared = await self._against_shared([call for _, call, _ in waiting.values()], held, running)
        return Verdict(
            calls=calls,
            settled_nanos=money,
            sums=len(stored.scope_sums) + len(stored.model_sums),
            scopes=len({scope for _, _, scope in stored.scope_sums}),
            segments=sum(account.segments for _, account in accounts),
            records=sum(account.records for _, account in accounts),
            repeated=sum(account.repeated for _, account in accounts),
            waiting_calls=len(waiting),
            waiting_nanos=sum(call.cost for _, call, _ in waiting.values()),
            held_calls=len(held),
            held_nanos=sum(hold.amount for hold in held.values()),
            shared_scopes=None if shared is None else len(shared[0].scopes),
            shared_held_calls=None if shared is None else shared[1].calls,
            grace_calls=0 if shared is None else shared[0].grace_calls,
            differences_found=differences.found,
            differences=tuple(differences.told),
            not_settled=self._beside.dearest(DIFFERENCES_TOLD_MAX),
        )

    async def _against_shared(
        self, waiting: list[Call], held: dict[str, Held], running: dict[str, Held]
    ) -> tuple[SharedSums, SharedHolds] | None:
        """None where there is no shared ledger, or it does not answer."""
        if self._shared is None:
            return None
        sums = SharedSums(self._vault, self._shared, self._beside, waiting=waiting, held=held)
        holds = SharedHolds(self._shared, running)
        try:
            found = await sums.compare()
            found += await holds.compare(sums.scopes)
        except Fault:
            return None
        if holds.missing:
            still_held = await asyncio.to_thread(held_now, self._journals)
            found += [missing(hold) for hold in holds.missing if hold.call_id in still_held]
        for difference in found:
            self._differences.add(difference)
        return sums, holds

    def _compare(self, call_id: str, in_vault: Call, in_journal: Call) -> None:
        if in_vault in (in_journal, _as_postgresql_has_it(in_journal)):
            return
        names = [name for name in Call.__struct_fields__ if getattr(in_vault, name) != getattr(in_journal, name)]
        said = "; ".join(f"{name} {getattr(in_vault, name)} and {getattr(in_journal, name)}" for name in names)
        message = f"The call {call_id} is not the same in the vault and in the journal: {said}."
        self._differences.add(Difference(kind=Kind.ALTERED, message=message, call_id=call_id))

    async def _missing(self, settled: list[str]) -> None:
        """Calls that the vault has settled, and whose journal had only the hold when it was read."""
        still_held = await asyncio.to_thread(held_now, self._journals) if settled else set()
        for call_id in settled:
            if call_id in still_held:
                message = f"The call {call_id} is settled in the vault; the journal has its hold and no longer what settled it."
                self._differences.add(Difference(kind=Kind.RECORD_MISSING, message=message, call_id=call_id))

    def _waiting(
        self, waiting: dict[str, _Journaled], accounts: Sequence[tuple[str, JournalAccount]], stored: Stored
    ) -> None:
        """What a journal settles and the vault does not have: it waits if the vault has not come so far, else it is lost."""
        for call_id, (journal, call, position) in list(waiting.items()):
            if position > stored.mark.of(journal):
                self._beside.add_waiting(call)
                continue
            del waiting[call_id]
            message = f"The call {call_id}, settled at {call.cost} nanos in {position.segment}, was loaded and is not in the vault."
            self._differences.add(Difference(kind=Kind.LOST, message=message, call_id=call_id))
        for journal, account in accounts:
            for reset_id, (reset, position) in account.resets.items():
                if reset_id not in stored.reset_ids and position <= stored.mark.of(journal):
                    message = f"The reset {reset_id} of {reset.scope} was loaded and is not in the vault."
                    self._differences.add(Difference(kind=Kind.LOST, message=message, scope=reset.scope))

    def _held(self, held: dict[str, Held], abandoned: set[str]) -> None:
        for call_id, hold in held.items():
            self._beside.add_held(hold.scopes, hold.amount, hold.tokens)
            if call_id in abandoned:
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


def _as_postgresql_has_it(call: Call) -> Call:
    """Without what no text there can hold."""
    return msgspec.structs.replace(
        call,
        scopes=tuple(ScopeId(scope.replace("\0", NUL_SHOWN)) for scope in call.scopes),
        provider=call.provider.replace("\0", NUL_SHOWN),
        model=call.model.replace("\0", NUL_SHOWN),
    )


def _together(accounts: Sequence[tuple[str, JournalAccount]]) -> tuple[dict[str, _Journaled], dict[str, Held]]:
    """The settlements of all journals, and their holds."""
    settled: dict[str, _Journaled] = {}
    held: dict[str, Held] = {}
    for name, account in accounts:
        settled |= {call_id: (name, call, position) for call_id, (call, position) in account.settled.items()}
        held |= account.held
    return settled, held
