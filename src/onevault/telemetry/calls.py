"""One log line for each call that ended: ids, names and figures, never content."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
import structlog

from onevault.core.money import format_usd
from onevault.core.records import Outcome, Settled
from onevault.telemetry.metrics import Metrics
from onevault.telemetry.output import standard_error

_FLUSH_AFTER_S = 0.05
_LINES_MAX = 1_000


class CallLine(msgspec.Struct, frozen=True, gc=False):
    """The line. Every field is the gateway's own: names come from the configuration, so there is nothing to redact."""

    event: str
    level: str
    timestamp: str
    request_id: str
    outcome: str
    fault: str
    org: str
    key: str
    provider: str
    model: str
    stream: bool
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: str
    latency_ms: int


@lru_cache(maxsize=4)
def _second(at_s: int) -> str:
    """Many calls end in one second, and its name costs more than the rest of their line."""
    return datetime.fromtimestamp(at_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


def line_of(record: Settled) -> CallLine:
    quiet = record.outcome is Outcome.SUCCESS or record.outcome is Outcome.CANCELLED
    return CallLine(
        "call",
        "info" if quiet else "warning",
        f"{_second(record.at_ns // 1_000_000_000)}.{record.at_ns // 1_000_000 % 1000:03d}Z",
        record.call_id,
        record.outcome.value,
        record.fault,
        record.caller.org_id,
        record.caller.key_id,
        record.provider,
        record.model,
        record.stream,
        len(record.attempts),
        record.usage.input_tokens,
        record.usage.output_tokens,
        format_usd(record.cost),
        record.latency_ms,
    )


class CallObserver:
    """Implements `ports.Observer`: counts the call, then logs it.

    With JSON the lines of a moment are written together: a write of its own for each would cost more than the rest of the
    logging. What a killed process had not written yet is in the journal all the same.
    """

    def __init__(self, metrics: Metrics, *, level: str, json: bool) -> None:
        self._metrics = metrics
        self._log = None if json else structlog.get_logger("onevault.calls")
        self._all = level in ("debug", "info")
        self._lines: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        self._output = standard_error()
        self._timer: asyncio.TimerHandle | None = None

    def settled(self, record: Settled) -> None:
        self._metrics.settled(record)
        if not self._all and record.outcome is Outcome.SUCCESS:
            return
        line = line_of(record)
        if self._log is not None:
            shown = msgspec.structs.asdict(line)
            getattr(self._log, line.level)(
                shown.pop("event"), **{k: v for k, v in shown.items() if k not in ("level", "timestamp")}
            )
            return
        self._lines.append(self._encode(line))
        if len(self._lines) >= _LINES_MAX:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER_S, self.flush)

    def fault(self, kind: str) -> None:
        self._metrics.fault(kind)

    def flush(self) -> None:
        """Writes what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            lines, self._lines = self._lines, []
            self._output.write(b"\n".join(lines) + b"\n")
