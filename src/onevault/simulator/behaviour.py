"""What the simulator does with one call: how long, how fast, how much, and how it goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MALFORMED: Final = ("frame", "body", "chunk", "empty", "html", "status_in_stream")
FINISHES: Final = ("stop", "length", "content_filter", "refusal", "pause")
GARBAGE: Final = ("bytes", "answer")

# Anything set among these needs the clock, or a connection treated badly; without them an answer is written in one go.
_DELIVERY = (
    "latency_ms", "ttft_ms", "tokens_per_s", "cut_after_events", "end_after_events", "stall_after_events",
    "reset_after_events", "malformed", "slow_body_bytes_s", "slow_headers_bytes_s", "truncate", "garbage",
    "interim", "header_bytes", "idle_close_ms",
)  # fmt: skip


@dataclass(frozen=True)
class Behaviour:
    """One call's behaviour. Zero, empty, False and None mean "not at all"; `docs/simulator.md` explains every field."""

    # Time
    latency_ms: float = 0.0
    ttft_ms: float = 0.0
    tokens_per_s: float = 0.0
    # Content
    output_tokens: int = 24
    ignore_limit: bool = False
    reasoning_tokens: int = 0
    redacted_thinking: bool = False
    cached_tokens: int = 0
    tool: str = ""
    tools: int | None = None
    echo: bool = False
    text: str | None = None
    refusal: bool = False
    finish: str = ""
    no_usage: bool = False
    # Errors: `error` is a status or a name of the catalogue in `faults.py`
    error: int | str = 0
    error_rate: float = 1.0
    error_times: int = 0
    id: str = ""
    retry_after_s: float | None = None
    early_error: int = 0
    # Broken connections and bodies
    cut_after_events: int | None = None
    end_after_events: int | None = None
    stall_after_events: int | None = None
    stall_s: float = 60.0
    reset_after_events: int | None = None
    malformed: str = ""
    truncate: bool = False
    slow_body_bytes_s: float = 0.0
    slow_headers_bytes_s: float = 0.0
    garbage: str = ""
    interim: int = 0
    header_bytes: int = 0
    idle_close_ms: float | None = None

    plain: bool = field(init=False, default=True)
    """True when the answer may be written at once, with nothing to wait for or to spoil."""

    def __post_init__(self) -> None:
        plain = all(getattr(self, name) == getattr(Behaviour, name) for name in _DELIVERY)
        object.__setattr__(self, "plain", plain)
