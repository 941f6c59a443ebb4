"""What was appended is read back: by whom, when, in which order, and when it may go."""

from __future__ import annotations

import asyncio
import itertools
import stat
from pathlib import Path

import msgspec
import pytest
from tests.contract.ledger.build import KEY, held, reset, settled

from onevault.core.faults import Fault, FaultKind
from onevault.core.records import Record
from onevault.stores.journal.commit import Durability
from onevault.stores.journal.frame import RECORD_BYTES_MAX, framed
from onevault.stores.journal.reader import read, records_after
from onevault.stores.journal.retirement import retire
from onevault.stores.journal.segment import segments
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.rollup import JournalPosition

HOLD = held("a", 100, tokens=50)
RECORDS: list[Record] = [HOLD, settled(HOLD, 30, tokens=20), reset(KEY), settled(held("b", 0), 0, was_held=False)]


def everything(directory: Path) -> list[Record]:
    return [record for record, _ in records_after(directory, JournalPosition())]


async def test_what_was_appended_is_read_back_in_order_while_the_writer_is_at_work(
    journal: JournalWriter, directory: Path
) -> None:
    for count, record in enumerate(RECORDS, start=1):
        await journal.append(record)
        assert everything(directory) == RECORDS[:count]


async def test_reading_goes_on_where_it_ended(journal: JournalWriter, directory: Path) -> None:
    position = JournalPosition()
    for record in RECORDS:
        await journal.append(record)
        ((found, position),) = records_after(directory, position)
        assert found == record
    assert list(records_after(directory, position)) == []


async def test_concurrent_appends_are_all_there_once(journal: JournalWriter, directory: Path) -> None:
    holds = [held(f"c{number}") for number in range(500)]
    await asyncio.gather(*(journal.append(hold) for hold in holds))
    assert everything(directory) == holds


async def test_files_are_the_owners_alone(journal: JournalWriter, directory: Path) -> None:
    await journal.append(HOLD)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [stat.S_IMODE(segment.path.stat().st_mode) for segment in segments(directory)] == [0o600]


async def test_segments_are_bounded_and_sort_by_age(directory: Path, durability: Durability) -> None:
    journal = JournalWriter(directory, durability=durability, segment_bytes_max=1000, group_interval_ms=1)
    holds = [held(f"c{number}") for number in range(50)]
    for hold in holds:
        await journal.append(hold)
    await journal.close()
    assert everything(directory) == holds
    assert len(segments(directory)) > 5
    assert all(segment.path.stat().st_size <= 1000 for segment in segments(directory))


async def test_a_segment_that_ends_while_it_is_followed_is_read_to_its_end(directory: Path) -> None:
    journal = JournalWriter(directory, durability="os", segment_bytes_max=700)
    holds = [held(f"c{number}") for number in range(40)]
    position, found = JournalPosition(), []
    for number, hold in enumerate(holds):
        await journal.append(hold)
        if number % 3 == 0:
            for record, end in list(records_after(directory, position)):
                found.append(record)
                position = end
    found.extend(record for record, _ in records_after(directory, position))
    await journal.close()
    assert found == holds


async def test_a_new_process_begins_a_segment_of_its_own_after_all_others_though_the_clock_went_back(
    directory: Path,
) -> None:
    for wall_ns in (2_000, 1_000, 3_000):
        journal = JournalWriter(directory, durability="os", wall_ns=lambda wall_ns=wall_ns: wall_ns)
        await journal.append(held(f"at {wall_ns}"))
        await journal.close()
    assert [segment.sequence for segment in segments(directory)] == [2_000, 2_001, 3_000]
    assert [record.call_id for record in everything(directory)] == ["at 2000", "at 1000", "at 3000"]


async def test_a_closed_journal_takes_nothing_and_closing_twice_is_closing_once(directory: Path) -> None:
    journal = JournalWriter(directory)
    await journal.close()
    await journal.close()
    with pytest.raises(Fault) as refusal:
        await journal.append(HOLD)
    assert refusal.value.kind is FaultKind.STORE_UNAVAILABLE


async def test_a_directory_that_cannot_be_is_a_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot be written"):
        JournalWriter(tmp_path / "file" / "journal")


async def test_a_record_of_absurd_size_keeps_its_money_and_loses_its_texts(directory: Path) -> None:
    journal = JournalWriter(directory, durability="os")
    huge = msgspec.structs.replace(settled(held("a"), 7), end_user="x" * (2 * RECORD_BYTES_MAX))
    await journal.append(huge)
    await journal.close()
    (found,) = everything(directory)
    assert len(framed(found)) < 10_000
    assert (found.call_id, found.cost, found.scopes) == ("a", 7, huge.scopes)


# ---- the quota ---------------------------------------------------------------------------------------------------------


async def test_the_quota_refuses_holds_and_lets_every_settlement_of_a_hold_through(
    directory: Path, durability: Durability
) -> None:
    quota = 64 << 10
    journal = JournalWriter(directory, durability=durability, disk_bytes_max=quota, segment_bytes_max=4096)
    taken = []
    with pytest.raises(Fault, match="quota") as refusal:
        for number in itertools.count():
            await journal.append(held(f"c{number}"))
            taken.append(held(f"c{number}"))
    assert refusal.value.kind is FaultKind.STORE_UNAVAILABLE
    assert refusal.value.retry_after_s is not None
    assert len(taken) > 5
    for hold in taken:
        await journal.append(settled(hold, 1))
    assert len(everything(directory)) == 2 * len(taken)
    assert sum(segment.path.stat().st_size for segment in segments(directory)) <= quota
    assert journal.status().deferred == 0
    await journal.close()


async def test_room_that_was_made_by_retiring_segments_is_seen(directory: Path) -> None:
    clock = itertools.count(1, 10**9)
    journal = JournalWriter(
        directory, durability="os", disk_bytes_max=16 << 10, segment_bytes_max=2048, wall_ns=lambda: next(clock)
    )
    with pytest.raises(Fault, match="quota"):
        for number in range(10_000):
            await journal.append(held(f"c{number}"))
            await journal.append(settled(held(f"c{number}"), 1))
    *_, (_, position) = records_after(directory, JournalPosition())
    assert len(retire(directory, position)) > 1
    await journal.append(held("again"))
    await journal.close()


# ---- retiring ----------------------------------------------------------------------------------------------------------


async def _segments_of(directory: Path, *parts: list[Record]) -> list[str]:
    """A journal of one segment for each part, as one process a part would leave it."""
    for number, part in enumerate(parts, start=1):
        journal = JournalWriter(directory, durability="os", wall_ns=lambda number=number: number)
        for record in part:
            await journal.append(record)
        await journal.close()
    return [segment.name for segment in segments(directory)]


A, B, C, D = held("a"), held("b"), held("c"), held("d")


@pytest.mark.parametrize(
    ("parts", "loaded_segments", "retired"),
    [
        ([[A, settled(A, 1)], [B, settled(B, 1)], []], 2, [0, 1]),
        ([[A, settled(A, 1)], [B, settled(B, 1)], []], 1, [0]),
        ([[A, settled(A, 1)], [B, settled(B, 1)], []], 0, []),
        ([[A], [B, settled(B, 1)], []], 2, [1]),  # a hold that nothing has settled keeps its segment
        ([[A], [settled(A, 1)], []], 2, [0, 1]),  # it was settled in the next one
        ([[A], [B], [settled(A, 1)]], 2, [0]),
        ([[A, B], [settled(A, 1)], []], 2, []),  # a hold that stays would be settled again without what settles it
        ([[A, B], [C], [settled(A, 1), settled(C, 1)], [D, settled(D, 1)], []], 4, [1, 3]),
        ([[A, B], [settled(A, 1), C], [settled(C, 1)], [settled(B, 1)], []], 4, [0, 1, 2, 3]),
        ([[A, settled(A, 1)]], 1, []),  # the newest always stays
        ([[], [], []], 0, []),
        ([[reset(KEY)], []], 1, [0]),
    ],
)
async def test_what_is_loaded_and_settled_is_retired(
    directory: Path, parts: list[list[Record]], loaded_segments: int, retired: list[int]
) -> None:
    names = await _segments_of(directory, *parts)
    position = JournalPosition()
    for segment in segments(directory)[:loaded_segments]:
        position = JournalPosition(segment.name, max((end for _, end in read(segment)), default=0))
    assert retire(directory, position) == [names[number] for number in retired]
    assert [segment.name for segment in segments(directory)] == [
        name for number, name in enumerate(names) if number not in retired
    ]
    assert retire(directory, position) == []


async def test_a_segment_that_is_loaded_in_part_is_not_retired(directory: Path) -> None:
    names = await _segments_of(directory, [A, settled(A, 1), B, settled(B, 1)], [])
    ends = [end for _, end in read(segments(directory)[0])]
    for end in (0, *ends[:-1]):
        assert retire(directory, JournalPosition(names[0], end)) == []
    assert retire(directory, JournalPosition(names[0], ends[-1])) == names[:1]
