"""The rates in this process's memory: decides, before a call costs any work, whether there are too many of them.

Every method runs without waiting, so nothing can come between the checks and the counts. There is no store to be unreachable;
after a restart `stores/recovery.py` brings the days and months back, the running minute begins anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from onevault.core.identity import Metric, Principal, ScopeId, Window
from onevault.core.ports import Admission, QuotaStanding, RateStanding
from onevault.core.records import QuotaReset, Record, Settled
from onevault.core.windows import NS_PER_S, day_and_month
from onevault.policy.told import is_told
from onevault.stores.memory.attempts import Attempts
from onevault.stores.memory.minutes import MINUTE_NS
from onevault.stores.memory.refusals import over_concurrency, over_requests, window_ends_in_s
from onevault.stores.memory.swept import Swept
from onevault.stores.rollup import ScopeUsage

_Minute = tuple[deque[int], int, int]
"""The attempts of the last minute, the time that counts, the limit."""


class MemoryRates:
    """Implements `ports.Rates`.

    Attempts per day and month are counted for every scope, limited or not, so that a limit set at noon knows of the morning.
    A scope is forgotten when its month is over. The minute is exact: it keeps the time of each attempt, so a limit of requests
    per minute costs up to 40 bytes for each of them, and a scope without such a limit costs nothing.
    """

    def __init__(self) -> None:
        self._scopes: Swept[ScopeId, Attempts] = Swept(Attempts.is_idle)
        self._running: dict[str, tuple[Attempts, ...]] = {}

    @property
    def running(self) -> int:
        """How many calls are admitted and have not left."""
        return len(self._running)

    @property
    def scopes(self) -> int:
        """How many scopes are remembered."""
        return len(self._scopes)

    async def admit(self, principal: Principal, *, call_id: str, now_ns: int) -> Admission:
        """As `ports.Rates.admit`. A call that is running already is not counted again.

        `requests.reset_s` is when the oldest attempt leaves the tightest minute, that is when one more is let in.
        """
        if call_id in self._running:
            return Admission(call_id, principal, None)
        day, month = day_and_month(now_ns, principal.time_zone)
        scopes = self._attempts_of(principal.scopes, now_ns)
        minutes: dict[ScopeId, _Minute] = {}
        of_day: QuotaStanding | None = None
        of_month: QuotaStanding | None = None
        for limit in principal.limits:
            metric, window = limit.metric, limit.window
            if metric is Metric.REQUESTS:
                attempts = scopes[limit.scope]
                if window is Window.MINUTE:
                    starts, at_ns = attempts.minute(now_ns)
                    if len(starts) >= limit.maximum:
                        wait_s = (starts[-limit.maximum] + MINUTE_NS - at_ns) / NS_PER_S if limit.maximum > 0 else None
                        raise over_requests(limit, retry_after_s=wait_s)
                    minutes[limit.scope] = starts, at_ns, limit.maximum
                elif window is not Window.DAY and window is not Window.MONTH:
                    raise ValueError(f"requests cannot be limited per {window}")
                else:
                    is_day = window is Window.DAY
                    left = limit.maximum - attempts.counts.get(day if is_day else month, 0) - 1
                    if left < 0:
                        wait_s = window_ends_in_s(window, at_ns=now_ns, time_zone=principal.time_zone)
                        raise over_requests(limit, retry_after_s=wait_s)
                    known = of_day if is_day else of_month
                    if (known is None or left < known.remaining) and is_told(limit):
                        known = QuotaStanding(metric, window, limit.maximum, left)
                        of_day, of_month = (known, of_month) if is_day else (of_day, known)
            elif metric is Metric.CONCURRENCY and scopes[limit.scope].running >= limit.maximum:
                raise over_concurrency(limit)
        for starts, at_ns, _ in minutes.values():
            starts.append(at_ns)
        for attempts in scopes.values():
            attempts.running += 1
            counts = attempts.counts
            if day in counts and month in counts:
                counts[day] += 1
                counts[month] += 1
            else:
                attempts.count(day)
                attempts.count(month)
        self._running[call_id] = tuple(scopes.values())
        return Admission(
            call_id,
            principal,
            _tightest(minutes),
            tuple(quota for quota in (of_day, of_month) if quota is not None) if of_day or of_month else (),
        )

    async def leave(self, admission: Admission) -> None:
        """As `ports.Rates.leave`."""
        for attempts in self._running.pop(admission.call_id, ()):
            attempts.running -= 1

    async def reset(self, reset: QuotaReset) -> None:
        """Sets a scope's attempts of the running day and month back to none. What runs, and the last minute, stay."""
        self._reset(reset)

    def load(self, rows: Iterable[ScopeUsage], *, now_ns: int) -> None:
        """Sets the days and months to what the vault knows of them, at start, before anything is replayed.

        The vault knows calls that were held; attempts that were refused or malformed are forgotten by a restart.
        """
        for row in sorted(rows, key=lambda row: row.label):
            if row.window is Window.DAY or row.window is Window.MONTH:
                attempts = self._attempts(row.scope, now_ns)
                attempts.counts.pop(row.label, None)
                attempts.count(row.label, row.requests)

    def replay(self, record: Record, *, now_ns: int) -> None:
        """Counts a call that the journal has settled, and resets as it has them."""
        match record:
            case Settled(held=True):
                labels = day_and_month(record.started_ns, record.time_zone)
                for scope in record.scopes:
                    attempts = self._attempts(scope, now_ns)
                    for label in labels:
                        attempts.count(label)
            case QuotaReset():
                self._reset(record)
            case _:
                pass

    def _attempts_of(self, scopes: tuple[ScopeId, ...], now_ns: int) -> dict[ScopeId, Attempts]:
        """The counts of all scopes of a call. Where one is new, none of the others may be forgotten to make room for it."""
        get = self._scopes.get
        known = {scope: attempts for scope in scopes if (attempts := get(scope)) is not None}
        if len(known) == len(scopes):
            return known
        return {scope: self._attempts(scope, now_ns) for scope in scopes}

    def _attempts(self, scope: ScopeId, now_ns: int) -> Attempts:
        attempts = self._scopes.get(scope)
        if attempts is None:
            attempts = self._scopes.add(scope, Attempts(), now_ns)
        attempts.asked_ns = now_ns
        return attempts

    def _reset(self, reset: QuotaReset) -> None:
        attempts = self._scopes.get(reset.scope)
        if attempts is not None:
            for label in day_and_month(reset.at_ns, reset.time_zone):
                if label in attempts.counts:
                    attempts.counts[label] = 0


def _tightest(minutes: dict[ScopeId, _Minute]) -> RateStanding | None:
    least: RateStanding | None = None
    for starts, at_ns, maximum in minutes.values():
        remaining = maximum - len(starts)
        if least is None or remaining < least.remaining:
            least = RateStanding(maximum, remaining, (starts[0] + MINUTE_NS - at_ns) / NS_PER_S)
    return least
