"""What a crash leaves at the end of a segment is passed over; what breaks in the middle is told."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.ledger.build import held, settled

from onevault.core.records import Record
from onevault.stores.journal.frame import HEADER, PREFIX, RECORD_BYTES_MAX, framed
from onevault.stores.journal.reader import CHUNK_BYTES, Damage, JournalDamaged, read, records_after
from onevault.stores.journal.segment import Segment, segments
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.rollup import JournalPosition

HOLD = held("a", 100, tokens=50)
RECORDS: list[Record] = [HOLD, settled(HOLD, 30), held("b"), settled(held("b"), 5), held("c")]
FRAMES = [framed(record) for record in RECORDS]


def segment_of(directory: Path, content: bytes) -> Segment:
    directory.mkdir(exist_ok=True)
    (directory / f"{1:020d}-1.journal").write_bytes(content)
    return segments(directory)[0]


def test_a_tail_torn_at_any_byte_loses_the_last_record_and_nothing_else(tmp_path: Path) -> None:
    whole = b"".join(FRAMES)
    begins = len(whole) - len(FRAMES[-1])
    for cut in range(begins, len(whole)):
        segment = segment_of(tmp_path, whole[:cut])
        found = list(read(segment))
        assert [record for record, _ in found] == RECORDS[:-1]
        assert found[-1][1] == begins


async def test_after_a_torn_tail_the_next_process_writes_elsewhere_and_all_is_read(tmp_path: Path) -> None:
    segment_of(tmp_path, b"".join(FRAMES)[:-3])
    journal = JournalWriter(tmp_path, durability="os")
    await journal.append(RECORDS[-1])
    await journal.close()
    assert [record for record, _ in records_after(tmp_path, JournalPosition())] == RECORDS


@pytest.mark.parametrize("tail", [b"\0" * 5000, b"\xff" * 300, PREFIX, PREFIX * 50, FRAMES[0][:-1] + b"!"])
def test_a_tail_that_was_never_written_is_a_torn_tail(tmp_path: Path, tail: bytes) -> None:
    segment = segment_of(tmp_path, b"".join(FRAMES) + tail)
    assert [record for record, _ in read(segment)] == RECORDS


def test_a_byte_that_changed_anywhere_in_the_middle_is_told_with_where_to_go_on(tmp_path: Path) -> None:
    whole = b"".join(FRAMES)
    begins, ends = len(FRAMES[0]), len(FRAMES[0]) + len(FRAMES[1])
    for changed in range(begins, ends):
        segment = segment_of(tmp_path, whole[:changed] + bytes((whole[changed] ^ 0x40,)) + whole[changed + 1 :])
        found: list[Record] = []
        with pytest.raises(JournalDamaged) as damaged:
            found.extend(record for record, _ in read(segment))
        damage = damaged.value.damage
        assert (damage.segment, damage.offset, damage.resumes_at) == (segment.name, begins, ends)
        damages: list[Damage] = []
        assert [record for record, _ in read(segment, damages=damages)] == [RECORDS[0], *RECORDS[2:]]
        assert damages == [damage]
        assert [record for record, _ in read(segment, damage.resumes_at)] == RECORDS[2:]


def test_a_record_of_another_version_is_told_as_such(tmp_path: Path) -> None:
    other = PREFIX[:3] + b"\x02" + FRAMES[1][4:]
    segment = segment_of(tmp_path, FRAMES[0] + other + FRAMES[2])
    with pytest.raises(JournalDamaged, match="another version"):
        list(read(segment))


def test_a_whole_frame_that_is_no_record_is_told(tmp_path: Path) -> None:
    payload = b"\xc0"
    strange = HEADER.pack(PREFIX, 1, crc32(payload, crc32((1).to_bytes(4, "little")))) + payload
    segment = segment_of(tmp_path, FRAMES[0] + strange + FRAMES[2])
    with pytest.raises(JournalDamaged, match="not a record"):
        list(read(segment))
    damages: list[Damage] = []
    assert [record for record, _ in read(segment, damages=damages)] == [RECORDS[0], RECORDS[2]]
    assert (damages[0].offset, damages[0].resumes_at) == (len(FRAMES[0]), len(FRAMES[0]) + len(strange))


@pytest.mark.parametrize("rubbish", [3, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 7])
def test_rubbish_of_any_size_is_passed_over_to_the_next_record(tmp_path: Path, rubbish: int) -> None:
    for junk in (b"\0", b"\xf5", PREFIX):
        content = (junk * (rubbish // len(junk) + 1))[:rubbish]
        segment = segment_of(tmp_path, FRAMES[0] + content + FRAMES[1])
        damages: list[Damage] = []
        assert [record for record, _ in read(segment, damages=damages)] == RECORDS[:2]
        assert damages[-1].resumes_at == len(FRAMES[0]) + rubbish


def test_a_segment_much_larger_than_what_is_read_at_once_is_read_whole(tmp_path: Path) -> None:
    count = 3 * CHUNK_BYTES // len(FRAMES[1])
    segment = segment_of(tmp_path, FRAMES[1] * count)
    found = [end for _, end in read(segment)]
    assert (len(found), found[-1]) == (count, count * len(FRAMES[1]))


def test_a_record_as_large_as_can_be_fits_what_is_read_at_once(tmp_path: Path) -> None:
    large = held("a" * (RECORD_BYTES_MAX - 300))
    segment = segment_of(tmp_path, framed(large) + FRAMES[0] + framed(large) + framed(large) + FRAMES[1])
    assert [record for record, _ in read(segment)] == [large, RECORDS[0], large, large, RECORDS[1]]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_happens_to_the_bytes_nothing_is_invented(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = bytearray(b"".join(FRAMES))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(whole) - 1))
        piece = data.draw(st.binary(max_size=20))
        whole[where : where + data.draw(st.integers(0, 30))] = piece
        if not whole:
            break
    segment = segment_of(tmp_path_factory.mktemp("journal"), bytes(whole))
    found = [record for record, _ in read(segment, damages=[])]
    kept = iter(RECORDS)
    assert all(record in kept for record in found)  # a subsequence of what was written
