"""The bench's end of the load generator: describes a job, waits for its result, and refuses a result with wrong answers."""

from __future__ import annotations

import base64
import json
import select
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.calls import Case, http_request
from bench.processes import BenchError, Process
from bench.settings import CONNECTIONS, LOAD_CORE, ROOT

_FAILURES_SHARE_MAX: Final = 0.001
_DRAIN_TIMEOUT_S: Final = 120.0
_OPENING_TIMEOUT_S: Final = 30.0
_STREAM_EVENTS_SHARE_MIN: Final = 0.95
"""Gateways may leave out an event or two that carry nothing (a role, a ping), never the text's."""


@dataclass(frozen=True)
class Destination:
    """Where the calls go: a gateway, or the upstream itself. `headers` are what its users send."""

    port: int
    path: str
    headers: Mapping[str, str]


class Generator:
    """Jobs, one at a time. Each raises BenchError when more than one call in a thousand was answered wrongly."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def closed(self, to: Destination, case: Case, *, seconds: float, connections: int = CONNECTIONS) -> dict[str, Any]:
        job = {"kind": "closed", "seconds": seconds, "connections": connections}
        return self._checked(self._run(to, case, job, timeout_s=seconds + _DRAIN_TIMEOUT_S), case)

    def open(self, to: Destination, case: Case, *, calls_per_s: float, seconds: float) -> dict[str, Any]:
        job = {"kind": "open", "rate": calls_per_s, "seconds": seconds, "connections": CONNECTIONS}
        return self._checked(self._run(to, case, job, timeout_s=_DRAIN_TIMEOUT_S), case)

    @contextmanager
    def held(self, to: Destination, case: Case, *, streams: int, per_s: float, hold_s: float) -> Iterator[int]:
        """Streams that stay open while the block runs, which must take less than `hold_s`. Gives how many could be opened.

        Raises BenchError when none could, or when one of them did not stay open.
        """
        timeout_s = streams / per_s + _OPENING_TIMEOUT_S
        job = {"kind": "hold", "streams": streams, "rate": per_s, "hold_s": hold_s}
        first = self._run(to, case, job, timeout_s=timeout_s)
        opened = int(first.get("open", 0))
        try:
            if not opened:
                raise BenchError(f"no stream opened; {first['first_failure']}")
            yield opened
        finally:
            last = self._read(hold_s + _DRAIN_TIMEOUT_S)
        if last.get("still_open", 0) < opened:
            raise BenchError(
                f"only {last.get('still_open', 0)} of {opened} streams stayed open; {last['first_failure']}"
            )

    def _run(self, to: Destination, case: Case, job: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        spec = {
            "port": to.port,
            "request": base64.b64encode(http_request(to.port, to.path, to.headers, case.body)).decode(),
            "marker": base64.b64encode(case.marker).decode(),
            "events_min": int(case.events * _STREAM_EVENTS_SHARE_MIN),
            "timeout_s": timeout_s,
            **job,
        }
        self.process.stdin.write(json.dumps(spec) + "\n")
        self.process.stdin.flush()
        return self._read(timeout_s + job.get("seconds", 0.0) + 30)

    def _read(self, timeout_s: float) -> dict[str, Any]:
        """One result line; results are written whole, so a readable pipe has one."""
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline:
            if select.select([self.process.stdout], [], [], 1.0)[0]:
                line = self.process.stdout.readline()
                if not line:
                    break
                result: dict[str, Any] = json.loads(line)
                return result
        raise BenchError(f"the load generator gave no result; {self.process.output_end()}")

    def _checked(self, result: dict[str, Any], case: Case) -> dict[str, Any]:
        wrong = result["failures"]
        if result.get("timed_out") or wrong > _FAILURES_SHARE_MAX * max(1, result["calls"]):
            raise BenchError(
                f"{case.name}: {result['calls']} right answers, {wrong} wrong; first: {result['first_failure']}"
            )
        return result


@contextmanager
def generator(directory: Path) -> Iterator[Generator]:
    command = [sys.executable, "-m", "bench.load"]
    process = Process(
        command, core=LOAD_CORE, log=directory / "load.log", environment={"PYTHONPATH": str(ROOT)}, pipes=True
    )
    try:
        yield Generator(process)
    finally:
        process.stop()
