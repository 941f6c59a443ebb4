"""Kill -9 of the process that loads, while another goes on writing the journal: nothing is lost, nothing counts twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Connection
from tests.contract.vault.calls import NOON_NS, settled_call

from onevault.core.identity import ScopeId, Window
from onevault.core.money import Nanos
from onevault.stores.sql.engine import open_vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.usage import VaultUsage

ROOT = Path(__file__).parents[3]
KILLS = 200 if os.environ.get("ONEVAULT_TEST_LONG") else 10
CALLS = 60_000 if os.environ.get("ONEVAULT_TEST_LONG") else 8_000

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
import asyncio, os, pathlib, signal, sys
from sqlalchemy import Engine, event
from onevault.stores.sql.engine import open_vault
from onevault.stores.sql.loader import Loader

left, last = int(sys.argv[2]), ""

def trace(statement):
    # Called before each statement runs, BEGIN and COMMIT too. Rows of one table in a row count once, so that death is as
    # likely between two transactions as amid one.
    global left, last
    if statement[:45] != last:
        left, last = left - 1, statement[:45]
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

@event.listens_for(Engine, "connect")
def connected(connection, record):
    connection.set_trace_callback(trace)

async def main():
    directory = pathlib.Path(sys.argv[1])
    async with open_vault(directory) as vault:
        await Loader(vault, directory / "journal", batch_records_max=20, interval_ms=1).run()
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
    for kill in range(KILLS):
        # Every other one dies before a statement drawn by lot, from the creation of the tables on; the rest at any time.
        by_lot = kill % 2 == 0
        loader = start(LOADS, str(tmp_path), str(dice.randint(2, 250) if by_lot else 0))
        try:
            _, complaints = loader.communicate(timeout=5 if by_lot else dice.uniform(0.2, 0.8))
        except subprocess.TimeoutExpired:
            loader.send_signal(signal.SIGKILL)
            loader.communicate()
        else:
            assert loader.returncode == -signal.SIGKILL, complaints
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
