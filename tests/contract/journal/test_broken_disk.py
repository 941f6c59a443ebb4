"""A disk that fails in ways that no ordinary file system does on demand: the system call itself is made to fail."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
from tests.contract.ledger.build import fault_of, held, settled

from onevault.core.faults import Fault, FaultKind
from onevault.core.records import Record
from onevault.stores.journal.reader import records_after
from onevault.stores.journal.segment import segments
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.rollup import JournalPosition


class Failing:
    """A system call that fails while `broken`, and counts how often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.broken = False
        self.calls = 0
        real = getattr(os, name)

        def call(*arguments: object) -> object:
            if self.broken:
                self.calls += 1
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*arguments)

        monkeypatch.setattr(os, name, call)


def everything(directory: Path) -> list[Record]:
    return [record for record, _ in records_after(directory, JournalPosition())]


async def test_a_torn_record_that_cannot_be_cut_off_ends_its_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truncate = Failing(monkeypatch, "ftruncate")
    real_write = os.write
    journal = JournalWriter(tmp_path, durability="os")
    await journal.append(held("a"))
    truncate.broken, parts = True, iter((40,))

    def half(descriptor: int, data: bytes) -> int:
        for length in parts:
            return real_write(descriptor, data[:length])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", half)
    assert (await fault_of(journal.append(held("torn")))) is not None
    monkeypatch.setattr(os, "write", real_write)
    assert truncate.calls == 1
    await journal.append(held("b"))
    await journal.close()
    assert everything(tmp_path) == [held("a"), held("b")]
    assert len(segments(tmp_path)) == 2


async def test_a_record_that_the_disk_takes_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:37]))
    journal = JournalWriter(tmp_path, durability="os")
    await journal.append(held("a"))
    await journal.append(settled(held("a"), 3))
    await journal.close()
    assert everything(tmp_path) == [held("a"), settled(held("a"), 3)]


async def test_a_settlement_never_overtakes_one_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalWriter(tmp_path, durability="os")
    for name in ("first", "second"):
        await journal.append(held(name))
    real_write = os.write

    def all_but_the_first(descriptor: int, data: bytes) -> int:
        if b"first" in data:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real_write(descriptor, data)

    monkeypatch.setattr(os, "write", all_but_the_first)
    await journal.append(settled(held("first"), 1))
    await journal.append(settled(held("second"), 2))
    assert journal.status().deferred == 2
    monkeypatch.setattr(os, "write", real_write)
    await journal.close()
    assert everything(tmp_path)[2:] == [settled(held("first"), 1), settled(held("second"), 2)]


async def test_a_failed_sync_takes_back_what_was_not_promised_and_writes_settlements_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Failing(monkeypatch, "fdatasync")
    journal = JournalWriter(tmp_path, durability="always")
    await journal.append(held("a"))
    sync.broken = True
    refused, kept = await asyncio.gather(
        fault_of(journal.append(held("b"))), fault_of(journal.append(settled(held("a"), 3)))
    )
    assert isinstance(refused, Fault)
    assert refused.kind is FaultKind.STORE_UNAVAILABLE
    assert kept is None
    assert everything(tmp_path) == [held("a")]
    assert journal.status().holds_open == 0
    sync.broken = False
    await journal.append(held("c"))
    assert journal.status().deferred == 0
    await journal.close()
    assert everything(tmp_path) == [held("a"), settled(held("a"), 3), held("c")]
    assert journal.status().errors == 1


async def test_a_failed_sync_in_the_background_begins_a_new_segment_and_takes_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Failing(monkeypatch, "fdatasync")
    journal = JournalWriter(tmp_path, durability="group", group_interval_ms=1)
    sync.broken = True
    await journal.append(held("a"))
    async with asyncio.timeout(5):
        while not journal.status().errors:
            await asyncio.sleep(0.001)
    sync.broken = False
    await journal.append(held("b"))
    await journal.close()
    assert everything(tmp_path) == [held("a"), held("b")]
    assert len(segments(tmp_path)) == 2


async def test_a_segment_that_cannot_be_followed_by_another_grows_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = JournalWriter(tmp_path, durability="os", segment_bytes_max=500)
    opening = Failing(monkeypatch, "open")
    opening.broken = True
    holds = [held(f"c{number}") for number in range(20)]
    for hold in holds:
        await journal.append(hold)
    opening.broken = False
    await journal.append(held("last"))
    await journal.close()
    assert everything(tmp_path) == [*holds, held("last")]
    assert len(segments(tmp_path)) == 2
