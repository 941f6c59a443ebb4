"""One log line for each call that ended: ids, names and figures, never content."""

from __future__ import annotations

import structlog

from onevault.core.money import format_usd
from onevault.core.records import Outcome, Settled
from onevault.telemetry.metrics import Metrics


class CallObserver:
    """Implements `ports.Observer`: counts the call, then logs it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = structlog.get_logger("onevault.calls")

    def settled(self, record: Settled) -> None:
        self._metrics.settled(record)
        write = self._log.info if record.outcome in (Outcome.SUCCESS, Outcome.CANCELLED) else self._log.warning
        write(
            "call",
            request_id=record.call_id,
            outcome=record.outcome.value,
            fault=record.fault,
            org=record.caller.org_id,
            key=record.caller.key_id,
            provider=record.provider,
            model=record.model,
            stream=record.stream,
            attempts=len(record.attempts),
            input_tokens=record.usage.input_tokens,
            output_tokens=record.usage.output_tokens,
            cost_usd=format_usd(record.cost),
            latency_ms=record.latency_ms,
        )

    def fault(self, kind: str) -> None:
        self._metrics.fault(kind)
