"""Measures one gateway: every figure as a median over rounds, each round's value kept beside it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import calls
from bench.calls import Case
from bench.gateways import Gateway, Started, started
from bench.generator import Generator
from bench.machine import Others
from bench.processes import BenchError, Process
from bench.settings import OPEN_LOOP_CALLS_PER_S, OPEN_STREAMS, Effort
from bench.upstream import Upstream

CASES: Final = (
    calls.WHOLE,
    calls.WHOLE_TRANSLATED,
    calls.STREAM,
    calls.STREAM_TRANSLATED,
)
EXTRAS: Final = (calls.WHOLE_5KB, calls.STREAM_BURST, calls.STREAM_BURST_TRANSLATED)
_HELD: Final = calls.stream(calls.OPENAI_MODEL, events=900, events_per_s=1, name="memory_stream")
_HELD_OPENED_PER_S: Final = 200
_SETTLE_S: Final = 1.0
_QUIET_LOOK_S: Final = 0.3
_QUIET_SHARE: Final = 0.04
_PUT_OFF_MAX_S: Final = 20.0
_BUSY_SHARE_MAX: Final = 0.6
_EASY_SHARE: Final = 0.4
"""A gateway that would be busier than the first at the rate of the figure is called at a rate that keeps it as busy as this."""


@dataclass
class Figure:
    """`value` is the median of `rounds`; `note` says where it was measured otherwise than the row says, or why it was not."""

    value: float | None
    rounds: list[float] = field(default_factory=list)
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, rounds: list[float], *, note: str = "", **details: Any) -> Figure:
        return cls(statistics.median(rounds), rounds, note, details)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Bench:
    """All that measuring needs; `say` tells the terminal what is going on."""

    effort: Effort
    upstream: Upstream
    generator: Generator
    directory: Path
    others: Others
    say: Callable[[str], None]

    def measure(self, gateway: Gateway) -> dict[str, Figure]:
        """Every figure that one gateway has. A figure that fails is noted, and the others are still taken."""
        is_ours = gateway.name == "OneVault"
        figures: dict[str, Figure] = {}
        with self._started(gateway, "load") as first:
            self.generator.closed(first.destination(calls.WHOLE), calls.WHOLE, seconds=self.effort.first_warm_s)
            for case in CASES + EXTRAS * self.effort.extras:
                figures[case.name] = self._tried(case.name, partial(self.cpu, first, case))
            whole_us = figures["whole"].value
            if whole_us is not None:
                figures["added_p50"] = self._tried("added latency", partial(self.added_latency, first, whole_us))
                figures["added_p99"] = _p99_of(figures["added_p50"])
        ready_s = [first.ready_s]
        with self._started(gateway, "memory") as second:
            ready_s.append(second.ready_s)
            time.sleep(_SETTLE_S)
            memory = second.process.memory()
            figures["memory_start"] = Figure.of([memory.rss_bytes / 1e6], pss_mb=memory.pss_bytes / 1e6)
            streams = OPEN_STREAMS if is_ours else self.effort.streams_of_others
            if streams:
                figures["memory_stream"] = self._tried("memory", partial(self.memory_per_stream, second, streams))
        starts = self.effort.starts if is_ours else self.effort.starts_of_others
        while len(ready_s) < starts:
            with self._started(gateway, f"start-{len(ready_s)}") as another:
                ready_s.append(another.ready_s)
        figures["ready"] = Figure.of(ready_s)
        self.say(f"  start to ready: {figures['ready'].value:.2f} s")
        return figures

    def cpu(self, gateway: Started, case: Case) -> Figure:
        """CPU time of the gateway's process tree per call, or per event that the upstream streams; in microseconds."""
        to = gateway.destination(case)
        self.generator.closed(to, case, seconds=self.effort.warm_s)
        rounds, right, seconds = [], 0, 0.0
        for _ in range(self.effort.stream_rounds if case.events else self.effort.rounds):
            with self._watched(gateway):
                before_s = gateway.process.cpu_s()
                result = self.generator.closed(to, case, seconds=self.effort.round_s)
                spent_s = when_quiet(gateway.process) - before_s
            rounds.append(spent_s * 1e6 / (result["calls"] * max(1, case.events)))
            right, seconds = right + result["calls"], seconds + result["seconds"]
        figure = Figure.of(rounds, calls=right, calls_per_s=right / seconds)
        self.say(f"  {case.name}: {figure.value:,.1f} µs  ({right} calls, {right / seconds:,.0f}/s)")
        return figure

    def added_latency(self, gateway: Started, whole_us: float) -> Figure:
        """Milliseconds between the p50 of calls through the gateway and of the same calls to the upstream itself; the p99's
        are among the details."""
        rate, note = float(OPEN_LOOP_CALLS_PER_S), ""
        if rate * whole_us / 1e6 > _BUSY_SHARE_MAX:
            rate = max(1.0, round(_EASY_SHARE * 1e6 / whole_us))
            note = f"at {rate:,.0f} calls/s: it cannot do {OPEN_LOOP_CALLS_PER_S} on a core"
        measured: list[dict[str, float]] = []
        for _ in range(self.effort.latency_rounds):
            with self._watched(gateway):
                runs = {"direct": self.upstream.directly, "through": gateway.destination(calls.WHOLE)}
                results = {
                    who: self.generator.open(to, calls.WHOLE, calls_per_s=rate, seconds=self.effort.latency_s)
                    for who, to in runs.items()
                }
            kept = ("p50_ms", "p99_ms", "late_p99_ms")
            measured.append({f"{who}_{name}": result[name] for who, result in results.items() for name in kept})
        p50 = [run["through_p50_ms"] - run["direct_p50_ms"] for run in measured]
        p99 = [run["through_p99_ms"] - run["direct_p99_ms"] for run in measured]
        figure = Figure.of(p50, note=note, p99_rounds=p99, measured=measured)
        self.say(f"  added latency at {rate:,.0f}/s: p50 {figure.value:.2f} ms, p99 {statistics.median(p99):.2f} ms")
        return figure

    def memory_per_stream(self, gateway: Started, streams: int) -> Figure:
        """How much resident memory grows for each open stream, after a few streams have warmed everything up; in kB."""
        to = gateway.destination(_HELD)
        with self.generator.held(to, _HELD, streams=10, per_s=_HELD_OPENED_PER_S, hold_s=1.0):
            pass
        time.sleep(_SETTLE_S)
        before = gateway.process.memory()
        with self.generator.held(
            to, _HELD, streams=streams, per_s=_HELD_OPENED_PER_S, hold_s=self.effort.hold_s
        ) as opened:
            time.sleep(self.effort.hold_s / 2)
            during = gateway.process.memory()
        grown_kb = (during.rss_bytes - before.rss_bytes) / opened / 1e3
        note = "" if opened == streams else f"at {opened:,} streams: it did not open more"
        self.say(f"  memory per open stream: {grown_kb:,.1f} kB, at {opened:,}")
        pss_kb = (during.pss_bytes - before.pss_bytes) / opened / 1e3
        return Figure.of([grown_kb], note=note, rss_mb=during.rss_bytes / 1e6, pss_kb=pss_kb)

    def _started(self, gateway: Gateway, purpose: str) -> AbstractContextManager[Started]:
        return started(gateway, self.upstream, self.directory / f"{gateway.name}-{purpose}")

    def _tried(self, name: str, measure: Callable[[], Figure]) -> Figure:
        try:
            return measure()
        except BenchError as error:
            self.say(f"  {name}: {error}")
            return Figure(None, note=str(error))

    def _watched(self, gateway: Started) -> AbstractContextManager[None]:
        return self.others.watched((gateway.process, self.upstream.process, self.generator.process))


def _p99_of(latency: Figure) -> Figure:
    rounds = latency.details.get("p99_rounds")
    return Figure.of(rounds, note=latency.note) if rounds else Figure(None, note=latency.note)


def when_quiet(process: Process) -> float:
    """The CPU time spent once the process has finished what it put off, so that nobody looks cheap by working later."""
    deadline_s = time.perf_counter() + _PUT_OFF_MAX_S
    spent_s = process.cpu_s()
    while time.perf_counter() < deadline_s:
        time.sleep(_QUIET_LOOK_S)
        now_s = process.cpu_s()
        if now_s - spent_s < _QUIET_SHARE * _QUIET_LOOK_S:
            return now_s
        spent_s = now_s
    return spent_s
