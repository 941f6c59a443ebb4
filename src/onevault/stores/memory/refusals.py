"""The words in which a limit refuses a call: which kind of scope, which limit, when to come back; nobody else's figures."""

from __future__ import annotations

from typing import Final

from onevault.core.faults import Fault, FaultKind, LimitReached
from onevault.core.identity import Limit, Metric, Window
from onevault.core.ports import RateStanding
from onevault.core.windows import seconds_to_next_day, seconds_to_next_month
from onevault.policy.told import is_told

_SCOPES: Final = {
    "org": "organization",
    "key": "API key",
    "grace": "organization while the shared ledger does not answer (fallback_daily_limit)",
}
_PERIODS: Final = {Window.DAY: "today", Window.MONTH: "this month"}
_WINDOWS: Final = {Window.MINUTE: "per minute", Window.DAY: "per day", Window.MONTH: "per month"}
_CONCURRENCY_RETRY_S: Final = 1.0
"""Nobody knows when a running call ends; a second is polite."""


def over_requests(limit: Limit, *, retry_after_s: float | None) -> Fault:
    """RATE_LIMITED for requests per minute, QUOTA_EXCEEDED for those per day and month."""
    kind = FaultKind.RATE_LIMITED if limit.window is Window.MINUTE else FaultKind.QUOTA_EXCEEDED
    message = f"The limit of the {_scope(limit)}, {_requests(limit)} {_WINDOWS[limit.window]}, is reached."
    refusal = Fault(kind, message, retry_after_s=retry_after_s)
    refusal.reached = _reached(limit, reset_s=retry_after_s)
    if limit.window is not Window.MINUTE:
        refusal.limit = limit
    return refusal


def over_concurrency(limit: Limit) -> Fault:
    """RATE_LIMITED for calls at the same time."""
    message = f"The limit of the {_scope(limit)}, {_requests(limit)} at the same time, is reached."
    return Fault(FaultKind.RATE_LIMITED, message, retry_after_s=_CONCURRENCY_RETRY_S if limit.maximum > 0 else None)


def over_tokens_per_minute(limit: Limit, *, retry_after_s: float | None, standing: RateStanding | None) -> Fault:
    """RATE_LIMITED; without `retry_after_s` where the call alone is above the limit."""
    if retry_after_s is None:
        message = f"This call can need more tokens than the limit of the {_scope(limit)} lets through in a minute."
    else:
        message = f"The limit of the {_scope(limit)} in tokens per minute does not leave enough for this call."
    refusal = Fault(FaultKind.RATE_LIMITED, message, retry_after_s=retry_after_s)
    if standing is not None:
        refusal.reached = _reached(limit, left=standing.remaining, reset_s=standing.reset_s)
    return refusal


def over_held(limit: Limit, *, fits_alone: bool, left: int, spent: int, at_ns: int, time_zone: str) -> Fault:
    """BUDGET_EXCEEDED for money, QUOTA_EXCEEDED for tokens, in a calendar window, in total, or (Window.NOW) for one call. `left` and
    `spent` are those of this limit, in its unit."""
    money = limit.metric is Metric.MONEY
    kind = FaultKind.BUDGET_EXCEEDED if money else FaultKind.QUOTA_EXCEEDED
    what = "budget" if money else "token quota"
    verb = "cost" if money else "need"
    if limit.window is Window.NOW:
        return Fault(kind, f"This call can {verb} more than the {what} of the {_scope(limit)} for one call.")
    period = _PERIODS.get(limit.window, "in total")
    ends_s = window_ends_in_s(limit.window, at_ns=at_ns, time_zone=time_zone)
    reached = _reached(limit, left=max(0, left), spent=spent, reset_s=ends_s)
    if not fits_alone:
        message = f"This call alone can {verb} more than the whole {what} of the {_scope(limit)} for {_span(limit)}."
        refusal = Fault(kind, message)
        refusal.reached = reached
        return refusal
    message = f"What is left {period} of the {what} of the {_scope(limit)} does not cover what this call can {verb}."
    used_up = Fault(kind, message, retry_after_s=ends_s)
    used_up.limit, used_up.reached = limit, reached
    return used_up


def window_ends_in_s(window: Window, *, at_ns: int, time_zone: str) -> float | None:
    """When a calendar window ends; None for the total, which never does."""
    if window is Window.DAY:
        return seconds_to_next_day(at_ns, time_zone)
    if window is Window.MONTH:
        return seconds_to_next_month(at_ns, time_zone)
    return None


def _reached(limit: Limit, *, left: int = 0, spent: int = 0, reset_s: float | None) -> LimitReached | None:
    if limit.window is not Window.MINUTE and not is_told(limit):
        return None
    return LimitReached(limit, left, spent, reset_s)


def _requests(limit: Limit) -> str:
    return f"{limit.maximum} request{'' if limit.maximum == 1 else 's'}"


def _scope(limit: Limit) -> str:
    whole, _, target = limit.scope.partition("|")
    kind = whole.partition(":")[0]
    told = _SCOPES.get(kind, kind)
    return f"{told} for the {' '.join(target.split(':', 1))}" if target else told


def _span(limit: Limit) -> str:
    return {Window.DAY: "a day", Window.MONTH: "a month"}.get(limit.window, "all time")
