"""Puts the grace around a shared ledger: who is told of an outage, and when what was granted is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from onevault.core.faults import Fault
from onevault.core.identity import Principal
from onevault.core.money import Nanos, format_usd
from onevault.core.notices import Notice, NoticeKind
from onevault.core.ports import Clock, Journal, Ledger, Notices, Rates
from onevault.core.records import Settled
from onevault.core.windows import NS_PER_S
from onevault.policy.limits import organization_scope, tenant_scope
from onevault.stores.grace.allowance import Allowance
from onevault.stores.grace.granted import keep, recall
from onevault.stores.grace.ledger import GraceJournal, GraceLedger
from onevault.stores.grace.rates import GraceRates
from onevault.stores.grace.reach import Reach
from onevault.stores.rollup import JournalPosition

COUNT_AGAIN_S = 0.5
SAME_OUTAGE_S = 30
"""Processes that notice an outage within so long tell of it as one."""
_log = structlog.get_logger("onevault.ledger")

Count = Callable[[], Awaitable[JournalPosition]]
"""Counts in the shared ledger what the journal has of grace that is not counted there; up to where it has read."""


class GraceStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand, for health and metrics. `mode` is `shared` or `grace`; `waiting` whether grace settlements are to be counted."""

    mode: str
    since_ns: int | None
    outages: int
    waiting: bool
    affected: tuple[str, ...]


@dataclass(slots=True)
class FailureModes:
    """What each organization may spend while the ledger is away; `of` is set once organizations are known, until then all fail closed."""

    of: Callable[[str], int | None] = lambda _: None

    def __call__(self, org_id: str) -> int | None:
        return self.of(org_id)


class Grace:
    """The ledger, rates and journal to be used in place of the shared ones. `watch` and `keep_counted` are to be run."""

    def __init__(
        self,
        ledger: Ledger,
        rates: Rates,
        journal: Journal,
        *,
        modes: FailureModes,
        processes: int,
        tenant_id: str,
        clock: Clock,
        notices: Notices,
        directory: Path,
        count: Count,
    ) -> None:
        """`directory` is the journal's. Raises OSError or ValueError where what was granted before cannot be read."""
        self._tenant_id = tenant_id
        self._clock = clock
        self._notices = notices
        self._directory = directory
        self._count = count
        self._modes = modes
        self._shared_rates = rates
        self._affected: dict[str, None] = {}
        self._uncounted = asyncio.Event()
        self._is_counting = False
        self._began_ns = 0
        self._reach = Reach(self._probe, clock, on_change=self._changed)
        self.allowance = Allowance(modes, processes=processes)
        if recall(self.allowance, directory):
            self._uncounted.set()
        self.ledger = GraceLedger(ledger, self._reach, self.allowance, self._on_affected)
        self.rates = GraceRates(rates, self._reach, self.allowance, self._on_affected)
        self.journal = GraceJournal(journal, self._on_grace)

    @property
    def has_uncounted(self) -> bool:
        """Whether the journal has grace that the shared ledger may not have: then none of it may be deleted."""
        return self._uncounted.is_set() or self._is_counting or self._reach.since_ns is not None

    def standing(self) -> GraceStanding:
        since_ns = self._reach.since_ns
        return GraceStanding(
            mode="shared" if since_ns is None else "grace",
            since_ns=since_ns,
            outages=self._reach.outages,
            waiting=self._uncounted.is_set(),
            affected=tuple(self._affected) if since_ns is not None else (),
        )

    async def watch(self) -> None:
        """Probes the store while it is away."""
        await self._reach.watch()

    async def keep_counted(self) -> None:
        """Counts what was granted, as soon as it stands in the journal and the store answers. A count that fails is begun again, which
        counts nothing twice."""
        while True:
            await self._uncounted.wait()
            if self._reach.since_ns is None:
                self._uncounted.clear()
                self._is_counting = True
                try:
                    granted = await self.allowance.rows()
                    position = await self._count()
                    await asyncio.to_thread(keep, self._directory, position, granted)
                except Fault as fault:
                    self._uncounted.set()
                    _log.warning("grace not counted yet", message=fault.message)
                except BaseException:
                    self._uncounted.set()
                    raise
                else:
                    _log.info("grace counted in the shared ledger", up_to=f"{position.segment}:{position.offset}")
                finally:
                    self._is_counting = False
            await self._clock.sleep(COUNT_AGAIN_S)

    def _on_grace(self, settled: Settled) -> None:
        self._uncounted.set()

    async def _probe(self) -> None:
        """Does what a call does, with nobody's limits: takes a place and gives it back."""
        now_ns = self._clock.wall_ns()
        nobody = Principal(
            tenant_id=self._tenant_id,
            org_id="",
            user_id="",
            key_id="",
            test=True,
            time_zone="UTC",
            scopes=(),
            limits=(),
        )
        admission = await self._shared_rates.admit(nobody, call_id=f"probe-{now_ns}", now_ns=now_ns)
        await self._shared_rates.leave(admission)

    def _changed(self, answers: bool) -> None:
        now_ns = self._clock.wall_ns()
        if not answers:
            self._began_ns = now_ns
            self._affected.clear()
            _log.warning("the shared ledger does not answer: each organization's failure mode holds", mode="grace")
            self._tell(NoticeKind.LEDGER_DEGRADED, None, {"ledger": "redis"})
            return
        lasted_s = (now_ns - self._began_ns) // NS_PER_S
        _log.warning("the shared ledger answers again", mode="shared", outage_s=lasted_s)
        for org_id in self._affected:
            self._tell(NoticeKind.LEDGER_RESTORED, org_id, {"ledger": "redis", "outage_s": lasted_s})
        self._tell(NoticeKind.LEDGER_RESTORED, None, {"ledger": "redis", "outage_s": lasted_s})

    def _on_affected(self, org_id: str) -> None:
        if org_id in self._affected:
            return
        self._affected[org_id] = None
        limit = self._modes(org_id)
        facts: dict[str, str | int] = {"ledger": "redis", "failure_mode": "fail_closed"}
        if limit is not None:
            facts |= {"failure_mode": "fail_open", "fallback_daily_limit_usd": format_usd(Nanos(limit))}
        _log.warning("an organization's failure mode holds", org=org_id, **facts)
        self._tell(NoticeKind.LEDGER_DEGRADED, org_id, facts)

    def _tell(self, kind: NoticeKind, org_id: str | None, facts: dict[str, str | int]) -> None:
        about = org_id or self._tenant_id
        self._notices.tell(
            Notice(
                kind=kind,
                tenant_id=self._tenant_id,
                at_ns=self._clock.wall_ns(),
                org_id=org_id,
                scope=tenant_scope(self._tenant_id) if org_id is None else organization_scope(org_id),
                once=f"{kind}:{about}:{self._began_ns // (SAME_OUTAGE_S * NS_PER_S)}",
                facts=facts,
            )
        )
