"""Looks once a second at the limits of what calls counted in, and tells when one passed a threshold or refused a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from onevault.core.faults import Fault
from onevault.core.identity import Limit, Principal, ScopeId
from onevault.core.ports import Clock, Figures, Ledger, Notices
from onevault.core.windows import NS_PER_S
from onevault.policy.scope_limits import ScopeLimits
from onevault.policy.thresholds import organization_of, passed, passed_notice, period, refused_notice, used, watched

INTERVAL_S: Final = 1.0
SCOPES_PER_LOOK_MAX: Final = 500
"""What is beyond is looked at in the next second."""
TOLD_MAX: Final = 100_000
TOUCHED_MAX: Final = 100_000
_QUARTER_NS: Final = 900 * NS_PER_S
"""No day or month begins within a quarter of an hour, in any time zone."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at: the limits of a scope by its name, and at which per cent it is told of those of an organization, or (None)
    of the tenant."""

    limits_of: Callable[[ScopeId], ScopeLimits | None]
    thresholds_of: Callable[[str | None], Sequence[int]]
    tenant_id: str


_Touched = tuple[Principal, int, Limit | None]


@dataclass(slots=True)
class Thresholds:
    """Implements `ports.Watcher`.

    A call adds one entry to a table here, and nothing is asked of the ledger for it; the figures that are asked for later are those
    of the windows in which it began. What was told is remembered, so that the vault is not asked again and again: it decides what was
    told already by another process, or before a start. While the ledger's store is away what was touched is kept for later.
    """

    ledger: Ledger
    notices: Notices
    clock: Clock
    thresholds_of: Callable[[str | None], Sequence[int]]
    _touched: dict[tuple[int, int, Limit | None], _Touched] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def ended(self, principal: Principal, *, at_ns: int, refused_by: Limit | None) -> None:
        """Principals are made once per change of configuration, so the object stands for itself as long as it is kept here."""
        if len(self._touched) < TOUCHED_MAX:
            quarter = at_ns // _QUARTER_NS
            self._touched[id(principal), quarter, refused_by] = (principal, quarter * _QUARTER_NS, refused_by)

    async def run(self) -> None:
        while True:
            await self.clock.sleep(INTERVAL_S)
            await self.look()

    async def look(self) -> None:
        """Tells of all that was passed since the last look."""
        seen: dict[tuple[ScopeId, int], Figures] = {}
        while self._touched and len(seen) < SCOPES_PER_LOOK_MAX:
            key, (principal, at_ns, refused_by) = next(iter(self._touched.items()))
            # Before the figures are read: a call that ends meanwhile is looked at again.
            del self._touched[key]
            try:
                limits = watched(principal)
                asked = [scope for scope in dict.fromkeys(each.scope for each in limits) if (scope, at_ns) not in seen]
                zone = principal.time_zone
                found = await asyncio.gather(
                    *(self.ledger.figures(scope, time_zone=zone, now_ns=at_ns) for scope in asked)
                )
                seen |= {(scope, at_ns): figures for scope, figures in zip(asked, found, strict=True)}
                for limit in limits:
                    self._tell_passed(limit, seen[limit.scope, at_ns], principal, at_ns)
            except Fault:
                self._touched[key] = (principal, at_ns, refused_by)
                return
            if refused_by is not None:
                self._tell_refused(refused_by, principal, at_ns)
        if len(self._told) > TOLD_MAX:
            self._told.clear()

    def _tell_passed(self, limit: Limit, figures: Figures, principal: Principal, at_ns: int) -> None:
        amount = used(limit, figures)
        if amount is None:
            return
        named = period(limit.window, at_ns=at_ns, time_zone=principal.time_zone)
        org_id = organization_of(limit.scope, principal.org_id)
        for threshold in passed(limit, amount, self.thresholds_of(org_id)):
            notice = passed_notice(
                limit,
                threshold,
                amount,
                tenant_id=principal.tenant_id,
                org_id=org_id,
                named=named,
                at_ns=self.clock.wall_ns(),
            )
            if notice.once not in self._told:
                self._told.add(notice.once)
                self.notices.tell(notice)

    def _tell_refused(self, limit: Limit, principal: Principal, at_ns: int) -> None:
        notice = refused_notice(
            limit,
            tenant_id=principal.tenant_id,
            org_id=organization_of(limit.scope, principal.org_id),
            named=period(limit.window, at_ns=at_ns, time_zone=principal.time_zone),
            at_ns=self.clock.wall_ns(),
        )
        if notice.once not in self._told:
            self._told.add(notice.once)
            self.notices.tell(notice)
