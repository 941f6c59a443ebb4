"""Decides which thresholds of a limit a scope has passed, and how that is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onevault.core.identity import Limit, Metric, Principal, ScopeId, Window
from onevault.core.money import Nanos, format_usd
from onevault.core.notices import Notice, NoticeKind
from onevault.core.ports import Figures
from onevault.core.windows import day_and_month

_WINDOWS: Final = (Window.DAY, Window.MONTH, Window.TOTAL)
_METRICS: Final = (Metric.MONEY, Metric.REQUESTS, Metric.TOKENS)
ALL_TIME: Final = "ever"
"""How the window without an end is called."""


def is_watched(limit: Limit) -> bool:
    """Whether the limit is one that fills up over a window; what is refused by the minute has no thresholds."""
    return limit.window in _WINDOWS and limit.metric in _METRICS and limit.maximum > 0


def watched(principal: Principal) -> tuple[Limit, ...]:
    """All watched limits that a caller's calls may count in: also those for one provider or model, and of its own provider keys."""
    limits = dict.fromkeys(filter(is_watched, principal.limits))
    for target in principal.at_targets:
        limits |= dict.fromkeys(filter(is_watched, target.limits))
    for own in principal.own_keys.values():
        limits |= dict.fromkeys(filter(is_watched, own.limits))
    return tuple(limits)


def used(limit: Limit, figures: Figures) -> int | None:
    """How much of a limit its scope has used (nanos, requests, tokens); None where the ledger does not count that."""
    if limit.metric is Metric.MONEY:
        return figures.spent(limit.window)
    counted = {
        (Metric.REQUESTS, Window.DAY): figures.requests_day,
        (Metric.REQUESTS, Window.MONTH): figures.requests_month,
        (Metric.TOKENS, Window.DAY): figures.tokens_day,
        (Metric.TOKENS, Window.MONTH): figures.tokens_month,
    }
    return counted.get((limit.metric, limit.window))


def passed(limit: Limit, amount: int, thresholds: Sequence[int]) -> list[int]:
    """The thresholds (per cent) that this use of a limit has reached, lowest first."""
    return [each for each in sorted(thresholds) if amount * 100 >= each * limit.maximum]


def period(window: Window, *, at_ns: int, time_zone: str) -> str:
    """The running window's name: `2026-11-21`, `2026-11`, or `ever`."""
    day, month = day_and_month(at_ns, time_zone)
    return {Window.DAY: day, Window.MONTH: month}.get(window, ALL_TIME)


def passed_notice(
    limit: Limit, threshold: int, amount: int, *, tenant_id: str, org_id: str | None, named: str, at_ns: int
) -> Notice:
    """That a scope passed a threshold in the window so named. A changed limit is another limit, and is told of anew."""
    return Notice(
        kind=NoticeKind.BUDGET_THRESHOLD,
        tenant_id=tenant_id,
        at_ns=at_ns,
        org_id=org_id,
        scope=limit.scope,
        once=once(NoticeKind.BUDGET_THRESHOLD, limit, named, threshold),
        facts={"threshold_percent": threshold, **_facts(limit, named), **_amount("used", limit, amount)},
    )


def refused_notice(limit: Limit, *, tenant_id: str, org_id: str | None, named: str, at_ns: int) -> Notice:
    """That a call was refused because the limit is used up in the window so named."""
    return Notice(
        kind=NoticeKind.BUDGET_REFUSED,
        tenant_id=tenant_id,
        at_ns=at_ns,
        org_id=org_id,
        scope=limit.scope,
        once=once(NoticeKind.BUDGET_REFUSED, limit, named),
        facts=_facts(limit, named),
    )


def once(kind: NoticeKind, limit: Limit, named: str, threshold: int = 0) -> str:
    """What makes two notices about a limit one. The window comes first, so that retention knows what is for all time."""
    return f"{named}|{kind.value}|{limit.scope}|{limit.metric.value}|{limit.window.value}|{limit.maximum}|{threshold}"


def organization_of(scope: ScopeId, org_id: str) -> str | None:
    """Whose people are told: of the tenant's own limits nobody in an organization is."""
    return None if scope.startswith("tenant:") else org_id


def _facts(limit: Limit, named: str) -> dict[str, str | int]:
    about: dict[str, str | int] = {"metric": limit.metric.value, "window": limit.window.value, "period": named}
    return about | _amount("limit", limit, limit.maximum)


def _amount(name: str, limit: Limit, amount: int) -> dict[str, str | int]:
    return {f"{name}_usd": format_usd(Nanos(amount))} if limit.metric is Metric.MONEY else {name: amount}
