"""What is fixed for every run: the versions compared, the cores, the figures' targets, and how much effort a mode takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LITELLM_VERSION: Final = "1.106.2"
PORTKEY_VERSION: Final = "1.15.2"
PORTKEY_NODE_SERVER_VERSION: Final = "1.14.1"
PROFILER_VERSION: Final = "0.4.3"

ROOT: Final = Path(__file__).resolve().parent.parent
INSTALLED: Final = ROOT / ".bench"

GATEWAY_CORE: Final = 0
LOAD_CORE: Final = 1
"""The upstream and the load generator share this one, and leave the other to the gateway."""

CONNECTIONS: Final = 64
OPEN_LOOP_CALLS_PER_S: Final = 500
OPEN_STREAMS: Final = 1_000
STREAM_EVENTS: Final = 200
STREAM_EVENTS_PER_S: Final = 100
START_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long a mode measures. `…_s` are of wall time; a median is taken over the rounds. `first_warm_s` is for what is
    compiled or grown once in a process, `warm_s` comes before each figure; `extras` are the rows without a target."""

    rounds: int
    first_warm_s: float
    warm_s: float
    round_s: float
    latency_rounds: int
    latency_s: float
    starts: int
    starts_of_others: int
    stream_rounds: int
    extras: bool
    streams_of_others: int
    hold_s: float
    loader_calls: int


FULL: Final = Effort(
    rounds=5,
    first_warm_s=12.0,
    warm_s=4.0,
    round_s=4.0,
    latency_rounds=5,
    latency_s=10.0,
    starts=5,
    starts_of_others=2,
    stream_rounds=5,
    extras=True,
    streams_of_others=OPEN_STREAMS,
    hold_s=6.0,
    loader_calls=50_000,
)
QUICK: Final = Effort(
    rounds=2,
    first_warm_s=3.0,
    warm_s=0.5,
    round_s=1.0,
    latency_rounds=1,
    latency_s=3.0,
    starts=2,
    starts_of_others=1,
    stream_rounds=1,
    extras=False,
    streams_of_others=0,
    hold_s=2.0,
    loader_calls=10_000,
)
