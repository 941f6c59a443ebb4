"""The rates in Redis: the store decides, before a call costs any work, whether there are too many of them in all processes.

When the store does not answer, nobody is let in (STORE_UNAVAILABLE); leavings are owed, and sent until the store has taken them.
"""

from __future__ import annotations

from onevault.core.faults import Fault
from onevault.core.identity import Metric, Principal, Window
from onevault.core.ports import Admission
from onevault.core.records import QuotaReset
from onevault.core.windows import NS_PER_S, day_and_month
from onevault.stores.by_identity import ByIdentity
from onevault.stores.memory.refusals import over_concurrency, over_requests, window_ends_in_s
from onevault.stores.redis.batches import Batches
from onevault.stores.redis.leases import RUNNING, Leases
from onevault.stores.redis.ledger import TenantOf
from onevault.stores.redis.limits import RatesLimits, quotas_told, rate_told, rates_limits
from onevault.stores.redis.operations import REFUSED, Answer, Operation


class RedisRates:
    """Implements `ports.Rates`."""

    def __init__(self, batches: Batches, leases: Leases, tenant_of: TenantOf) -> None:
        self._batches = batches
        self._leases = leases
        self._tenant_of = tenant_of
        self._known: ByIdentity[RatesLimits] = ByIdentity()

    async def admit(self, principal: Principal, *, call_id: str, now_ns: int) -> Admission:
        """As `ports.Rates.admit`. A call that is running already is not counted again. Where it is not known whether it was let in, the
        attempt may count, and its place is free again when its lease has run out."""
        scopes, limits = principal.scopes, principal.limits
        plan = self._known.get(scopes, limits) or self._known.put(scopes, limits, rates_limits(scopes, limits))
        lane = self._batches.lane(principal.tenant_id)
        day, month = day_and_month(now_ns, principal.time_zone)
        scope_keys = lane.keys.of_scopes(scopes)
        given = (call_id, *divmod(now_ns, NS_PER_S), len(scopes), plan.joined, day, month, plan.given)

        def leave() -> Operation:
            return Operation("leave", call_key, scope_keys, (call_id, len(scopes), plan.joined), is_owed=True)

        call_key = lane.keys.call(call_id)
        answer = await self._batches.ask(lane, Operation("admit", call_key, scope_keys, given, undo=leave))
        if answer[0] == REFUSED:
            raise _refusal(answer, plan, principal, now_ns)
        self._leases.begin(lane, call_id, RUNNING)
        return Admission(call_id, principal, rate_told(answer[1]), quotas_told(plan.of, answer[2]))

    async def leave(self, admission: Admission) -> None:
        """As `ports.Rates.leave`. Returns when the store has taken it, or is known not to answer: then it is owed."""
        principal, call_id = admission.principal, admission.call_id
        lane = self._batches.lane(principal.tenant_id)
        scope_keys = lane.keys.of_scopes(principal.scopes)
        given = (call_id, len(principal.scopes), "\n".join(principal.scopes))

        def over() -> None:
            self._leases.end(call_id, RUNNING)

        operation = Operation("leave", lane.keys.call(call_id), scope_keys, given, is_owed=True, after=over)
        await self._batches.ask(lane, operation)

    async def reset(self, reset: QuotaReset) -> None:
        """As `ports.Rates.reset`. Raises Fault STORE_UNAVAILABLE; to repeat it is harmless."""
        lane = self._batches.lane(self._tenant_of(reset.scope))
        labels = day_and_month(reset.at_ns, reset.time_zone)
        operation = Operation("forget_attempts", "", lane.keys.of_scopes((reset.scope,)), labels)
        await self._batches.ask(lane, operation)


def _refusal(answer: Answer, plan: RatesLimits, principal: Principal, now_ns: int) -> Fault:
    limit, wait_ns = plan.of[answer[1] - 1], answer[2]
    if limit.metric is Metric.CONCURRENCY:
        return over_concurrency(limit)
    if limit.window is Window.MINUTE:
        return over_requests(limit, retry_after_s=wait_ns / NS_PER_S if wait_ns >= 0 else None)
    wait_s = window_ends_in_s(limit.window, at_ns=now_ns, time_zone=principal.time_zone)
    return over_requests(limit, retry_after_s=wait_s)
