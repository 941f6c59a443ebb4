"""What the simulator saw: counters always, and the calls themselves when it is told to keep them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

Outcome = Literal["completed", "cancelled_by_client", "error", "cut", "reset"]
_SECRET: Final = frozenset(
    {
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cf-aig-authorization",
        "x-amz-security-token",
        "cookie",
        "proxy-authorization",
    }
)


@dataclass(slots=True)
class Call:
    """One request. Times are seconds: `*_s` of the monotonic clock, `*_at` since the epoch; `ended_s` is when the end was seen.

    `outcome` is None while the call is in flight. A hang-up is noticed when the connection's end is read. `error` is an
    answer with a status of 400 or more; `cut` and `reset` are ends that a behaviour asked for.
    """

    method: str
    path: str
    started_s: float
    started_at: float = 0.0
    ended_s: float | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    status: int = 0
    model: str = ""
    stream: bool = False
    events_sent: int = 0
    output_tokens: int = 0
    connection: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Any = None


@dataclass(slots=True)
class Stats:
    """Counters since the start or the last reset; the first two are gauges."""

    connections_open: int = 0
    in_flight: int = 0
    connections: int = 0
    requests: int = 0
    completed: int = 0
    cancelled_by_client: int = 0
    error: int = 0
    cut: int = 0
    reset: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    events: int = 0


class CallLog:
    """Counts every call; keeps the last ones if asked to, the oldest leave first."""

    def __init__(self, *, keep: bool, calls_kept_max: int) -> None:
        self.keep = keep
        self.stats = Stats()
        self._calls: deque[Call] = deque(maxlen=calls_kept_max)

    def begin(self, method: str, path: str) -> Call:
        call = Call(method, path, time.monotonic())
        self.stats.in_flight += 1
        self.stats.requests += 1
        if self.keep:
            call.started_at = time.time()
            self._calls.append(call)
        return call

    def end(self, call: Call, outcome: Outcome) -> None:
        """The first end counts; what is told later of the same call is not heard."""
        if call.outcome is not None:
            return
        call.outcome = outcome
        stats = self.stats
        stats.in_flight -= 1
        stats.events += call.events_sent
        if outcome == "completed":
            stats.completed += 1
            stats.output_tokens += call.output_tokens
        else:
            setattr(stats, outcome, getattr(stats, outcome) + 1)
        if self.keep:
            call.ended_s = time.monotonic()
            call.ended_at = time.time()

    def calls(self) -> list[Call]:
        """Oldest first."""
        return list(self._calls)

    def reset(self) -> None:
        """Forgets calls and counters; the gauges stay true."""
        self._calls.clear()
        self.stats = Stats(connections_open=self.stats.connections_open, in_flight=self.stats.in_flight)

    def counters(self) -> dict[str, int]:
        return asdict(self.stats)


def readable(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Names in lower case, in the order they came; of a secret only its last four characters."""
    shown = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in _SECRET:
            scheme, _, secret = value.rpartition(" ")
            value = f"{scheme} …{secret[-4:]}".strip() if len(secret) >= 8 else "…"
        shown.append((name, value))
    return shown
