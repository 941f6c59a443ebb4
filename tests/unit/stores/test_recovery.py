"""After any end of a process, the next one knows the same figures, and every hold has come to a settlement."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.contract.ledger.build import (
    KEY,
    NOON,
    ORG,
    SCOPES,
    SECOND_NS,
    USER,
    fault_of,
    held,
    money,
    principal,
    requests,
    reset,
    settled,
    tokens,
)

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ScopeId, Window
from onevault.core.ports import Figures
from onevault.core.records import Held, Outcome, QuotaReset, Record, Settled
from onevault.core.usage import UsageSource
from onevault.core.windows import day_and_month
from onevault.stores.journal.frame import framed
from onevault.stores.journal.reader import records_after
from onevault.stores.journal.segment import segments
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.recovery import Recovery, recover
from onevault.stores.rollup import JournalPosition, ScopeUsage

LATER = NOON + 600 * SECOND_NS


async def write(directory: Path, *records: Record, sequence: int = 1) -> list[JournalPosition]:
    """A process that appends and ends without another word; the positions after each record."""
    journal = JournalWriter(directory, durability="os", wall_ns=lambda: sequence)
    for record in records:
        await journal.append(record)
    await journal.close()
    return [position for _, position in records_after(directory, JournalPosition())]


async def start(
    directory: Path, *, rollups: list[ScopeUsage] | None = None, position: JournalPosition | None = None
) -> tuple[MemoryLedger, MemoryRates, Recovery]:
    ledger, rates = MemoryLedger(), MemoryRates()
    journal = JournalWriter(directory, durability="os")
    try:
        recovery = await recover(
            ledger=ledger,
            rates=rates,
            rollups=rollups or [],
            position=position or JournalPosition(),
            journal_directory=directory,
            journal=journal,
            now_ns=LATER,
        )
    finally:
        await journal.close()
    return ledger, rates, recovery


async def figures(ledger: MemoryLedger, scope: ScopeId = ORG) -> Figures:
    return await ledger.figures(scope, time_zone="UTC", now_ns=LATER)


def rolled_up(records: list[Record]) -> list[ScopeUsage]:
    """What a loader would keep of some records, counted the simplest way."""
    sums: dict[tuple[ScopeId, str], list[int]] = {}
    for record in records:
        match record:
            case Settled(held=True):
                for scope in record.scopes:
                    for label in (*day_and_month(record.started_ns, record.time_zone), ""):
                        row = sums.setdefault((scope, label), [0, 0, 0, 0])
                        row[0] += record.cost
                        row[1] += record.usage.total_tokens
                        row[2] += 1
                        row[3] += max(0, record.cost - record.amount_held)
            case QuotaReset():
                for label in day_and_month(record.at_ns, record.time_zone):
                    if (record.scope, label) in sums:
                        sums[record.scope, label][:3] = [0, 0, 0]
            case _:
                pass
    windows = {0: Window.TOTAL, 7: Window.MONTH, 10: Window.DAY}
    return [ScopeUsage(scope, windows[len(label)], label, *row) for (scope, label), row in sums.items()]


async def test_an_empty_journal_and_an_empty_vault_are_an_empty_ledger(tmp_path: Path) -> None:
    ledger, _, recovery = await start(tmp_path)
    assert (await figures(ledger)).spent_total == 0
    assert (recovery.records, recovery.holds_settled) == (0, 0)


async def test_a_hold_without_settlement_is_settled_at_all_that_was_held_and_marked(tmp_path: Path) -> None:
    hold = held("a", 100, tokens=50)
    await write(tmp_path, hold)
    ledger, _, recovery = await start(tmp_path)
    assert (recovery.holds_settled, recovery.amount_settled) == (1, 100)
    (_, ending) = [record for record, _ in records_after(tmp_path, JournalPosition())]
    assert isinstance(ending, Settled)
    assert (ending.call_id, ending.cost, ending.amount_held, ending.usage.total_tokens) == ("a", 100, 100, 50)
    assert (ending.usage_source, ending.outcome) == (UsageSource.WORST_CASE, Outcome.ERROR)
    assert ending.fault == FaultKind.INTERNAL.value
    assert (ending.started_ns, ending.at_ns, ending.scopes, ending.caller) == (NOON, LATER, SCOPES, hold.caller)
    found = await figures(ledger)
    assert (found.spent_day, found.held, found.tokens_month, found.overshoot) == (100, 0, 50, 0)


async def test_recovering_again_changes_nothing(tmp_path: Path) -> None:
    await write(tmp_path, held("a", 100), held("b", 50), settled(held("b", 50), 20))
    first, _, _ = await start(tmp_path)
    for _ in range(3):
        again, _, recovery = await start(tmp_path)
        assert recovery.holds_settled == 0
        assert await figures(again) == await figures(first)


async def test_a_limit_is_kept_across_the_death_of_the_process(tmp_path: Path) -> None:
    await write(tmp_path, held("a", 60), held("b", 50), settled(held("b", 50), 30))
    ledger, _, _ = await start(tmp_path)
    limits = [money(KEY, Window.DAY, 100), tokens(KEY, Window.MINUTE, 100)]
    with pytest.raises(Fault):
        await ledger.reserve(held("c", 11, at_ns=LATER), limits)
    await ledger.reserve(held("c", 10, at_ns=LATER), limits)


async def test_rates_of_the_day_and_month_are_restored_and_reset_as_the_journal_has_it(tmp_path: Path) -> None:
    loaded, later = held("loaded"), held("later")
    positions = await write(
        tmp_path,
        loaded,
        settled(loaded, 1),
        later,
        settled(later, 1),
        settled(held("never held", 0), 0, was_held=False),
        held("open"),
        reset(USER, at_ns=LATER),
    )
    rollups = rolled_up([settled(loaded, 1)])
    _, rates, _ = await start(tmp_path, rollups=rollups, position=positions[1])
    for scope, left in ((KEY, 2), (ORG, 2), (USER, 4)):  # the hold that was left open came after the reset of the user
        for window in (Window.DAY, Window.MONTH):
            _, rates, _ = await start(tmp_path, rollups=rollups, position=positions[1])
            caller = principal(requests(scope, window, 5))
            admitted = 0
            while await fault_of(rates.admit(caller, call_id=f"c{admitted}", now_ns=LATER)) is None:
                admitted += 1
            assert admitted == left, (scope, window)


@pytest.mark.parametrize(
    ("records", "spent", "requests_counted", "duplicates"),
    [
        ([held("a", 9), settled(held("a", 9), 4), settled(held("a", 9), 4)], 4, 1, 1),
        ([held("a", 9), settled(held("a", 9), 0, was_held=False)], 0, 0, 0),  # refused though its hold got through
        ([settled(held("a", 9), 4)], 4, 1, 0),  # its hold is in a segment that was retired
        ([settled(held("a", 9), 4), held("a", 9)], 4, 1, 0),
        ([held("a", 9), settled(held("a", 9), 4), reset(ORG), held("b", 9), settled(held("b", 9), 3)], 3, 1, 0),
        (
            [held("a", 9), settled(held("a", 9), 4), reset(ORG), held("b", 9), settled(held("b", 9), 3), reset(ORG)],
            3,
            1,
            1,
        ),
    ],
)
async def test_records_count_once_whatever_stands_in_the_journal(
    tmp_path: Path, records: list[Record], spent: int, requests_counted: int, duplicates: int
) -> None:
    await write(tmp_path, *records)
    ledger, _, recovery = await start(tmp_path)
    found = await figures(ledger)
    assert (found.spent_day, found.requests_day, found.held) == (spent, requests_counted, 0)
    assert (recovery.duplicates, recovery.holds_settled) == (duplicates, 0)


def _history(seed: int) -> list[Record]:
    """Calls of three weeks, some of which never end."""
    chance = random.Random(seed)
    records: list[Record] = []
    in_flight: list[Held] = []
    for number in range(120):
        at_ns = NOON - chance.randint(0, 3 * 24 * 3600) * SECOND_NS
        match chance.randrange(10):
            case 0:
                records.append(reset(chance.choice(SCOPES), at_ns=at_ns, reset_id=f"r{number}"))
            case 1 | 2 | 3 | 4 if in_flight:
                hold = in_flight.pop(chance.randrange(len(in_flight)))
                records.append(settled(hold, chance.randint(0, 120), tokens=chance.randint(0, 50)))
            case _:
                hold = held(f"c{number}", chance.randint(0, 100), tokens=chance.randint(0, 50), at_ns=at_ns)
                in_flight.append(hold)
                records.append(hold)
    return [*records, held("open", 100, tokens=50)]


@pytest.mark.parametrize("seed", range(4))
async def test_wherever_the_vault_stopped_loading_the_figures_are_the_same(tmp_path: Path, seed: int) -> None:
    history = _history(seed)
    positions = await write(tmp_path / "all", *history)
    expected, _, once = await start(tmp_path / "all")
    assert once.holds_settled > 0
    for loaded in range(0, len(history), 7):
        directory = tmp_path / str(loaded)
        await write(directory, *history)
        position = positions[loaded - 1] if loaded else JournalPosition()
        position = JournalPosition(segments(directory)[0].name, position.offset) if loaded else position
        ledger, _, recovery = await start(directory, rollups=rolled_up(history[:loaded]), position=position)
        assert recovery.holds_settled == once.holds_settled
        for scope in SCOPES:
            for now_ns in (NOON, NOON - 24 * 3600 * SECOND_NS, NOON - 48 * 3600 * SECOND_NS):
                of_both = [await known.figures(scope, time_zone="UTC", now_ns=now_ns) for known in (ledger, expected)]
                assert of_both[0] == of_both[1]


class Died(Exception):
    """The process is no more."""


class _Dying(JournalWriter):
    """A journal whose process dies after some records: what was appended stays, the rest never happens."""

    appends_left = 0

    async def append(self, record: Record) -> None:
        if self.appends_left == 0:
            raise Died
        self.appends_left -= 1
        await super().append(record)


async def test_dying_anywhere_in_the_middle_of_recovery_settles_each_hold_once(tmp_path: Path) -> None:
    await write(tmp_path, *(held(f"c{number}", 10) for number in range(6)))
    for appends in (0, 1, 2, 1):
        journal = _Dying(tmp_path, durability="os")
        journal.appends_left = appends
        with pytest.raises(Died):
            await recover(
                ledger=MemoryLedger(),
                rates=MemoryRates(),
                rollups=[],
                position=JournalPosition(),
                journal_directory=tmp_path,
                journal=journal,
                now_ns=LATER,
            )
        await journal.close()
    ledger, _, recovery = await start(tmp_path)
    assert recovery.holds_settled == 2
    found = await figures(ledger)
    assert (found.spent_day, found.requests_day, found.held) == (60, 6, 0)
    endings = [record for record, _ in records_after(tmp_path, JournalPosition()) if isinstance(record, Settled)]
    assert sorted(record.call_id for record in endings) == [f"c{number}" for number in range(6)]


async def test_damage_is_reported_and_a_hold_whose_settlement_was_lost_in_it_is_settled(tmp_path: Path) -> None:
    hold = held("a", 100)
    await write(tmp_path, hold, settled(hold, 10), held("b", 7), settled(held("b", 7), 7))
    path = segments(tmp_path)[0].path
    content = bytearray(path.read_bytes())
    content[len(framed(hold)) + 30] ^= 1
    path.write_bytes(content)
    ledger, _, recovery = await start(tmp_path)
    assert [damage.offset for damage in recovery.damages] == [len(framed(hold))]
    assert (recovery.holds_settled, recovery.amount_settled) == (1, 100)
    assert (await figures(ledger)).spent_day == 107


async def test_a_hundred_thousand_records_are_recovered_to_the_nano(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, durability="os")
    for number in range(50_000):
        hold = held(f"{number:032x}", 100, tokens=50)
        await journal.append(hold)
        if number % 100:
            await journal.append(settled(hold, 30, tokens=20))
    await journal.close()
    ledger, _, recovery = await start(tmp_path)
    assert (recovery.records, recovery.holds_settled) == (99_500, 500)
    assert (await figures(ledger)).spent_total == 49_500 * 30 + 500 * 100
