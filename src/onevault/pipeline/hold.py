"""What a call may cost at most, and the lower output limit at which it costs no more than is left."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onevault.core.codec import Incoming
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Principal
from onevault.core.money import ZERO, Nanos, format_usd, nanos_from_usd
from onevault.core.operations import FREE, Operation
from onevault.core.records import Caller, Held
from onevault.core.relay import RelayedIncoming
from onevault.core.sending import Plan, Target
from onevault.pipeline.receipt import Receipt
from onevault.policy.pricing import missing_price, output_tokens_affordable, worst_case
from onevault.policy.target_limits import counting, limits_of_day, limits_with, scopes_with

LIMITED_BY_BUDGET = ", output limited by the budget"


def hold_of(principal: Principal, plan: Plan, receipt: Receipt) -> Held:
    """The hold of a plan: its dearest target at the worst case."""
    request, incoming = receipt.request, receipt.incoming
    input_tokens = output_tokens = 0
    amount = ZERO
    for target in () if incoming.operation in FREE else plan.targets:
        given = _input_tokens_at_most(receipt, target)
        output = _output_tokens_max(plan, incoming, target)
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
                unsaid_tiers=target.unsaid_tiers,
            )
            amount = max(amount, dearest)
    first = plan.targets[0]
    return Held(
        call_id=request.call_id,
        at_ns=request.started_ns,
        caller=Caller(principal.tenant_id, principal.org_id, principal.user_id, principal.key_id),
        scopes=scopes_with(principal.scopes_at(first.provider, first.credential), counting(principal, first)),
        time_zone=principal.time_zone,
        amount=amount,
        tokens=input_tokens + output_tokens,
        request_type=incoming.operation.value,
        model_asked=incoming.model or "",
        provider=first.provider,
        model=first.model,
        price_version=first.price.version if first.price else "",
        provider_key=first.credential,
    )


def limits_of(principal: Principal, plan: Plan, incoming: Incoming) -> Sequence[Limit]:
    """Every limit that a call of this plan is held under: of its scopes, of its provider and model, and the one that its caller sets
    for the day of the key. Raises Fault INVALID_REQUEST for a limit that is none."""
    first = plan.targets[0]
    limits = limits_with(principal.limits_at(first.provider, plan.credential), counting(principal, first))
    most_a_day = incoming.extensions.budget.max_cost_per_day
    return limits if most_a_day is None else limits_of_day(limits, principal.scopes[0], most_a_day)


def check_callers_budget(plan: Plan, incoming: Incoming, amount: Nanos) -> None:
    """The caller's own `budget` extension: a call that could cost more than it says is not to be held.

    Raises Fault BUDGET_EXCEEDED (with `money_left`), UNPRICED_MODEL, INVALID_REQUEST, UNSUPPORTED_PARAMETER.
    """
    budget = incoming.extensions.budget
    if budget.max_cost_per_request is None and budget.max_cost_per_day is None:
        return
    most: Nanos | None = None
    if budget.max_cost_per_request is not None:
        try:
            most = nanos_from_usd(budget.max_cost_per_request)
        except ValueError as error:
            raise Fault(FaultKind.INVALID_REQUEST, f"{error}.", param="budget.max_cost_per_request") from None
    for target in plan.targets:
        if missing := missing_price(target, incoming):
            raise Fault(
                FaultKind.UNPRICED_MODEL,
                f"This call cannot be priced, so its cost cannot be limited: {missing}.",
                param="model",
            )
    if most is not None and amount > most:
        refusal = Fault(
            FaultKind.BUDGET_EXCEEDED,
            f"This call can cost up to ${format_usd(amount)}, more than its max_cost_per_request of ${format_usd(most)}. "
            "Lower its output limit (max_tokens) or raise the budget.",
            param="budget.max_cost_per_request",
        )
        refusal.money_left = most
        raise refusal


def lowered(plan: Plan, receipt: Receipt, refusal: Fault) -> Plan | None:
    """The plan with the largest output limit that the money left pays for at each of its targets; the plan itself where all of
    it is paid for by now. None where nothing can be lowered or not even one token is paid for: then the refusal stands."""
    left, incoming = refusal.money_left, receipt.incoming
    if left is None or not plan.clamp or not _can_be_limited(incoming):
        return None
    limit: int | None = None
    is_lower = False
    for target in plan.targets:
        if target.price is None:
            continue
        most = _output_tokens_max(plan, incoming, target)
        affordable = output_tokens_affordable(
            target.price,
            incoming.size,
            Nanos(left),
            input_tokens_at_most=_input_tokens_at_most(receipt, target),
            output_tokens_max=most,
            choices=incoming.choices,
            tier=incoming.service_tier,
            unsaid_tiers=target.unsaid_tiers,
        )
        if affordable < 1:
            return None
        is_lower = is_lower or affordable < most
        limit = affordable if limit is None else min(limit, affordable)
    if not is_lower:
        return plan
    return msgspec.structs.replace(plan, output_tokens_max=limit, reason=plan.reason + LIMITED_BY_BUDGET)


def _can_be_limited(incoming: Incoming) -> bool:
    """Only a chat can be told how much to put out, and none whose bytes are relayed."""
    return incoming.operation is Operation.CHAT and not isinstance(incoming, RelayedIncoming)


def _input_tokens_at_most(receipt: Receipt, target: Target) -> int:
    """The bound on the input, which no chat model takes in beyond its context. (Embeddings are many inputs in one call.)"""
    incoming = receipt.incoming
    most = incoming.size.tokens_at_most
    if target.context_is_known and incoming.operation is Operation.CHAT and not receipt.request.asks_for_context:
        return min(most, target.context_tokens_max)
    return most


def _output_tokens_max(plan: Plan, incoming: Incoming, target: Target) -> int:
    """Only of what can be limited does a lower limit count."""
    asked, limit = incoming.output_tokens_asked, plan.output_tokens_max
    if limit is not None and _can_be_limited(incoming):
        return limit if asked is None else min(limit, asked)
    return asked if asked is not None else target.output_tokens_max
