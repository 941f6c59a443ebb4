"""The shared ledger, and what stands in for it while it does not answer: nothing for who fails closed, a bounded grace for who fails open.

As long as the store answers this is the shared ledger and nothing else. What was granted as grace is marked in hold and settlement, and
counted in the shared ledger from the journal once the store answers again (`stores/reconcile.py`), never beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, ScopeId
from onevault.core.ports import Figures, Journal, Ledger, Reserved, Standing
from onevault.core.records import Held, QuotaReset, Record, Settled
from onevault.stores.grace.allowance import Allowance
from onevault.stores.grace.reach import Reach

Affected = Callable[[str], None]
"""Told the organization of each call that an outage changed something for."""


class GraceLedger:
    """Implements `ports.Ledger` around a shared one. Unreachable store: STORE_UNAVAILABLE for who fails closed, a hold marked `grace`
    for who fails open, as far as the allowance goes."""

    def __init__(self, shared: Ledger, reach: Reach, allowance: Allowance, on_affected: Affected) -> None:
        self._shared = shared
        self._reach = reach
        self._allowance = allowance
        self._on_affected = on_affected
        self._held_shared: set[str] = set()

    async def reserve(self, held: Held, limits: Sequence[Limit], *, tell: bool = False) -> Reserved:
        """As `ports.Ledger.reserve`. What is held here grows here, and what is held in the shared ledger only there."""
        if held.grace:
            return Reserved(await self._allowance.grant(held, limits))
        if self._reach.is_worth_asking:
            try:
                answer = await self._shared.reserve(held, limits, tell=tell)
            except Fault as fault:
                if fault.kind is not FaultKind.STORE_UNAVAILABLE:
                    raise
                self._reach.lost()
                away = fault
            else:
                self._held_shared.add(held.call_id)
                return answer
        else:
            away = self._reach.away()
        org_id = held.caller.org_id
        self._on_affected(org_id)
        if held.call_id in self._held_shared or not self._allowance.fails_open(org_id):
            raise away
        return Reserved(await self._allowance.grant(held, limits))

    async def settle(self, settled: Settled, limits: Sequence[Limit] | None = None) -> Standing | None:
        """As `ports.Ledger.settle`. What was held in the shared ledger is owed to it while it does not answer."""
        if settled.grace:
            await self._allowance.settle(settled)
            return None
        self._held_shared.discard(settled.call_id)
        return await self._shared.settle(settled, limits)

    async def reset(self, reset: QuotaReset) -> None:
        """As `ports.Ledger.reset`. Raises Fault STORE_UNAVAILABLE. What was granted today stays granted."""
        if not self._reach.is_worth_asking:
            raise self._reach.away()
        await self._shared.reset(reset)

    async def figures(self, scope: ScopeId, *, time_zone: str, now_ns: int) -> Figures:
        """As `ports.Ledger.figures`: the shared ones, or none. Raises Fault STORE_UNAVAILABLE."""
        if not self._reach.is_worth_asking:
            raise self._reach.away()
        return await self._shared.figures(scope, time_zone=time_zone, now_ns=now_ns)


class GraceJournal:
    """Implements `ports.Journal` around one: tells when a grace settlement stands in it, and may be counted from there."""

    def __init__(self, journal: Journal, on_grace: Callable[[Settled], None]) -> None:
        self._journal = journal
        self._on_grace = on_grace

    async def append(self, record: Record) -> None:
        """As `ports.Journal.append`."""
        await self._journal.append(record)
        if type(record) is Settled and record.grace:
            self._on_grace(record)
