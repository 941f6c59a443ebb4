"""Looks once, after a start, at what all scopes have used: what was passed and not told, because a process died, is told now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from onevault.core.delivery import Standing, Standings
from onevault.core.identity import Limit, Metric, Window
from onevault.core.notices import Notice
from onevault.core.ports import Clock, Notices
from onevault.core.windows import NS_PER_S
from onevault.jobs.thresholds import Watched
from onevault.policy.thresholds import is_watched, organization_of, passed, passed_notice, period

BEGIN_AFTER_S: Final = 2.0
"""Time for the loader to begin with what a process that died left in its journal."""
PATIENCE_S: Final = 60.0
SCOPES_PER_LOOK_MAX: Final = 100
"""About a millisecond's: calls are served in between."""


@dataclass(frozen=True, slots=True)
class ThresholdSweep:
    """`lag_s` is how far the vault is behind the calls: it is waited for, for a minute. Only windows that are running are looked at:
    of those that ended nobody knows which limits held. What another process tells meanwhile is told once, as ever."""

    standings: Standings
    notices: Notices
    clock: Clock
    watched: Watched
    lag_s: Callable[[], float]

    async def run(self) -> None:
        """Ends when it is done. Raises what the store raises; begun again it does the whole again, which tells nothing twice."""
        await self.clock.sleep(BEGIN_AFTER_S)
        until_s = self.clock.monotonic_s() + PATIENCE_S
        while self.lag_s() > 0 and self.clock.monotonic_s() < until_s:
            await self.clock.sleep(0.2)
        await self.sweep()

    async def sweep(self) -> int:
        """How many notices were told."""
        told = 0
        for window, label in _windows(self.clock.wall_ns()):
            after = ""
            while some := await self.standings.page(window, label, after=after, limit=SCOPES_PER_LOOK_MAX):
                after = some[-1].scope
                found = {notice.once: notice for each in some for notice in self._passed(each, window, label)}
                known = await self.standings.told(self.watched.tenant_id, found) if found else set()
                for once, notice in found.items():
                    if once not in known:
                        told += 1
                        self.notices.tell(notice)
                await self.clock.sleep(0)
        return told

    def _passed(self, standing: Standing, window: Window, label: str) -> list[Notice]:
        there = self.watched.limits_of(standing.scope)
        if there is None:
            return []
        now_ns, organization = self.clock.wall_ns(), there.organization
        if (
            organization is not None
            and label
            and label != period(window, at_ns=now_ns, time_zone=organization.time_zone)
        ):
            return []
        org_id = None if organization is None else organization_of(standing.scope, organization.org_id)
        return [
            passed_notice(
                limit,
                threshold,
                _used(limit, standing),
                tenant_id=self.watched.tenant_id,
                org_id=org_id,
                named=label or period(window, at_ns=now_ns, time_zone="UTC"),
                at_ns=now_ns,
            )
            for limit in there.limits
            if limit.window is window and is_watched(limit)
            for threshold in passed(limit, _used(limit, standing), self.watched.thresholds_of(org_id))
        ]


def _used(limit: Limit, standing: Standing) -> int:
    if limit.metric is Metric.MONEY:
        return standing.spent
    return standing.tokens if limit.metric is Metric.TOKENS else standing.requests


def _windows(now_ns: int) -> list[tuple[Window, str]]:
    """All that run at this moment in some time zone, by the labels that the vault has for them."""
    now = datetime.fromtimestamp(now_ns // NS_PER_S, tz=UTC)
    moments = [now + timedelta(days=days) for days in (-1, 0, 1)]
    days = sorted({f"{moment:%Y-%m-%d}" for moment in moments})
    months = sorted({f"{moment:%Y-%m}" for moment in moments})
    return [
        *((Window.DAY, day) for day in days),
        *((Window.MONTH, month) for month in months),
        (Window.TOTAL, ""),
    ]
