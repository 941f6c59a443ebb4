"""Opens what every other part of a gateway stands on: clock, stores, log, metrics, and the count of calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onevault.api.generate import InFlight
from onevault.bootstrap.notices import LoggedNotices
from onevault.bootstrap.open_stores import open_stores
from onevault.bootstrap.stores import Stores
from onevault.bootstrap.system import SystemClock, new_id
from onevault.config.schema import Settings
from onevault.jobs.notices import NoticeQueue
from onevault.telemetry.calls import CallObserver
from onevault.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Foundation:
    """`settings` are those of the start; what of them a reload changes is asked of `Providers`."""

    settings: Settings
    clock: SystemClock
    metrics: Metrics
    observer: CallObserver
    in_flight: InFlight
    notices: LoggedNotices
    stores: Stores


@asynccontextmanager
async def founded(settings: Settings, *, worker: int) -> AsyncGenerator[Foundation]:
    """The foundation of the worker of this number. Raises as `open_stores` does."""
    monitoring = settings.monitoring
    clock = SystemClock()
    metrics = Metrics()
    observer = CallObserver(metrics, level=monitoring.log_level, json=monitoring.log_format == "json")
    notices = LoggedNotices(NoticeQueue(new_id))
    in_flight = InFlight(settings.gateway.calls_in_flight_max)
    try:
        async with open_stores(settings, clock, notices, worker=worker) as stores:
            yield Foundation(settings, clock, metrics, observer, in_flight, notices, stores)
    finally:
        observer.flush()
