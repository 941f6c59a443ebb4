"""A caller's limits as the store understands them, worked out once per caller and not per call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.money import NANOS_PER_USD
from onevault.core.ports import QuotaStanding, RateStanding
from onevault.core.windows import NS_PER_S
from onevault.policy.told import is_told, told_scope

_TOKENS_MAX: Final = 2**53
_PLACES: Final = {Window.NOW: 0, Window.DAY: 1, Window.MONTH: 2, Window.TOTAL: 3}
_MONEY, _TOKENS, _TOKENS_PER_MINUTE, _SPENT = 1, 2, 3, 4
_PER_MINUTE, _CONCURRENT, _PER_CALENDAR = 1, 2, 3


class LedgerLimits(msgspec.Struct, frozen=True):
    """`scopes` begin with the `counted` ones, after which come those that only have a limit; `of` are the limits in `given`; `told` are
    those whose standing is told, each behind its number in `of` (from 1); with none of money among them, the month of the user, too."""

    scopes: tuple[ScopeId, ...]
    counted: int
    joined: str
    given: tuple[tuple[int, ...], ...]
    of: tuple[Limit, ...]
    told: tuple[tuple[int, ...], ...] = ()


class RatesLimits(msgspec.Struct, frozen=True):
    """`given` are limits of attempts and concurrency."""

    joined: str
    given: tuple[tuple[int, ...], ...]
    of: tuple[Limit, ...]


def ledger_limits(scopes: tuple[ScopeId, ...], limits: Sequence[Limit]) -> LedgerLimits:
    """Limits of money and tokens; others are passed over. Raises ValueError for money per minute."""
    everywhere = list(scopes)
    given: list[tuple[int, ...]] = []
    of: list[Limit] = []
    for limit in limits:
        if limit.metric is not Metric.MONEY and limit.metric is not Metric.TOKENS:
            continue
        if limit.scope not in everywhere:
            everywhere.append(limit.scope)
        scope = everywhere.index(limit.scope)
        if limit.window is Window.MINUTE:
            if limit.metric is Metric.MONEY:
                raise ValueError("money cannot be limited per minute")
            given.append((_TOKENS_PER_MINUTE, scope, 0, min(limit.maximum, _TOKENS_MAX), 0))
        elif limit.metric is Metric.MONEY:
            given.append((_MONEY, scope, _PLACES[limit.window], *divmod(limit.maximum, NANOS_PER_USD)))
        else:
            given.append((_TOKENS, scope, _PLACES[limit.window], min(limit.maximum, _TOKENS_MAX), 0))
        of.append(limit)
    told = [
        (place, *given[place - 1])
        for place, limit in enumerate(of, start=1)
        if is_told(limit) or limit.window is Window.MINUTE
    ]
    if all(kind != _MONEY for _, kind, *_ in told):
        told.append((0, _SPENT, everywhere.index(told_scope(scopes)), _PLACES[Window.MONTH], 0, 0))
    return LedgerLimits(tuple(everywhere), len(scopes), "\n".join(scopes), tuple(given), tuple(of), tuple(told))


def rates_limits(scopes: tuple[ScopeId, ...], limits: Sequence[Limit]) -> RatesLimits:
    """Limits of attempts and concurrency. Raises ValueError for a window that attempts are not counted in."""
    given: list[tuple[int, ...]] = []
    of: list[Limit] = []
    for limit in limits:
        metric, window = limit.metric, limit.window
        if metric is Metric.CONCURRENCY:
            given.append((_CONCURRENT, scopes.index(limit.scope), _PLACES[Window.TOTAL], limit.maximum, 0))
            of.append(limit)
        elif metric is Metric.REQUESTS:
            if window not in (Window.MINUTE, Window.DAY, Window.MONTH):
                raise ValueError(f"requests cannot be limited per {window}")
            kind = _PER_MINUTE if window is Window.MINUTE else _PER_CALENDAR
            given.append((kind, scopes.index(limit.scope), _PLACES.get(window, 0), limit.maximum, int(is_told(limit))))
            of.append(limit)
    return RatesLimits("\n".join(scopes), tuple(given), tuple(of))


def rate_told(answer: Sequence[int] | bool) -> RateStanding | None:
    """How the caller stands in the tightest limit per minute, from its maximum, what is left of it, and the nanoseconds until more is."""
    if isinstance(answer, bool):
        return None
    maximum, remaining, reset_ns = answer
    return RateStanding(maximum, remaining, reset_ns / NS_PER_S)


def quotas_told(of: tuple[Limit, ...], answer: Sequence[int]) -> tuple[QuotaStanding, ...]:
    """How the caller stands in quotas, from pairs of a limit's number (0: none) and what is left of it."""
    found: list[QuotaStanding] = []
    for number, left in zip(answer[::2], answer[1::2], strict=True):
        if number:
            limit = of[number - 1]
            found.append(QuotaStanding(limit.metric, limit.window, limit.maximum, max(0, left)))
    return tuple(found)
