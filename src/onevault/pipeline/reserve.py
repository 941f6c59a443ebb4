"""Holds the worst-case cost before the call and settles what it really cost after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.money import ZERO, Nanos, format_usd, nanos_from_usd
from onevault.core.operations import FREE, Operation
from onevault.core.ports import Clock, Journal, Ledger, Plan, Target
from onevault.core.records import Caller, Held
from onevault.pipeline.receipt import Receipt
from onevault.pipeline.tab import Tab
from onevault.pipeline.uncancelled import uncancelled
from onevault.policy.pricing import missing_price, worst_case


@dataclass(frozen=True, slots=True)
class Reserve:
    """Two-phase spending: reserved, then settled exactly once. A process that dies in between leaves the hold in the
    journal, from which the next one settles it at the worst case."""

    ledger: Ledger
    journal: Journal
    clock: Clock

    @asynccontextmanager
    async def __call__(self, principal: Principal, plan: Plan, receipt: Receipt) -> AsyncGenerator[Tab]:
        """Raises Fault BUDGET_EXCEEDED, RATE_LIMITED or QUOTA_EXCEEDED (tokens), STORE_UNAVAILABLE; then nothing is held."""
        receipt.plan = plan
        held = self._hold(principal, plan, receipt)
        _within_callers_budget(plan, receipt, held.amount)
        await self.ledger.reserve(held, principal.limits)
        receipt.held, receipt.amount_held, receipt.tokens_held = True, held.amount, held.tokens
        operation, size = receipt.incoming.operation, receipt.incoming.size
        ranked = size.searches_at_most if operation is Operation.RERANK else 0
        tab = Tab(size, free=operation in FREE, searches=ranked)
        try:
            await self.journal.append(held)
            yield tab
        except BaseException as ending:
            receipt.ending = ending
            raise
        finally:
            receipt.cost, receipt.usage, receipt.usage_source = tab.owed(held.amount)
            await uncancelled(self.ledger.settle(receipt.settle(self.clock.wall_ns())))

    def _hold(self, principal: Principal, plan: Plan, receipt: Receipt) -> Held:
        request, incoming = receipt.request, receipt.incoming
        input_tokens = output_tokens = 0
        amount = ZERO
        for target in () if incoming.operation in FREE else plan.targets:
            given = _input_tokens_at_most(receipt, target)
            output = _output_tokens_max(plan, receipt, target)
            input_tokens = max(input_tokens, given)
            output_tokens = max(output_tokens, output * incoming.choices)
            if target.price is not None:
                dearest = worst_case(
                    target.price,
                    incoming.size,
                    input_tokens_at_most=given,
                    output_tokens_max=output,
                    choices=incoming.choices,
                    tier=incoming.service_tier,
                )
                amount = max(amount, dearest)
        first = plan.targets[0]
        return Held(
            call_id=request.call_id,
            at_ns=request.started_ns,
            caller=Caller(principal.tenant_id, principal.org_id, principal.user_id, principal.key_id),
            scopes=principal.scopes,
            time_zone=principal.time_zone,
            amount=amount,
            tokens=input_tokens + output_tokens,
            request_type=incoming.operation.value,
            model_asked=incoming.model or "",
            provider=first.provider,
            model=first.model,
            price_version=first.price.version if first.price else "",
        )


def _input_tokens_at_most(receipt: Receipt, target: Target) -> int:
    """The bound on the input, which no chat model takes in beyond its context. (Embeddings are many inputs in one call.)"""
    incoming = receipt.incoming
    most = incoming.size.tokens_at_most
    if target.context_is_known and incoming.operation is Operation.CHAT and not receipt.request.asks_for_context:
        return min(most, target.context_tokens_max)
    return most


def _output_tokens_max(plan: Plan, receipt: Receipt, target: Target) -> int:
    """Only a chat can be told how much to put out, so only of that a lower limit counts."""
    asked = receipt.incoming.output_tokens_asked
    if asked is None and receipt.incoming.operation is Operation.CHAT:
        asked = plan.output_tokens_max
    return asked if asked is not None else target.output_tokens_max


def _within_callers_budget(plan: Plan, receipt: Receipt, amount: Nanos) -> None:
    """The caller's own `budget` extension: a call that could cost more than it says is refused before anything is held."""
    budget = receipt.incoming.extensions.budget
    if budget.max_cost_per_day is not None:
        raise Fault(
            FaultKind.UNSUPPORTED_PARAMETER,
            "budget.max_cost_per_day is not available in this version; set a daily limit on the key or user instead.",
            param="budget.max_cost_per_day",
        )
    if budget.max_cost_per_request is None:
        return
    try:
        most = nanos_from_usd(budget.max_cost_per_request)
    except ValueError as error:
        raise Fault(FaultKind.INVALID_REQUEST, f"{error}.", param="budget.max_cost_per_request") from None
    for target in plan.targets:
        if missing := missing_price(target, receipt.incoming):
            raise Fault(
                FaultKind.UNPRICED_MODEL,
                f"This call cannot be priced, so its cost cannot be limited: {missing}.",
                param="model",
            )
    if amount > most:
        raise Fault(
            FaultKind.BUDGET_EXCEEDED,
            f"This call can cost up to ${format_usd(amount)}, more than its max_cost_per_request of ${format_usd(most)}. "
            "Lower its output limit (max_tokens) or raise the budget.",
            param="budget.max_cost_per_request",
        )
