"""A process that is killed in the middle of appending loses nothing that it was told is in the journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.patience import PATIENCE_S

from onevault.core.records import Held, Settled
from onevault.stores.journal.commit import Durability
from onevault.stores.journal.reader import records_after
from onevault.stores.journal.segment import segments
from onevault.stores.rollup import JournalPosition

KILLS = 25 if os.environ.get("ONEVAULT_TEST_LONG") else 5

CHILD = """
import asyncio, os, sys
from pathlib import Path
from onevault.stores.journal.writer import JournalWriter
from tests.contract.ledger.build import held, settled

async def serve(journal, life, task):
    for number in range(1_000_000):
        hold = held(f"{life}-{task}-{number}", 100)
        await journal.append(hold)
        os.write(1, f"held {hold.call_id}\\n".encode())
        await asyncio.sleep(0)
        await journal.append(settled(hold, 30))
        os.write(1, f"settled {hold.call_id}\\n".encode())

async def main(directory, durability, life):
    journal = JournalWriter(Path(directory), durability=durability, segment_bytes_max=20_000, group_interval_ms=1)
    await asyncio.gather(*(serve(journal, life, task) for task in range(8)))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("durability", ["group", "always", "os"])
def test_nothing_that_was_acknowledged_is_lost_however_often_the_process_is_killed(
    tmp_path: Path, durability: Durability
) -> None:
    directory = tmp_path / "journal"
    acknowledged: list[str] = []
    for life in range(KILLS):
        said = tmp_path / f"said-{life}"
        with said.open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, str(directory), durability, str(life)],
                stdout=output,
                cwd=Path(__file__).parents[3],
            )
            deadline = time.monotonic() + PATIENCE_S
            while said.stat().st_size < 5_000 + 3_000 * life:
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.005)
            child.send_signal(signal.SIGKILL)
            child.wait()
        *lines, _cut_off = said.read_text().split("\n")
        assert len(lines) > 50
        acknowledged.extend(lines)
    found = [record for record, _ in records_after(directory, JournalPosition())]  # raises where there is damage
    written = [
        f"{'held' if isinstance(record, Held) else 'settled'} {record.call_id}"
        for record in found
        if isinstance(record, Held | Settled)
    ]
    assert len(written) == len(found) == len(set(written))
    assert set(acknowledged) <= set(written)
    assert len(written) - len(acknowledged) <= 9 * KILLS  # at most what was under way
    assert len(segments(directory)) > KILLS
