"""Compares what a shared ledger counts with what the vault has, while processes may be at work on both.

A call counts in the ledger first, then stands in a journal, then in the vault. So of one window the vault's sum, then the ledger's, then
the vault's again once it has what waited must not fall; where nothing goes on, all three are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import time_ns
from typing import Final

from sqlalchemy import Connection

from onevault.core.faults import Fault
from onevault.core.identity import ScopeId, Window
from onevault.core.ports import Figures
from onevault.stores.rollup import ScopeUsage
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import rollups_of
from onevault.stores.verify.sums import Beside
from onevault.stores.verify.words import Difference, Differences, Kind, Sum

SharedFigures = Callable[[ScopeId, str, str], Awaitable[Figures]]
"""What the ledger has of a scope in a day and a month. Raises Fault STORE_UNAVAILABLE."""
LOOKS_MAX: Final = 20
LOOK_AGAIN_S: Final = 0.5
"""Ten seconds: what is owed to the ledger is sent each quarter of a second, and the vault takes a journal in less than one."""
_ASKED_TOGETHER: Final = 256

_Windows = dict[ScopeId, dict[tuple[Window, str], Sum]]


async def compare_shared(vault: Vault, figures: SharedFigures, beside: Beside, differences: Differences) -> int | None:
    """How many scopes were compared; None where the ledger does not answer. Only those that do not agree are looked at again."""
    before = await vault.read(_windows)
    open_scopes = list(before)
    compared = len(open_scopes)
    found: list[Difference] = []
    for look in range(LOOKS_MAX):
        if look:
            await asyncio.sleep(LOOK_AGAIN_S)
            before = await vault.read(_windows)
        try:
            counted = await _counted(figures, before, open_scopes)
        except Fault:
            return None
        after = await vault.read(_windows)
        found = [
            difference
            for scope, of_scope in counted.items()
            for difference in _differing(scope, before.get(scope, {}), of_scope, after.get(scope, {}), beside)
        ]
        if not found:
            return compared
        open_scopes = sorted({ScopeId(difference.scope) for difference in found})
    for difference in found:
        differences.add(difference)
    return compared


def _windows(connection: Connection) -> _Windows:
    """The vault's sums of the windows that a ledger begins with when it is filled."""
    found: _Windows = {}
    for row in rollups_of(connection, time_ns()):
        found.setdefault(row.scope, {})[row.window, row.label] = _sum(row)
    return found


def _sum(row: ScopeUsage) -> Sum:
    return Sum(row.money, row.tokens, row.requests, row.overshoot)


async def _counted(
    figures: SharedFigures, stored: _Windows, scopes: list[ScopeId]
) -> dict[ScopeId, dict[tuple[Window, str], Sum]]:
    """What the ledger has of the newest day and month in which the vault has something of a scope, and in total."""

    async def of(scope: ScopeId) -> dict[tuple[Window, str], Sum]:
        labels = stored.get(scope, {})
        day = max((label for window, label in labels if window is Window.DAY), default="")
        month = max((label for window, label in labels if window is Window.MONTH), default="")
        has = await figures(scope, day, month)
        counted = {(Window.TOTAL, ""): Sum(has.spent_total, 0, 0, has.overshoot)}
        if day:
            counted[Window.DAY, day] = Sum(has.spent_day, 0, has.requests_day, 0)
        if month:
            counted[Window.MONTH, month] = Sum(has.spent_month, has.tokens_month, has.requests_month, 0)
        return counted

    found: dict[ScopeId, dict[tuple[Window, str], Sum]] = {}
    for start in range(0, len(scopes), _ASKED_TOGETHER):
        together = scopes[start : start + _ASKED_TOGETHER]
        found |= dict(zip(together, await asyncio.gather(*map(of, together)), strict=True))
    return found


_TOLD: Final = {
    Window.TOTAL: ("money_nanos", "overshoot_nanos"),
    Window.DAY: ("money_nanos", "requests"),
    Window.MONTH: ("money_nanos", "tokens", "requests"),
}
"""What the ledger tells of each window."""


def _differing(
    scope: ScopeId,
    before: dict[tuple[Window, str], Sum],
    counted: dict[tuple[Window, str], Sum],
    after: dict[tuple[Window, str], Sum],
    beside: Beside,
) -> list[Difference]:
    waits = beside.of(scope)
    found = []
    for key, has in counted.items():
        window, label = key
        low, high = before.get(key, Sum()), after.get(key, Sum())
        may_have_more = Sum()
        if waits is not None:
            # A hold whose process died counts as spent until it is settled; nobody knows yet what it used.
            calls = waits.waiting_calls + waits.held_calls
            more_money = waits.waiting_nanos + waits.held_nanos
            may_have_more = Sum(
                more_money, waits.held_tokens if not waits.waiting_calls else 1 << 62, calls, more_money
            )
        wrong = [
            name
            for name in _TOLD[window]
            if not getattr(low, name) <= getattr(has, name) <= getattr(high, name) + getattr(may_have_more, name)
        ]
        if wrong:
            when = f"in {label}" if label else "in total"
            said = ", ".join(f"{name} {getattr(has, name)}, in the vault {getattr(high, name)}" for name in wrong)
            found.append(
                Difference(
                    kind=Kind.SHARED_SUM,
                    message=f"{scope} {when}: the shared ledger counts {said}.",
                    scope=scope,
                    window=window.value,
                    label=label,
                    stored={name: getattr(has, name) for name in wrong},
                    recomputed={name: getattr(high, name) for name in wrong},
                    not_settled=waits,
                )
            )
    return found
