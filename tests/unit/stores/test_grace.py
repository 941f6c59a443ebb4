"""What a process may grant while the shared ledger is away: its part, once, over restarts; and when it stops asking."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.contract.ledger.build import KEY, NOON, ORG, SECOND_NS, fault_of, held, money, principal, requests, settled

from onevault.bootstrap.system import SystemClock
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Window
from onevault.core.ports import Reserved
from onevault.core.records import Held, Settled
from onevault.stores.grace.allowance import Allowance
from onevault.stores.grace.granted import FILE_NAME, keep, recall
from onevault.stores.grace.ledger import GraceLedger
from onevault.stores.grace.rates import GraceRates
from onevault.stores.grace.reach import Reach
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.rollup import JournalPosition

LIMIT = 100
DAY_NS = 24 * 3600 * SECOND_NS


def allowance(*, processes: int = 1, limit: int | None = LIMIT) -> Allowance:
    return Allowance(lambda _: limit, processes=processes)


def graced(hold: Held, cost: int) -> Settled:
    return msgspec.structs.replace(settled(hold, cost), grace=True)


@pytest.mark.parametrize(("processes", "share"), [(1, 100), (3, 33), (101, 0)])
async def test_processes_grant_their_even_part_and_together_never_more_than_the_limit(
    processes: int, share: int
) -> None:
    own = allowance(processes=processes)
    refused = await fault_of(own.grant(held("a", share + 1), ()))
    assert refused is not None
    assert (refused.kind, refused.money_left) == (FaultKind.BUDGET_EXCEEDED, share)
    if share:
        assert (await own.grant(held("a", share), ())).grace
        assert await fault_of(own.grant(held("b", 1), ())) is not None


async def test_the_day_is_the_organizations_and_what_was_not_used_of_a_hold_can_be_granted_again() -> None:
    own = allowance()
    hold = held("a", LIMIT)
    await own.grant(hold, ())
    await own.settle(graced(hold, 40))
    assert await own.granted("o1", time_zone="UTC", now_ns=NOON) == (40, 0)
    assert await fault_of(own.grant(held("b", 61), ())) is not None
    await own.grant(held("b", 60), ())
    await own.grant(held("c", LIMIT, at_ns=NOON + DAY_NS), ())


async def test_a_calls_own_limits_hold_too_and_a_refusal_leaves_no_trace() -> None:
    own = allowance()
    for limits in ([money(KEY, Window.MONTH, 10)], [money(ORG, Window.NOW, 10)]):
        assert await fault_of(own.grant(held("a", 11), limits)) is not None
    await own.grant(held("b", LIMIT), ())


async def test_a_call_without_a_price_is_refused_and_one_that_is_free_is_not() -> None:
    own = allowance(limit=0)
    unpriced = msgspec.structs.replace(held("a", 0), price_version="")
    refused = await fault_of(own.grant(unpriced, ()))
    assert refused is not None
    assert refused.kind is FaultKind.UNPRICED_MODEL
    await own.grant(msgspec.structs.replace(unpriced, request_type="count_tokens"), ())


class Store:
    """A store that is there or not, around the engines in memory."""

    def __init__(self) -> None:
        self.ledger, self.rates = MemoryLedger(), MemoryRates()
        self.is_there, self.asked = True, 0
        self.changes: list[bool] = []
        self.affected: list[str] = []
        self.reach = Reach(self.probe, SystemClock(), on_change=self.changes.append, interval_s=0.01)

    def ask(self) -> None:
        self.asked += 1
        if not self.is_there:
            raise Fault(FaultKind.STORE_UNAVAILABLE, "away", retry_after_s=1.0)

    async def probe(self) -> None:
        self.ask()

    async def reserve(self, *given: object, **named: object) -> Reserved:
        self.ask()
        return await self.ledger.reserve(*given, **named)  # type: ignore[arg-type]

    async def admit(self, *given: object, **named: object) -> object:
        self.ask()
        return await self.rates.admit(*given, **named)  # type: ignore[arg-type]


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_calls_ask_until_the_probe_has_failed_too_and_again_as_soon_as_one_succeeds() -> None:
    store = Store()
    own = allowance()
    ledger = GraceLedger(store, store.reach, own, store.affected.append)  # type: ignore[arg-type]
    rates = GraceRates(store, store.reach, own, store.affected.append)  # type: ignore[arg-type]
    caller = principal(requests(KEY, Window.MINUTE, 2))
    assert not (await rates.admit(caller, call_id="a", now_ns=NOON)).grace
    shared = await ledger.reserve(held("a", 10), ())
    assert not shared.held.grace
    store.is_there = False
    assert (await ledger.reserve(held("b", 10), ())).held.grace
    assert store.reach.is_worth_asking, "one failure stops nobody"
    assert await fault_of(ledger.reserve(held("a", 20), ())) is not None, "what is held there is not enlarged here"
    watching = asyncio.create_task(store.reach.watch())
    try:
        await until(lambda: not store.reach.is_worth_asking)
        admission = await rates.admit(caller, call_id="c", now_ns=NOON)
        assert admission.grace
        await rates.leave(admission)
        store.is_there = True
        await until(lambda: store.reach.since_ns is None)
    finally:
        watching.cancel()
    assert not (await ledger.reserve(held("d", 10), ())).held.grace
    assert (await ledger.reserve(msgspec.structs.replace(held("b", 20), grace=True), ())).held.grace
    assert (store.changes, set(store.affected), store.reach.outages) == ([False, True], {"o1"}, 1)


async def test_who_fails_closed_is_told_to_come_back() -> None:
    store = Store()
    store.is_there = False
    ledger = GraceLedger(store, store.reach, allowance(limit=None), store.affected.append)  # type: ignore[arg-type]
    refused = await fault_of(ledger.reserve(held("a", 1), ()))
    assert refused is not None
    assert (refused.kind, refused.retry_after_s) == (FaultKind.STORE_UNAVAILABLE, 1.0)


async def test_what_was_granted_is_recalled_from_the_file_and_the_journal_behind_it(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path)
    first, second, ordinary = held("a", 30), held("b", 20), held("c", 50)
    own = allowance()
    assert recall(own, tmp_path) == 0
    for hold, record in ((first, graced(first, 30)), (second, graced(second, 20)), (ordinary, settled(ordinary, 50))):
        await journal.append(hold)
        await journal.append(record)
    await journal.close()
    again = allowance()
    assert recall(again, tmp_path) == 2
    assert await again.granted("o1", time_zone="UTC", now_ns=NOON) == (50, 0)
    keep(tmp_path, JournalPosition("9" * 20, 0), await again.rows())
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    once_more = allowance()
    assert recall(once_more, tmp_path) == 0
    assert await once_more.granted("o1", time_zone="UTC", now_ns=NOON) == (50, 0)
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(ValueError, match="not readable"):
        recall(allowance(), tmp_path)
