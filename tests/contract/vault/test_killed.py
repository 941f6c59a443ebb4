"""Kill -9 of the process that loads, while another goes on writing the journal: nothing is lost, nothing counts twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import Connection
from tests.contract.vault.calls import NOON_NS, settled_call

from onevault.core.identity import ScopeId, Window
from onevault.core.money import Nanos
from onevault.stores.sql.engine import open_vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.usage import VaultUsage

ROOT = Path(__file__).parents[3]
KILLS = 200 if os.environ.get("ONEVAULT_TEST_LONG") else 12
CALLS = 60_000 if os.environ.get("ONEVAULT_TEST_LONG") else 6_000

APPENDS = """
import asyncio, pathlib, sys
from onevault.stores.journal.writer import JournalWriter
from tests.contract.vault.calls import held_call, settled_call

async def main():
    writer = JournalWriter(pathlib.Path(sys.argv[1]) / "journal", durability="os", segment_bytes_max=200_000)
    for number in range(int(sys.argv[2])):
        await writer.append(held_call(number))
        await writer.append(settled_call(number))
        if number % 10 == 0:
            await asyncio.sleep(0.01)
    await writer.close()
asyncio.run(main())
"""

LOADS = """
import asyncio, pathlib, sys
from onevault.stores.sql.engine import open_vault
from onevault.stores.sql.loader import Loader

async def main():
    directory = pathlib.Path(sys.argv[1])
    async with open_vault(directory) as vault:
        await Loader(vault, directory / "journal", batch_records_max=50, interval_ms=1).run()
asyncio.run(main())
"""


def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stderr=subprocess.PIPE)


TABLES = (
    "api_request_h",
    "api_request_s",
    "api_request_detail_s",
    "api_request_attempt_s",
    "api_request_l",
    "v_api_request_current",
)


def count(connection: Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT COUNT(*) FROM gateway.{table}").scalar_one())


async def test_a_killed_loader_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    dice = random.Random(2)
    appender = start(APPENDS, str(tmp_path), str(CALLS))
    for _ in range(KILLS):
        loader = start(LOADS, str(tmp_path))
        # From amid the imports and the creation of the files to amid the batches.
        time.sleep(dice.uniform(0.1, 0.9))
        assert loader.poll() is None, loader.communicate()
        loader.send_signal(signal.SIGKILL)
        loader.communicate()
    _, complaints = appender.communicate(timeout=250)
    assert appender.returncode == 0, complaints
    async with open_vault(tmp_path) as vault:
        last = Loader(vault, tmp_path / "journal")
        await last.flush(timeout_s=60)

        rows = [await vault.read(lambda connection, table=table: count(connection, table)) for table in TABLES]  # type: ignore[misc]
        assert dict(zip(TABLES, rows, strict=True)) == dict.fromkeys(TABLES, CALLS)
        cost = sum(settled_call(number).cost for number in range(CALLS))
        query = "SELECT SUM(cost_nanos) FROM gateway.api_request_detail_s"
        assert await vault.read(lambda connection: connection.exec_driver_sql(query).scalar_one()) == cost
        rollups = await last.rollups(NOON_NS)
        for window in (Window.DAY, Window.MONTH, Window.TOTAL):
            organizations = [row for row in rollups if row.window is window and row.scope.startswith("org:")]
            assert sum(row.requests for row in organizations) == CALLS
            assert sum(row.money for row in organizations) == cost
        by_model = [
            row
            for number in (0, 1)
            for row in await VaultUsage(vault).by_model(ScopeId(f"org:org_{number}"), "2026-11")
        ]
        assert sum(row.cost for row in by_model) == Nanos(cost)
