"""Holds the worst-case cost before the call and settles what it really cost after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Principal
from onevault.core.money import Nanos
from onevault.core.operations import FREE, Operation
from onevault.core.ports import Clock, Journal, Ledger
from onevault.core.records import Held
from onevault.core.sending import Plan
from onevault.pipeline.closing import Closing
from onevault.pipeline.hold import check_callers_budget, hold_of, limits_of, lowered
from onevault.pipeline.receipt import Receipt
from onevault.pipeline.tab import Tab

HOLDS_LOWERED_MAX: Final = 4
"""How often a smaller hold is tried: once for the caller's own budget, once for the ledger's, and again where other calls of the
same budget were quicker than the ledger's answer."""

ENLARGEMENTS_TRIED_MAX: Final = 2
"""Once for as much as is wished, and once for what was said to be left."""

_ABOUT_THE_REQUEST = (FaultKind.INVALID_REQUEST, FaultKind.UNSUPPORTED_PARAMETER)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Two-phase spending: reserved, then settled exactly once. A process that dies in between leaves the hold in the
    journal, from which the next one settles it at the worst case."""

    ledger: Ledger
    journal: Journal
    clock: Clock

    @asynccontextmanager
    async def __call__(
        self, principal: Principal, plan: Plan, receipt: Receipt, closing: Closing
    ) -> AsyncGenerator[Tab]:
        """The tab's plan is the one to go by: where the money left pays for less than the worst case and the plan lets it be
        lowered, its output limit is what that money pays for.

        Raises Fault BUDGET_EXCEEDED, RATE_LIMITED or QUOTA_EXCEEDED (tokens), STORE_UNAVAILABLE; then nothing is held.
        """
        receipt.plan = plan
        limits = limits_of(principal, plan, receipt.incoming)
        held, plan = await self._held(principal, plan, receipt, limits)
        if plan is not receipt.plan:
            receipt.plan, receipt.output_limit = plan, plan.output_tokens_max
        receipt.held, receipt.amount_held, receipt.tokens_held = True, held.amount, held.tokens
        receipt.scopes, receipt.grace = held.scopes, held.grace
        operation, size = receipt.incoming.operation, receipt.incoming.size
        ranked = size.searches_at_most if operation is Operation.RERANK else 0
        tab = Tab(size, plan, free=operation in FREE, searches=ranked)
        if plan.on_exhausted is not None and receipt.incoming.stream:
            tab.covered = held.amount
            if plan.on_exhausted == "top_up":
                tab.enlarge = partial(self._enlarge, tab, held, receipt, limits)
        try:
            await self.journal.append(held)
            yield tab
        except BaseException as ending:
            receipt.ending = ending
            if receipt.output_limit is not None and isinstance(ending, Fault) and ending.kind in _ABOUT_THE_REQUEST:
                ending.message += f" (The budget left limited the output to {receipt.output_limit} tokens.)"
            raise
        finally:
            receipt.cost, receipt.usage, receipt.usage_source = tab.owed(receipt.amount_held)
            closing.begin(self._settle(receipt, limits))

    async def _settle(self, receipt: Receipt, limits: Sequence[Limit]) -> None:
        """A stream's headers have told of its limits before; those of a whole answer are written after this."""
        settled = receipt.settle(self.clock.wall_ns())
        if receipt.incoming.stream:
            await self.ledger.settle(settled)
        else:
            receipt.standing = await self.ledger.settle(settled, limits)

    async def _held(
        self, principal: Principal, asked: Plan, receipt: Receipt, limits: Sequence[Limit]
    ) -> tuple[Held, Plan]:
        """What is held now, and the plan that it covers. Each hold is one decision of the ledger, so it is exact whoever else
        asks meanwhile; one that came too late is tried again with what the ledger said was left."""
        plan, lowerings = asked, 0
        while True:
            held = hold_of(principal, plan, receipt)
            try:
                check_callers_budget(plan, receipt.incoming, held.amount)
                reserved = await self.ledger.reserve(held, limits, tell=receipt.incoming.stream)
            except Fault as refusal:
                lower = lowered(asked, receipt, refusal) if lowerings < HOLDS_LOWERED_MAX else None
                if lower is None:
                    raise
                plan, lowerings = lower, lowerings + 1
            else:
                receipt.standing = reserved.standing
                return reserved.held, plan

    async def _enlarge(self, tab: Tab, first: Held, receipt: Receipt, limits: Sequence[Limit]) -> bool:
        """Holds twice what is owed or held, or else all that is left, if that is more than is owed: in the ledger, then in the
        journal, and only then does the answer go on. False where that is refused; then the hold is at least what it was."""
        needed = max(receipt.amount_held, tab.owed_at_least)
        amount: int | None = 2 * needed
        for _ in range(ENLARGEMENTS_TRIED_MAX):
            if amount is None or amount <= needed:
                break
            tokens = first.tokens * -(-amount // max(1, first.amount))
            larger = msgspec.structs.replace(first, amount=Nanos(amount), tokens=tokens)
            try:
                check_callers_budget(tab.plan, receipt.incoming, larger.amount)
                await self.ledger.reserve(larger, limits)
                receipt.amount_held, receipt.tokens_held = larger.amount, larger.tokens
                await self.journal.append(larger)
            except Fault as refusal:
                amount = refusal.money_left
            else:
                tab.cover(larger.amount)
                return True
        return False
