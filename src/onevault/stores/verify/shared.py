"""Compares what a shared ledger counts with what the vault has, while processes may be at work on both.

A call counts in the ledger first, then stands in a journal, then in the vault. So the ledger must have what the vault had before it was
asked, and the vault must soon have what the ledger had: where nothing goes on, they are the same. Scopes for which that does not hold are
looked at again. Apart stands what was granted as grace while the ledger was away: it is in the journal and the vault first.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from time import time_ns
from typing import Final, Protocol

from sqlalchemy import Connection

from onevault.core.identity import ScopeId, Window
from onevault.core.ports import Figures
from onevault.core.records import Held, Settled
from onevault.stores.held import HeldNow
from onevault.stores.rollup import ScopeUsage
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import rollups_of
from onevault.stores.verify.journal import call_of
from onevault.stores.verify.sums import Beside, Recomputed
from onevault.stores.verify.vault import ScopeKey
from onevault.stores.verify.words import Call, Difference, Kind, Sum

LOOKS_MAX: Final = 20
LOOK_AGAIN_S: Final = 0.5
"""Ten seconds: what is owed to the ledger is sent each quarter of a second, and the vault takes a journal in less than one."""
LOOKS_REMEMBERED: Final = 5
"""The vault may have what the ledger had as long ago: longer, and calls that go on would hide what it counts too much."""
ASKED_TOGETHER: Final = 256

Scopes = tuple[ScopeId, ...]
_Windows = dict[ScopeId, dict[tuple[Window, str], Sum]]


class SharedLedger(Protocol):
    """The ledger that processes share, and what journals have for it. Each raises Fault STORE_UNAVAILABLE."""

    async def figures(self, scope: ScopeId, day: str, month: str) -> Figures:
        """What a scope has in a day and a month, and in total."""

    async def held(self, scopes: list[ScopeId], look_for: list[str]) -> HeldNow:
        """What is held at one moment; it may keep the ledger busy for as long as ASKED_TOGETHER scopes take."""

    async def uncounted_grace(self) -> list[Settled]:
        """What this host's journals have of grace that may not be counted in the ledger yet."""


class SharedSums:
    """`compare` tells what does not agree; `scopes` are those that were compared, `grace_calls` is how much grace is to be counted."""

    def __init__(
        self, vault: Vault, ledger: SharedLedger, beside: Beside, *, waiting: list[Call], held: Mapping[str, Held]
    ) -> None:
        """`waiting` are the calls of this host's journals that wait for the vault, `held` those that nothing has settled."""
        self._vault = vault
        self._ledger = ledger
        self._beside = beside
        self._waiting = waiting
        self._held = held
        self.scopes: list[ScopeId] = []
        self.grace_calls = 0

    async def compare(self) -> list[Difference]:
        """Raises Fault STORE_UNAVAILABLE."""
        open_scopes: list[ScopeId] | None = None
        seen: defaultdict[ScopeId, list[dict[tuple[Window, str], Sum]]] = defaultdict(list)
        found: list[Difference] = []
        for look in range(LOOKS_MAX):
            if look:
                await asyncio.sleep(LOOK_AGAIN_S)
            grace = await self._ledger.uncounted_grace()
            self.grace_calls = len(grace)
            to_come = _summed(call_of(settled, once=dict[Scopes, Scopes]().setdefault) for settled in grace)
            before = await self._vault.read(_windows)
            if open_scopes is None:
                open_scopes = self.scopes = list(before)
            counted = await self._counted(before, open_scopes)
            may_have_more = await self._before_the_vault()
            after = await self._vault.read(_windows)
            found = []
            for scope in open_scopes:
                has = counted[scope]
                if too_little := self._wrong(scope, has, before.get(scope, {}), to_come, is_least=True):
                    found += too_little
                    continue
                looks = seen[scope]
                looks.append(has)
                del looks[:-LOOKS_REMEMBERED]
                stored = after.get(scope, {})
                too_much = [self._wrong(scope, each, stored, may_have_more, is_least=False) for each in looks]
                if all(too_much):
                    found += too_much[-1]
            if not found:
                return []
            open_scopes = sorted({ScopeId(difference.scope) for difference in found})
        return found

    async def _before_the_vault(self) -> Mapping[ScopeKey, Sum]:
        """What the ledger counts and the vault may not have: calls that wait for it, and holds that count as spent because their
        process has gone, whatever they used."""
        spent = [self._held[call_id] for call_id in (await self._ledger.held([], list(self._held))).put_down]
        return _summed([*self._waiting, *(_as_spent(hold) for hold in spent)])

    async def _counted(self, stored: _Windows, scopes: list[ScopeId]) -> _Windows:
        """What the ledger has of the newest day and month in which the vault has something of a scope, and in total."""

        async def of(scope: ScopeId) -> dict[tuple[Window, str], Sum]:
            labels = stored.get(scope, {})
            day = max((label for window, label in labels if window is Window.DAY), default="")
            month = max((label for window, label in labels if window is Window.MONTH), default="")
            has = await self._ledger.figures(scope, day, month)
            counted = {(Window.TOTAL, ""): Sum(has.spent_total, 0, 0, has.overshoot)}
            if day:
                counted[Window.DAY, day] = Sum(has.spent_day, has.tokens_day, has.requests_day, 0)
            if month:
                counted[Window.MONTH, month] = Sum(has.spent_month, has.tokens_month, has.requests_month, 0)
            return counted

        found: _Windows = {}
        for start in range(0, len(scopes), ASKED_TOGETHER):
            together = scopes[start : start + ASKED_TOGETHER]
            found |= dict(zip(together, await asyncio.gather(*map(of, together)), strict=True))
        return found

    def _wrong(
        self,
        scope: ScopeId,
        counted: dict[tuple[Window, str], Sum],
        stored: dict[tuple[Window, str], Sum],
        allowed: Mapping[ScopeKey, Sum],
        *,
        is_least: bool,
    ) -> list[Difference]:
        """The windows in which the ledger has less than what is stored but for what is allowed (`is_least`), or more than both together."""
        found = []
        for (window, label), has in counted.items():
            wanted = stored.get((window, label), Sum())
            beside = allowed.get((window.value, label, scope), Sum())
            wrong = [
                name
                for name in _TOLD[window]
                if (
                    getattr(has, name) < getattr(wanted, name) - getattr(beside, name)
                    if is_least
                    else getattr(has, name) > getattr(wanted, name) + getattr(beside, name)
                )
            ]
            if wrong:
                when = f"in {label}" if label else "in total"
                said = ", ".join(f"{name} {getattr(has, name)}, in the vault {getattr(wanted, name)}" for name in wrong)
                found.append(
                    Difference(
                        kind=Kind.SHARED_SUM,
                        message=f"{scope} {when}: the shared ledger counts {said}.",
                        scope=scope,
                        window=window.value,
                        label=label,
                        stored={name: getattr(has, name) for name in wrong},
                        recomputed={name: getattr(wanted, name) for name in wrong},
                        not_settled=self._beside.of(scope),
                    )
                )
        return found


_TOLD: Final = {
    Window.TOTAL: ("money_nanos", "overshoot_nanos"),
    Window.DAY: ("money_nanos", "tokens", "requests"),
    Window.MONTH: ("money_nanos", "tokens", "requests"),
}
"""What the ledger tells of each window."""


def _summed(calls: Iterable[Call]) -> Mapping[ScopeKey, Sum]:
    recomputed = Recomputed({})
    recomputed.add(calls)
    return recomputed.scope_sums


def _as_spent(hold: Held) -> Call:
    amount = hold.amount
    return Call(
        hold.scopes, hold.time_zone, hold.at_ns, hold.at_ns, True, amount, amount, hold.tokens, hold.tokens, 0, "", ""
    )


def _windows(connection: Connection) -> _Windows:
    """The vault's sums of the windows that a ledger begins with when it is filled."""
    found: _Windows = {}
    for row in rollups_of(connection, time_ns()):
        found.setdefault(row.scope, {})[row.window, row.label] = _sum(row)
    return found


def _sum(row: ScopeUsage) -> Sum:
    return Sum(row.money, row.tokens, row.requests, row.overshoot)
