"""What this process may grant by itself while the shared ledger does not answer, and what of it is granted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.money import Nanos
from onevault.core.operations import FREE
from onevault.core.records import Held, Settled
from onevault.core.windows import NS_PER_S, day_and_month
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.rollup import ScopeUsage

FallbackOf = Callable[[str], int | None]
"""What an organization may spend on a day of outages, in nanos; None: it fails closed."""

_FREE = frozenset(operation.value for operation in FREE)
_UNPRICED = "The shared ledger does not answer, and a call without a known price cannot be counted against fallback_daily_limit."


class Granted(msgspec.Struct, frozen=True):
    """What one organization was granted on one day (`2026-11-21`, its own calendar's). Nanos, settled ones only."""

    org_id: str
    day: str
    money: int


class Allowance:
    """Each of `processes` that may be cut off at the same time grants its even part of an organization's fallback limit: together
    never more than the limit, though none can ask another.

    A call granted here also keeps to all its own limits as far as this process knows what counts in them, which is what it granted.
    Of money that is a necessary condition of what the shared ledger would ask, so nobody is refused who would have been let in.
    """

    def __init__(self, fallback_of: FallbackOf, *, processes: int) -> None:
        self.rates = MemoryRates()
        self._ledger = MemoryLedger()
        self._fallback_of = fallback_of
        self._processes = processes
        self._days: dict[str, str] = {}

    def fails_open(self, org_id: str) -> bool:
        return self._fallback_of(org_id) is not None

    def share(self, org_id: str) -> int:
        """This process's part of the organization's limit, nanos."""
        return (self._fallback_of(org_id) or 0) // self._processes

    async def grant(self, held: Held, limits: Sequence[Limit]) -> Held:
        """Raises as `ports.Ledger.reserve`, and UNPRICED_MODEL. The hold comes back marked as grace."""
        org_id = held.caller.org_id
        if not (held.price_version or held.amount or held.provider_key or held.request_type in _FREE):
            raise Fault(FaultKind.UNPRICED_MODEL, _UNPRICED, param="model")
        fallback = Limit(_scope(org_id), Metric.MONEY, Window.DAY, self.share(org_id))
        counted = msgspec.structs.replace(held, scopes=(*held.scopes, fallback.scope), grace=True)
        await self._ledger.reserve(counted, (*limits, fallback))
        self._seen(org_id, held.at_ns, held.time_zone)
        return msgspec.structs.replace(held, grace=True)

    async def settle(self, settled: Settled) -> None:
        """Replaces what was granted by what it cost."""
        await self._ledger.settle(_counted(settled))

    def replay(self, settled: Settled) -> None:
        """Takes in what an earlier process of the same journal granted."""
        self._ledger.replay(_counted(settled))
        self._seen(settled.caller.org_id, settled.started_ns, settled.time_zone)

    def load(self, rows: Iterable[Granted]) -> None:
        """Sets days to what is known to have been granted in them; to be done before anything is replayed."""
        for row in rows:
            self._ledger.load((ScopeUsage(_scope(row.org_id), Window.DAY, row.day, row.money, 0, 0, 0),))
            self._days[row.org_id] = row.day

    async def granted(self, org_id: str, *, time_zone: str, now_ns: int) -> tuple[Nanos, Nanos]:
        """What the organization was granted today, and what is held of grace now."""
        figures = await self._ledger.figures(_scope(org_id), time_zone=time_zone, now_ns=now_ns)
        return figures.spent_day, figures.held

    async def rows(self) -> list[Granted]:
        """What was granted on each organization's newest day."""
        found = []
        for org_id, day in self._days.items():
            figures = await self._ledger.figures(_scope(org_id), time_zone="UTC", now_ns=_noon_ns(day))
            found.append(Granted(org_id, day, figures.spent_day))
        return found

    def _seen(self, org_id: str, at_ns: int, time_zone: str) -> None:
        day = day_and_month(at_ns, time_zone)[0]
        if day >= self._days.get(org_id, ""):
            self._days[org_id] = day


def _scope(org_id: str) -> ScopeId:
    return ScopeId(f"grace:{org_id}")


def _counted(settled: Settled) -> Settled:
    return msgspec.structs.replace(settled, scopes=(*settled.scopes, _scope(settled.caller.org_id)))


def _noon_ns(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()) * NS_PER_S
