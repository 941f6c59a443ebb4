"""What counting in Redis costs a call: the same gateway, key and limits, once with its ledger in memory and once in a Redis."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import calls
from bench.calls import Case
from bench.figures import Bench, Figure, when_quiet
from bench.gateways import Started, started
from bench.gateways.onevault import OneVault
from bench.processes import BenchError, Process, free_port, running
from bench.settings import LOAD_CORE

_PACED_MS: Final = 400
_PACED_CALLS_PER_S: Final = 160.0
"""Where latency is compared, 64 calls are in flight because the upstream takes its time. They arrive at random: as fast as they go, or
all at once, a call's latency would only be that of the queue of 64 before one core."""
_PACED: Final = calls.whole(latency_ms=_PACED_MS, name="whole_paced")
_READY_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.01


def added_by_redis(bench: Bench) -> dict[str, Figure]:
    """CPU of the gateway's process that a call takes more, as fast as 64 connections go and with a slower upstream, and how much later
    it is answered then (p50). Rounds of both gateways take turns."""
    with (
        _redis(bench.directory) as url,
        started(OneVault(), bench.upstream, bench.directory / "ledger-memory") as alone,
        started(OneVault(redis_url=url), bench.upstream, bench.directory / "ledger-redis") as sharing,
    ):
        full = _Rounds(bench, calls.WHOLE, alone, sharing)
        paced = _Rounds(bench, _PACED, alone, sharing, calls_per_s=_PACED_CALLS_PER_S)
    figures = {
        "redis_cpu": full.figure("cpu_us"),
        "redis_cpu_paced": paced.figure("cpu_us"),
        "redis_p50": paced.figure("p50_ms"),
    }
    said = ", ".join(f"{name} {figure.value:,.2f}" for name, figure in figures.items())
    bench.say(f"  ledger in Redis, added: {said}")
    return figures


class _Rounds:
    """One case's figures in each round, with the ledger in memory and in Redis."""

    def __init__(
        self, bench: Bench, case: Case, alone: Started, sharing: Started, *, calls_per_s: float | None = None
    ) -> None:
        """`calls_per_s` None: as fast as they go, over the generator's connections."""
        self.measured: list[dict[str, dict[str, float]]] = []
        both = {"memory": alone, "redis": sharing}
        for gateway in both.values():
            bench.generator.closed(gateway.destination(case), case, seconds=bench.effort.first_warm_s)
        for _ in range(max(3, bench.effort.rounds)):
            found = {}
            for name, gateway in both.items():
                with bench.others.watched(
                    (alone.process, sharing.process, bench.upstream.process, bench.generator.process)
                ):
                    before_s = gateway.process.cpu_s()
                    to, effort = gateway.destination(case), bench.effort
                    if calls_per_s is None:
                        result = bench.generator.closed(to, case, seconds=effort.round_s)
                    else:
                        result = bench.generator.open(to, case, calls_per_s=calls_per_s, seconds=effort.latency_s)
                    spent_s = when_quiet(gateway.process) - before_s
                found[name] = {
                    "cpu_us": spent_s * 1e6 / result["calls"],
                    "p50_ms": result["p50_ms"],
                    "calls_per_s": result["calls"] / result["seconds"],
                }
            self.measured.append(found)

    def figure(self, what: str) -> Figure:
        return Figure.of([one["redis"][what] - one["memory"][what] for one in self.measured], measured=self.measured)


@contextmanager
def _redis(directory: Path) -> Iterator[str]:
    """The URL of a Redis on the load generator's core that keeps nothing on disk. Raises BenchError where there is none."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise BenchError("no redis-server or valkey-server on the PATH")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = Process(command, core=LOAD_CORE, log=directory / "redis.log", environment={})
    with running(process):
        deadline_s = time.perf_counter() + _READY_TIMEOUT_S
        while b"Ready to accept" not in process.log.read_bytes():
            if time.perf_counter() > deadline_s or process.popen.poll() is not None:
                raise process.died()
            time.sleep(_POLL_S)
        yield f"redis://127.0.0.1:{port}/0"
