"""A disk that takes no more, for real: a child process whose files may not grow beyond a limit, and may later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onevault.core.records import Held, Settled
from onevault.stores.journal.commit import Durability
from onevault.stores.journal.reader import records_after
from onevault.stores.rollup import JournalPosition

CHILD = """
import asyncio, json, resource, sys
from pathlib import Path
from onevault.core.faults import Fault
from onevault.stores.journal.reader import records_after
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.rollup import JournalPosition
from tests.contract.ledger.build import fault_of, held, reset, settled, KEY

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def count():
    return len(list(records_after(Path(sys.argv[1]), JournalPosition())))

async def main(directory, durability):
    journal = JournalWriter(Path(directory), durability=durability, group_interval_ms=1)
    said = {}
    in_flight = [held(f"before-{number}", 100) for number in range(20)]
    for hold in in_flight:
        await journal.append(hold)
    end = Path(directory, journal.status().segment).stat().st_size
    limit(end + 50)  # a part of the next record still fits
    fault = await fault_of(journal.append(held("refused", 100)))
    said["refused"] = [fault.kind.value, fault.message, fault.retry_after_s]
    said["size_grew_by"] = Path(directory, journal.status().segment).stat().st_size - end
    said["records_after_refusal"] = count()
    for hold in in_flight[:10]:
        await journal.append(settled(hold, 30))
    said["deferred"] = journal.status().deferred
    said["unheld"] = (await fault_of(journal.append(settled(held("u", 0), 0, was_held=False)))).kind.value
    said["refused_settled"] = (await fault_of(journal.append(settled(held("refused", 100), 0)))).kind.value
    said["reset"] = (await fault_of(journal.append(reset(KEY)))).kind.value
    said["records_while_full"] = count()
    limit(end + 1_000)  # room for some of them: they are written by themselves, in order
    await asyncio.sleep(0.4)
    said["deferred_with_some_room"] = journal.status().deferred
    said["held_with_some_room"] = (await fault_of(journal.append(held("too early")))).kind.value
    limit(resource.RLIM_INFINITY)
    for hold in in_flight[10:15]:
        await journal.append(settled(hold, 30))
    said["deferred_at_last"] = journal.status().deferred
    await journal.append(held("after", 100))
    limit(Path(directory, journal.status().segment).stat().st_size)
    for hold in in_flight[15:]:
        await journal.append(settled(hold, 30))
    if len(sys.argv) > 3:
        said["closed"] = (await fault_of(journal.close())).message
    else:
        limit(resource.RLIM_INFINITY)
        await journal.close()
    print(json.dumps(said))

asyncio.run(main(*sys.argv[1:3]))
"""


def run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("durability", ["group", "always", "os"])
def test_a_full_disk_refuses_holds_and_keeps_settlements_in_order_until_there_is_room(
    tmp_path: Path, durability: Durability
) -> None:
    said = run(str(tmp_path), durability)
    assert said["refused"][0] == "STORE_UNAVAILABLE"
    assert said["refused"][2] > 0
    assert (said["size_grew_by"], said["records_after_refusal"]) == (0, 20)
    assert (said["deferred"], said["records_while_full"]) == (10, 20)
    assert {said[name] for name in ("unheld", "refused_settled", "reset", "held_with_some_room")} == {
        "STORE_UNAVAILABLE"
    }
    assert 0 < said["deferred_with_some_room"] < 10
    assert said["deferred_at_last"] == 0
    records = [record for record, _ in records_after(tmp_path, JournalPosition())]
    assert [record.call_id for record in records if isinstance(record, Held)] == [
        *(f"before-{number}" for number in range(20)),
        "after",
    ]
    assert [record.call_id for record in records if isinstance(record, Settled)] == [
        f"before-{number}" for number in range(20)
    ]


def test_settlements_that_the_disk_does_not_take_before_the_end_are_told(tmp_path: Path) -> None:
    said = run(str(tmp_path), "group", "stays full")
    assert said["closed"].startswith("5 settlements could not be written to the journal")
    assert "worst case" in said["closed"]
    records = [record for record, _ in records_after(tmp_path, JournalPosition())]
    assert len([record for record in records if isinstance(record, Settled)]) == 15
