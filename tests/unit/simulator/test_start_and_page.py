"""The simulator in the foreground, and its page checked against the code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.unit.simulator.conftest import CHAT, body_of, request_of

from onevault.simulator.directives import DIRECTIVES
from onevault.simulator.faults import CATALOGUE

PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"
START = "from onevault.simulator.server import run; from onevault.simulator.settings import Settings; run(Settings(), '127.0.0.1', {port})"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_prints_its_address_serves_and_stops_at_a_signal(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START.format(port=0), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 5)).decode()
    port = int(line.split("http://127.0.0.1:")[1].split()[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_of("GET", "/health", connection="close"))
    assert b'{"status":"ok"}' in await asyncio.wait_for(reader.read(), 3)
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_of("POST", CHAT, body_of(CHAT, "[[simulate: reset_after=2]]", stream=True)))
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 3)
    writer.close()
    os.kill(process.pid, number)
    _, errors = await asyncio.wait_for(process.communicate(), 5)
    assert (process.returncode, errors) == (0, b"")


def test_the_page_tells_every_directive_as_the_code_has_it() -> None:
    rows = [f"| `{row.name}` | {row.takes} | {row.bare or ''} | {row.does} |" for row in DIRECTIVES.values()]
    page = PAGE.read_text()
    assert [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 5] == rows


def test_the_page_tells_every_fault_as_the_code_has_it() -> None:
    rows = [
        f"| `{name}` | {fault.status} | `{fault.openai_type}` | `{fault.openai_code}` | `{fault.anthropic_type}` |"
        for name, fault in CATALOGUE.items()
    ]
    page = PAGE.read_text()
    assert [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 6] == rows
