"""The shared rates, and for who fails open what this process knows by itself while they do not answer."""

from __future__ import annotations

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.ports import Admission, Rates
from onevault.core.records import QuotaReset
from onevault.stores.grace.allowance import Allowance
from onevault.stores.grace.ledger import Affected
from onevault.stores.grace.reach import Reach


class GraceRates:
    """Implements `ports.Rates` around shared ones. Calls let in as grace are counted here against the caller's limits, each process for
    itself; they do not count as attempts in the shared rates afterwards."""

    def __init__(self, shared: Rates, reach: Reach, allowance: Allowance, on_affected: Affected) -> None:
        self._shared = shared
        self._reach = reach
        self._allowance = allowance
        self._on_affected = on_affected

    async def admit(self, principal: Principal, *, call_id: str, now_ns: int) -> Admission:
        """As `ports.Rates.admit`. STORE_UNAVAILABLE for who fails closed."""
        if self._reach.is_worth_asking:
            try:
                return await self._shared.admit(principal, call_id=call_id, now_ns=now_ns)
            except Fault as fault:
                if fault.kind is not FaultKind.STORE_UNAVAILABLE:
                    raise
                self._reach.lost()
                away = fault
        else:
            away = self._reach.away()
        self._on_affected(principal.org_id)
        if not self._allowance.fails_open(principal.org_id):
            raise away
        admission = await self._allowance.rates.admit(principal, call_id=call_id, now_ns=now_ns)
        return msgspec.structs.replace(admission, grace=True)

    async def leave(self, admission: Admission) -> None:
        """As `ports.Rates.leave`."""
        await (self._allowance.rates if admission.grace else self._shared).leave(admission)

    async def reset(self, reset: QuotaReset) -> None:
        """As `ports.Rates.reset`. Raises Fault STORE_UNAVAILABLE."""
        if not self._reach.is_worth_asking:
            raise self._reach.away()
        await self._shared.reset(reset)
