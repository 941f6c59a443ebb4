"""How many calls a second the loader moves from the journal into the vault: `python -m bench.loader CALLS DIRECTORY`.

The journal is written first, then loaded into an empty vault by the gateway's own loader, with nothing else going on.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Final

from bench.processes import BenchError, Process
from bench.settings import GATEWAY_CORE, ROOT
from onevault.core.identity import ScopeId
from onevault.core.money import Nanos
from onevault.core.records import AttemptRecord, Caller, Held, Settled
from onevault.core.usage import Usage
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.sql.engine import open_vault
from onevault.stores.sql.loader import Loader

TIMEOUT_S: Final = 300.0
_USERS: Final = 50
_CALL_GAP_NS: Final = 2_000_000
_LATENCY_NS: Final = 800_000_000


def _records(number: int, start_ns: int) -> tuple[Held, Settled]:
    """The two records of one of many calls by many users, as the gateway writes them."""
    user = number % _USERS
    caller = Caller(tenant_id="default", org_id=f"org{user % 5}", user_id=f"user{user}", key_id=f"key{user}")
    scopes = (ScopeId(f"key:{caller.key_id}"), ScopeId(f"user:{caller.user_id}"), ScopeId(f"org:{caller.org_id}"))
    call_id, at_ns = f"{number:032x}", start_ns + number * _CALL_GAP_NS
    held = Held(
        call_id,
        at_ns,
        caller,
        scopes,
        "UTC",
        Nanos(650_000),
        1_300,
        "chat",
        "gpt-4o-mini",
        "openai",
        "gpt-4o-mini",
        "v1",
    )
    settled = Settled(
        call_id=call_id,
        at_ns=at_ns + _LATENCY_NS,
        started_ns=at_ns,
        caller=caller,
        scopes=scopes,
        time_zone="UTC",
        held=True,
        amount_held=held.amount,
        tokens_held=held.tokens,
        cost=Nanos(97_500),
        usage=Usage(input_tokens=250, output_tokens=100),
        request_type="chat",
        dialect="openai-chat",
        model_asked="gpt-4o-mini",
        provider="openai",
        model="gpt-4o-mini",
        price_version="v1",
        route_reason="named",
        latency_ms=_LATENCY_NS // 1_000_000,
        attempts=(AttemptRecord("openai", "openai", "gpt-4o-mini", at_ns, _LATENCY_NS // 1_000_000, 200, 200),),
        request_ip="127.0.0.1",
        user_agent="openai-python",
    )
    return held, settled


async def _loaded(calls: int, directory: Path) -> dict[str, float]:
    """Seconds of wall and of CPU time that loading took."""
    writer = JournalWriter(directory / "journal", durability="os")
    start_ns = time.time_ns()
    for number in range(calls):
        for record in _records(number, start_ns):
            await writer.append(record)
    await writer.close()
    async with open_vault(directory) as vault:
        loader = Loader(vault, directory / "journal")
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        await loader.flush(timeout_s=TIMEOUT_S)
        taken = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}
        if loader.records_loaded != calls:
            raise SystemExit(f"{loader.records_loaded} settlements were loaded instead of {calls}")
    return taken


def calls_per_s(calls: int, directory: Path) -> tuple[float, float]:
    """Calls loaded per second of wall time, and CPU microseconds per call, by a process alone on the gateway's core."""
    directory.mkdir()
    log = directory.with_suffix(".log")
    command = [sys.executable, "-m", "bench.loader", str(calls), str(directory)]
    process = Process(command, core=GATEWAY_CORE, log=log, environment={"PYTHONPATH": str(ROOT)}, pipes=True)
    try:
        answer, _ = process.popen.communicate(timeout=2 * TIMEOUT_S)
        if process.popen.returncode != 0:
            raise BenchError(f"the loader failed: {process.output_end()}")
        taken = json.loads(answer)
    finally:
        process.stop()
    return calls / taken["wall_s"], taken["cpu_s"] * 1e6 / calls


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_loaded(int(sys.argv[1]), Path(sys.argv[2])))))
