"""The ledger in this process's memory: decides whether a call's money and tokens can be held, and counts what they became.

Every method runs without waiting, so nothing can come between the check and the hold. There is no store to be unreachable;
after a restart `stores/recovery.py` brings the figures back from the vault and the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.money import Nanos
from onevault.core.ports import Figures, QuotaStanding, Reserved, Standing
from onevault.core.records import Held, QuotaReset, Record, Settled
from onevault.core.windows import day_and_month
from onevault.policy.told import is_told, told_scope
from onevault.stores.by_identity import ByIdentity
from onevault.stores.memory.minutes import TokenMinute, TokenMinutes, TokenSlice
from onevault.stores.memory.refusals import over_held, over_tokens_per_minute
from onevault.stores.memory.windows import TOTAL, WindowsOfScope, WindowUsage, open_window
from onevault.stores.rollup import ScopeUsage

SETTLED_IDS_KEPT: Final = 8192
"""Of the newest settlements at least so many are known by id (and at most twice as many).

Enough, because a second settlement or reservation of a call can only come from the task that serves it, moments after the
first, and ids are never used again; a settlement that finds its hold needs no memory at all, as the hold is gone after it.
Small enough that letting a generation of them go takes less than half a millisecond.
"""

_PLACES: Final = {Window.DAY: 0, Window.MONTH: 1, Window.TOTAL: 2}
_Hold = tuple[int, int, tuple[WindowUsage, ...], tuple[TokenSlice, ...]]


class _Told:
    """The limits that a caller is told of, each with its scope and the place of its window among day, month and total; whose month is
    told where none is of money."""

    __slots__ = ("minutes", "money", "tokens", "user")

    def __init__(self, scopes: tuple[ScopeId, ...], limits: Sequence[Limit]) -> None:
        rows = [(limit.scope, _PLACES[limit.window], limit) for limit in limits if is_told(limit)]
        self.money = [row for row in rows if row[2].metric is Metric.MONEY]
        self.tokens = [row for row in rows if row[2].metric is Metric.TOKENS]
        self.minutes = [each for each in limits if each.metric is Metric.TOKENS and each.window is Window.MINUTE]
        self.user = told_scope(scopes)


class MemoryLedger:
    """Implements `ports.Ledger`. `minutes` are the tokens per minute; None: new ones."""

    def __init__(self, *, minutes: TokenMinutes | None = None) -> None:
        self._minutes = minutes if minutes is not None else TokenMinutes()
        self._scopes: dict[ScopeId, WindowsOfScope] = {}
        self._holds: dict[str, _Hold] = {}
        self._told: ByIdentity[_Told] = ByIdentity()
        self._settled: set[str] = set()
        self._settled_before: set[str] = set()

    @property
    def holds(self) -> int:
        """How many calls are held and not settled."""
        return len(self._holds)

    async def reserve(self, held: Held, limits: Sequence[Limit], *, tell: bool = False) -> Reserved:
        """As `ports.Ledger.reserve`. Limits that are not about money or tokens are not the ledger's, and are passed over."""
        self._reserve(held, limits)
        return Reserved(held, self._standing(held, limits, counts_ns=held.at_ns, now_ns=held.at_ns) if tell else None)

    async def settle(self, settled: Settled, limits: Sequence[Limit] | None = None) -> Standing | None:
        """As `ports.Ledger.settle`. A call whose hold is not known (it was held before a restart) counts in full."""
        self._settle(settled)
        if limits is None:
            return None
        return self._standing(settled, limits, counts_ns=settled.started_ns, now_ns=settled.at_ns)

    async def reset(self, reset: QuotaReset) -> None:
        """As `ports.Ledger.reset`: money, tokens and requests of the running day and month. The total and the tokens of the
        last minute stay."""
        self._reset(reset)

    async def figures(self, scope: ScopeId, *, time_zone: str, now_ns: int) -> Figures:
        """As `ports.Ledger.figures`. `requests_*` count settled calls that had been held."""
        day, month = day_and_month(now_ns, time_zone)
        windows = self._scopes.get(scope)
        if windows is None:
            return Figures(scope=scope, day=day, month=month)
        today, this_month, total = windows.get(day, _NONE), windows.get(month, _NONE), windows.get(TOTAL, _NONE)
        return Figures(
            scope=scope,
            day=day,
            month=month,
            spent_day=Nanos(today.money),
            spent_month=Nanos(this_month.money),
            spent_total=Nanos(total.money),
            held=Nanos(total.held),
            requests_day=today.requests,
            requests_month=this_month.requests,
            tokens_day=today.tokens,
            tokens_month=this_month.tokens,
            overshoot=Nanos(total.overshoot),
        )

    def load(self, rows: Iterable[ScopeUsage]) -> None:
        """Sets windows to what the vault knows of them, at start, before anything is replayed. Of a scope's days and months those
        around the newest are kept."""
        for row in sorted(rows, key=lambda row: row.label):
            windows = self._scopes.setdefault(row.scope, {})
            window = windows.get(row.label) or open_window(windows, row.label)
            window.money, window.tokens, window.requests = row.money, row.tokens, row.requests
            window.overshoot = row.overshoot

    def replay(self, record: Record) -> None:
        """Takes in a record of the journal as if it happened now, asking no limit: it did happen."""
        match record:
            case Held():
                if record.call_id not in self._holds:
                    self._hold(record, ())
            case Settled():
                self._settle(record)
            case QuotaReset():
                self._reset(record)

    def _reserve(self, held: Held, limits: Sequence[Limit]) -> None:
        call_id = held.call_id
        if call_id in self._settled or call_id in self._settled_before:
            return
        hold = self._holds.get(call_id)
        if hold is not None:
            self._enlarge(held, limits, hold)
            return
        minutes = self._admit(held, limits)
        slices = []
        for minute, at_ns in minutes:
            piece = minute.slice_at(at_ns)
            piece.change(held.tokens)
            slices.append(piece)
        self._hold(held, tuple(slices))

    def _standing(self, record: Held | Settled, limits: Sequence[Limit], *, counts_ns: int, now_ns: int) -> Standing:
        scopes, found = record.scopes, self._scopes
        if isinstance(limits, tuple):
            told = self._told.get(scopes, limits) or self._told.put(scopes, limits, _Told(scopes, limits))
        else:
            told = _Told(scopes, limits)
        labels = (*day_and_month(counts_ns, record.time_zone), TOTAL)
        tightest: Limit | None = None
        tightest_left = spent = 0
        for scope, which, limit in told.money:
            windows = found.get(scope)
            usage = (windows.get(labels[which]) if windows is not None else None) or _NONE
            left = limit.maximum - usage.money - usage.held
            if tightest is None or left < tightest_left:
                tightest, tightest_left, spent = limit, left, usage.money
        quotas = self._quotas(told, labels) if told.tokens else ()
        tokens = self._minutes.standing(told.minutes, now_ns) if told.minutes else None
        if tightest is None:
            in_month = found.get(told.user, {}).get(labels[1], _NONE).money
            return Standing(Nanos(in_month), quotas=quotas, tokens=tokens)
        return Standing(Nanos(spent), Nanos(tightest.maximum), Nanos(max(0, tightest_left)), quotas, tokens)

    def _quotas(self, told: _Told, labels: tuple[str, str, str]) -> tuple[QuotaStanding, ...]:
        tightest: list[tuple[int, Limit] | None] = [None, None]
        for scope, which, limit in told.tokens:
            usage = self._scopes.get(scope, {}).get(labels[which], _NONE)
            left = limit.maximum - usage.tokens - usage.tokens_held
            known = tightest[which]
            if known is None or left < known[0]:
                tightest[which] = left, limit
        return tuple(
            QuotaStanding(Metric.TOKENS, limit.window, limit.maximum, max(0, left))
            for left, limit in (known for known in tightest if known is not None)
        )

    def _enlarge(self, held: Held, limits: Sequence[Limit], hold: _Hold) -> None:
        """Raises Fault where a limit does not leave room for what is more."""
        amount, tokens, windows, slices = hold
        more, more_tokens = max(0, held.amount - amount), max(0, held.tokens - tokens)
        if not more and not more_tokens:
            return
        self._admit(held, limits, amount_held=held.amount - more, tokens_held=held.tokens - more_tokens)
        for window in windows:
            window.held += more
            window.tokens_held += more_tokens
        for piece in slices:
            piece.change(more_tokens)
        self._holds[held.call_id] = (amount + more, tokens + more_tokens, windows, slices)

    def _admit(
        self, held: Held, limits: Sequence[Limit], *, amount_held: int = 0, tokens_held: int = 0
    ) -> list[tuple[TokenMinute, int]]:
        """Raises Fault where a limit does not leave room; the minutes to count the tokens in otherwise. Of what is asked,
        `amount_held` and `tokens_held` are among what is used already."""
        amount, tokens, at_ns = held.amount, held.tokens, held.at_ns
        day, month = day_and_month(at_ns, held.time_zone)
        minutes: list[tuple[TokenMinute, int]] = []
        for limit in limits:
            metric, window = limit.metric, limit.window
            if metric is not Metric.MONEY and metric is not Metric.TOKENS:
                continue
            needed: int = amount if metric is Metric.MONEY else tokens
            if not needed:
                continue
            if window is Window.MINUTE:
                minute, counted_at_ns = self._minute(limit, tokens - tokens_held, at_ns)
                if all(minute is not other for other, _ in minutes):
                    minutes.append((minute, counted_at_ns))
                continue
            used = spent = 0
            usage = self._usage(limit, day, month)
            if usage is not None:
                spent = usage.money if metric is Metric.MONEY else 0
                used = (
                    usage.money + usage.held - amount_held
                    if metric is Metric.MONEY
                    else usage.tokens + usage.tokens_held - tokens_held
                )
            if used + needed > limit.maximum:
                fits_alone = needed <= limit.maximum
                refusal = over_held(
                    limit,
                    fits_alone=fits_alone,
                    left=limit.maximum - used,
                    spent=spent,
                    at_ns=at_ns,
                    time_zone=held.time_zone,
                )
                if metric is Metric.MONEY:
                    refusal.money_left = self._money_left(limits, day, month, amount_held=amount_held)
                raise refusal
        return minutes

    def _money_left(self, limits: Sequence[Limit], day: str, month: str, *, amount_held: int) -> int:
        """What all limits of money together afford now for a call that is held for `amount_held`."""
        left = []
        for limit in limits:
            if limit.metric is Metric.MONEY:
                usage = self._usage(limit, day, month)
                used = usage.money + usage.held - amount_held if usage is not None else 0
                left.append(limit.maximum - used)
        return max(0, min(left))

    def _usage(self, limit: Limit, day: str, month: str) -> WindowUsage | None:
        """The window that a limit counts in; None for the limit of one call, and where nothing was used yet."""
        if limit.window is Window.NOW:
            return None
        windows = self._scopes.get(limit.scope)
        label = day if limit.window is Window.DAY else month if limit.window is Window.MONTH else TOTAL
        return windows.get(label) if windows is not None else None

    def _minute(self, limit: Limit, tokens: int, at_ns: int) -> tuple[TokenMinute, int]:
        if limit.metric is Metric.MONEY:
            raise ValueError("money cannot be limited per minute")
        minute = self._minutes.of(limit.scope, at_ns)
        counted_at_ns = minute.advance(at_ns)
        if minute.tokens + tokens > limit.maximum:
            wait_s = minute.fits_in_s(tokens, limit.maximum, counted_at_ns)
            standing = self._minutes.standing((limit,), at_ns)
            raise over_tokens_per_minute(limit, retry_after_s=wait_s, standing=standing)
        return minute, counted_at_ns

    def _hold(self, held: Held, slices: tuple[TokenSlice, ...]) -> None:
        amount, tokens = held.amount, held.tokens
        windows = self._windows(held.scopes, held.at_ns, held.time_zone)
        for window in windows:
            window.held += amount
            window.tokens_held += tokens
        self._holds[held.call_id] = (amount, tokens, windows, slices)

    def _settle(self, settled: Settled) -> None:
        call_id = settled.call_id
        hold = self._holds.pop(call_id, None)
        if hold is None:
            if not settled.held or call_id in self._settled or call_id in self._settled_before:
                return
            windows = self._windows(settled.scopes, settled.started_ns, settled.time_zone)
            hold = (0, 0, windows, ())
            excess = settled.cost - settled.amount_held
        else:
            excess = settled.cost - hold[0]
        amount, tokens_held, windows, slices = hold
        cost = settled.cost
        tokens = settled.usage.input_tokens + settled.usage.output_tokens
        counted = 1 if settled.held else 0
        for window in windows:
            window.held -= amount
            window.money += cost
            window.tokens_held -= tokens_held
            window.tokens += tokens
            window.requests += counted
        if excess > 0:
            for window in windows:
                window.overshoot += excess
        for piece in slices:
            piece.change(tokens - tokens_held)
        self._remember(call_id)

    def _reset(self, reset: QuotaReset) -> None:
        windows = self._scopes.get(reset.scope)
        if windows is not None:
            for label in day_and_month(reset.at_ns, reset.time_zone):
                if label in windows:
                    windows[label].clear()

    def _windows(self, scopes: tuple[ScopeId, ...], at_ns: int, time_zone: str) -> tuple[WindowUsage, ...]:
        day, month = day_and_month(at_ns, time_zone)
        found: list[WindowUsage] = []
        for scope in scopes:
            windows = self._scopes.get(scope)
            if windows is None:
                windows = self._scopes[scope] = {}
            found += (
                windows.get(day) or open_window(windows, day),
                windows.get(month) or open_window(windows, month),
                windows.get(TOTAL) or open_window(windows, TOTAL),
            )
        return tuple(found)

    def _remember(self, call_id: str) -> None:
        self._settled.add(call_id)
        if len(self._settled) >= SETTLED_IDS_KEPT:
            self._settled_before, self._settled = self._settled, set()


_NONE: Final = WindowUsage(TOTAL)
