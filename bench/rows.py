"""The table's rows: what each figure is called, in which unit, and what it is to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. `target` is the most (or, where `at_least`, the least) that OneVault's may be; None: for information."""

    key: str
    title: str
    unit: str
    target: float | None = None
    at_least: bool = False
    digits: int = 0

    def reached(self, value: float) -> bool | None:
        if self.target is None:
            return None
        return value >= self.target if self.at_least else value <= self.target

    @property
    def to_reach(self) -> str:
        return "" if self.target is None else f"{'≥' if self.at_least else '≤'} {self.target:,g} {self.unit}"


ROWS: Final = (
    Row(key="whole", title="CPU per whole call, same dialect", unit="µs", target=260),
    Row(key="whole_5kb", title="… with a prompt of 5 KB", unit="µs"),
    Row(key="whole_translated", title="CPU per whole call, OpenAI in, Anthropic out", unit="µs", target=340),
    Row(key="stream", title="CPU per streamed event, passed through", unit="µs", target=15, digits=1),
    Row(key="stream_translated", title="CPU per streamed event, translated", unit="µs", target=45, digits=1),
    Row(
        key="stream_burst",
        title="… passed through, when the upstream does not wait between events",
        unit="µs",
        digits=1,
    ),
    Row(
        key="stream_burst_translated",
        title="… translated, when the upstream does not wait between events",
        unit="µs",
        digits=1,
    ),
    Row(key="added_p50", title="added latency at 500 calls/s, p50", unit="ms", target=1, digits=2),
    Row(key="added_p99", title="added latency at 500 calls/s, p99", unit="ms", target=4, digits=2),
    Row(key="redis_cpu", title="CPU per call that the ledger in Redis adds, at 64 in flight", unit="µs", target=60),
    Row(key="redis_cpu_paced", title="… when the upstream takes 400 ms for a call", unit="µs"),
    Row(
        key="redis_p50",
        title="latency that the ledger in Redis adds, at 64 in flight, p50",
        unit="ms",
        target=1.5,
        digits=2,
    ),
    Row(key="memory_start", title="memory after start", unit="MB", target=120),
    Row(key="memory_stream", title="memory per open stream, at 1,000 streams", unit="kB", target=60, digits=1),
    Row(key="ready", title="process start to ready", unit="s", target=2, digits=2),
    Row(key="loader", title="loader, SQLite", unit="calls/s", target=5_000, at_least=True),
)

RATIOS: Final = {"LiteLLM": 100.0, "Portkey": 10.0}
"""How many times less CPU a whole call in the same dialect is to take than with these."""
