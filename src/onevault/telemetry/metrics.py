"""Every metric's name, declared once, with label sets that callers cannot enlarge."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from onevault.core.money import NANOS_PER_USD
from onevault.core.records import Settled

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SERIES_MAX = 2_000
"""More combinations of labels than this are counted under `other`: a scrape must stay quick."""


class _Series:
    """The cached children of one combination of labels: `labels()` costs four times what counting does."""

    __slots__ = ("calls", "cost", "input_tokens", "output_tokens", "seconds")

    def __init__(self, metrics: Metrics, labels: tuple[str, str, str, str]) -> None:
        operation, provider, model, outcome = labels
        self.calls = metrics.calls.labels(operation, provider, model, outcome)
        self.seconds = metrics.seconds.labels(operation, provider)
        self.cost = metrics.cost.labels(provider, model)
        self.input_tokens = metrics.tokens.labels(provider, model, "input")
        self.output_tokens = metrics.tokens.labels(provider, model, "output")


class Metrics:
    """Implements `ports.Observer`. `model` labels come from the catalog alone (a call without a target counts under "")."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        self.calls = Counter(
            "onevault_calls",
            "Calls that ended, by outcome.",
            ("operation", "provider", "model", "outcome"),
            registry=registry,
        )
        self.seconds = Histogram(
            "onevault_call_seconds",
            "From request to settlement.",
            ("operation", "provider"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.tokens = Counter("onevault_tokens", "Tokens settled.", ("provider", "model", "kind"), registry=registry)
        self.cost = Counter(
            "onevault_cost_usd", "Cost settled, in US dollars.", ("provider", "model"), registry=registry
        )
        self.overshoot = Counter(
            "onevault_overshoot_usd", "Cost beyond what was held, in US dollars.", registry=registry
        )
        self.usage_source = Counter(
            "onevault_settlements", "Settlements, by where their usage came from.", ("source",), registry=registry
        )
        self.faults = Counter("onevault_faults", "Faults told to callers.", ("code",), registry=registry)
        self.in_flight = Gauge("onevault_calls_in_flight", "Calls being worked on.", registry=registry)
        self.loader_lag = Gauge("onevault_loader_lag_bytes", "Journal bytes not yet in the vault.", registry=registry)
        self._series: dict[tuple[str, str, str, str], _Series] = {}
        self._sources = {source: self.usage_source.labels(source) for source in ("provider", "estimated", "worst_case")}

    def settled(self, record: Settled) -> None:
        series = self._of((record.request_type, record.provider, record.model, record.outcome.value))
        series.calls.inc()
        series.seconds.observe(record.latency_ms / 1000)
        usage = record.usage
        if usage.input_tokens:
            series.input_tokens.inc(usage.input_tokens)
        if usage.output_tokens:
            series.output_tokens.inc(usage.output_tokens)
        if record.cost:
            series.cost.inc(record.cost / NANOS_PER_USD)
        if record.held:
            self._sources[record.usage_source.value].inc()
            if record.cost > record.amount_held:
                self.overshoot.inc((record.cost - record.amount_held) / NANOS_PER_USD)

    def fault(self, kind: str) -> None:
        self.faults.labels(kind).inc()

    def _of(self, labels: tuple[str, str, str, str]) -> _Series:
        series = self._series.get(labels)
        if series is None:
            if len(self._series) >= _SERIES_MAX:
                labels = (labels[0], "other", "other", labels[3])
            series = self._series[labels] = self._series.get(labels) or _Series(self, labels)
        return series

    def watch(self, in_flight: Callable[[], float], loader_lag: Callable[[], float]) -> None:
        """Gauges that are read when somebody scrapes."""
        self.in_flight.set_function(in_flight)
        self.loader_lag.set_function(loader_lag)

    def render(self) -> bytes:
        """The Prometheus text format. Takes milliseconds per hundred series: call it off the event loop."""
        return generate_latest(self.registry)
