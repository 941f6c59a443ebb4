"""The ledger in Redis: the store decides whether a call's money and tokens can be held, for all processes at once.

When the store does not answer, reservations are refused (STORE_UNAVAILABLE) and settlements are owed: kept in this process and sent
until the store has taken them. Nothing is ever counted in this process instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from onevault.core.faults import Fault
from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.money import NANOS_PER_USD, Nanos
from onevault.core.ports import Figures, Reserved, Standing
from onevault.core.records import Held, QuotaReset, Settled
from onevault.core.windows import NS_PER_S, day_and_month
from onevault.stores.by_identity import ByIdentity
from onevault.stores.memory.refusals import over_held, over_tokens_per_minute
from onevault.stores.redis.batches import OWED, Batches
from onevault.stores.redis.leases import HELD, Leases, hold_named, windows_of_hold
from onevault.stores.redis.limits import LedgerLimits, ledger_limits, quotas_told, rate_told
from onevault.stores.redis.operations import GIVEN_UP, MOVED, REFUSED, Answer, Operation

TenantOf = Callable[[ScopeId], str]
"""Which tenant a scope belongs to."""
_NO_CALL: Final = ""


class RedisLedger:
    """Implements `ports.Ledger`. `tenant_of` is asked where a port names a scope and not its tenant."""

    def __init__(self, batches: Batches, leases: Leases, tenant_of: TenantOf) -> None:
        self._batches = batches
        self.leases = leases
        self._tenant_of = tenant_of
        self._known: ByIdentity[LedgerLimits] = ByIdentity()

    async def reserve(self, held: Held, limits: Sequence[Limit], *, tell: bool = False) -> Reserved:
        """As `ports.Ledger.reserve`. Raises Fault STORE_UNAVAILABLE where it is not known to be held; should it be all the
        same, it is given back: at once if the store answers, else as soon as it does, at the latest with its lease. To reserve the
        same call again is then refused too; to settle it is not. Of a hold that was to be enlarged nothing is given back: it is as
        large as before or as asked, and its settlement ends it."""
        plan = self._limits(held.scopes, limits)
        lane = self._batches.lane(held.caller.tenant_id)
        keys = lane.keys
        day, month = day_and_month(held.at_ns, held.time_zone)
        call_id, amount = held.call_id, held.amount
        hold = hold_named(day, month, plan.joined)
        call_key = keys.call(call_id)
        counted_keys = scope_keys = keys.of_scopes(plan.scopes)

        def release() -> Operation:
            nothing = (call_id, False, True, 0, 0, 0, 0, 0, plan.counted, day, month, hold, (), False, 0, 0)
            return Operation("settle", call_key, counted_keys, nothing, is_owed=True)

        given = (
            call_id,
            *divmod(held.at_ns, NS_PER_S),
            *divmod(amount, NANOS_PER_USD),
            held.tokens,
            plan.counted,
            day,
            month,
            hold,
            plan.given,
            plan.told if tell else (),
        )
        # A hold that is not known to have been enlarged stands all the same, and its settlement takes it out as large as it is.
        undo = None if self.leases.has(call_id, HELD) else release
        answer = await self._batches.ask(lane, Operation("reserve", call_key, scope_keys, given, undo=undo))
        if answer[0] == REFUSED:
            raise _refusal(answer, plan, held)
        if answer[0] == GIVEN_UP:
            raise self._batches.away()
        if answer[1]:
            self.leases.begin(lane, call_id, HELD)
        return Reserved(held, _standing(answer[2], answer[3], plan))

    async def settle(
        self, settled: Settled, limits: Sequence[Limit] | None = None, *, if_open: bool = False
    ) -> Standing | None:
        """As `ports.Ledger.settle`; `if_open`: only where the store has something held or put down for it. Returns when the store
        has taken the settlement, or is known not to answer: then it is owed, and its hold stays. Raises Fault STORE_UNAVAILABLE only
        when too many are owed already."""
        lane = self._batches.lane(settled.caller.tenant_id)
        keys, call_id = lane.keys, settled.call_id
        day, month = day_and_month(settled.started_ns, settled.time_zone)
        plan = ledger_limits(settled.scopes, ()) if limits is None else self._limits(settled.scopes, limits)
        scopes, counted, told = plan.scopes, plan.counted, () if limits is None else plan.told
        hold = hold_named(day, month, plan.joined)
        usage = settled.usage
        figures = (
            call_id,
            settled.held,
            False,
            *divmod(settled.cost, NANOS_PER_USD),
            *divmod(settled.amount_held, NANOS_PER_USD),
            usage.input_tokens + usage.output_tokens,
        )

        def over() -> None:
            self.leases.end(call_id, HELD)

        while True:
            given = (*figures, counted, day, month, hold, told, if_open, *divmod(settled.at_ns, NS_PER_S))
            scope_keys = keys.of_scopes(scopes)
            operation = Operation("settle", keys.call(call_id), scope_keys, given, is_owed=True, after=over)
            answer = await self._batches.ask(lane, operation)
            if answer[0] != MOVED:
                return _standing(answer[1], answer[2], plan) if answer is not OWED else None
            # It was held in other windows than its settlement says: those of the hold count, and nobody's standing in them is known.
            hold, told = answer[1], ()
            day, month, scopes = windows_of_hold(hold)
            counted = len(scopes)

    async def reset(self, reset: QuotaReset) -> None:
        """As `ports.Ledger.reset`. Raises Fault STORE_UNAVAILABLE; to repeat it is harmless."""
        await self._ask_of_scope("forget_spent", reset.scope, day_and_month(reset.at_ns, reset.time_zone))

    async def figures(self, scope: ScopeId, *, time_zone: str, now_ns: int) -> Figures:
        """As `ports.Ledger.figures`. Raises Fault STORE_UNAVAILABLE."""
        return await self.figures_of(scope, *day_and_month(now_ns, time_zone))

    async def figures_of(self, scope: ScopeId, day: str, month: str) -> Figures:
        """What the scope has used in these windows, as far as they are kept. Raises Fault STORE_UNAVAILABLE."""
        answer = await self._ask_of_scope("figures", scope, (day, month, ""))
        today, this_month, total = answer[1]
        return Figures(
            scope=scope,
            day=day,
            month=month,
            spent_day=_nanos(today[0], today[1]),
            spent_month=_nanos(this_month[0], this_month[1]),
            spent_total=_nanos(total[0], total[1]),
            held=_nanos(total[2], total[3]),
            requests_day=today[6],
            requests_month=this_month[6],
            tokens_day=today[4],
            tokens_month=this_month[4],
            overshoot=_nanos(total[7], total[8]),
        )

    async def _ask_of_scope(self, name: str, scope: ScopeId, labels: tuple[str, ...]) -> Answer:
        lane = self._batches.lane(self._tenant_of(scope))
        return await self._batches.ask(lane, Operation(name, "", lane.keys.of_scopes((scope,)), labels))

    def _limits(self, scopes: tuple[ScopeId, ...], limits: Sequence[Limit]) -> LedgerLimits:
        if not isinstance(limits, tuple):
            return ledger_limits(scopes, limits)
        return self._known.get(scopes, limits) or self._known.put(scopes, limits, ledger_limits(scopes, limits))


def _refusal(answer: Answer, plan: LedgerLimits, held: Held) -> Fault:
    limit, wait_ns = plan.of[answer[1] - 1], answer[2]
    if limit.window is Window.MINUTE:
        wait_s = wait_ns / NS_PER_S if wait_ns >= 0 else None
        return over_tokens_per_minute(limit, retry_after_s=wait_s, standing=rate_told(answer[3]))
    is_money = limit.metric is Metric.MONEY
    fits_alone = (held.amount if is_money else held.tokens) <= limit.maximum
    refusal = over_held(
        limit,
        fits_alone=fits_alone,
        left=_nanos(answer[5], answer[6]) if is_money else answer[3],
        spent=_nanos(answer[7], answer[8]) if is_money else 0,
        at_ns=held.at_ns,
        time_zone=held.time_zone,
    )
    if is_money:
        refusal.money_left = max(0, _nanos(answer[3], answer[4]))
    return refusal


def _standing(answer: list[int] | bool, of_minute: list[int] | bool, plan: LedgerLimits) -> Standing | None:
    if isinstance(answer, bool):
        return None
    number, spent_usd, spent, left_usd, left, *quotas = answer
    found, tokens = quotas_told(plan.of, quotas), rate_told(of_minute)
    if not number:
        return Standing(_nanos(spent_usd, spent), quotas=found, tokens=tokens)
    maximum = Nanos(plan.of[number - 1].maximum)
    return Standing(_nanos(spent_usd, spent), maximum, Nanos(max(0, _nanos(left_usd, left))), found, tokens)


def _nanos(dollars: int, nanos: int) -> Nanos:
    return Nanos(dollars * NANOS_PER_USD + nanos)
