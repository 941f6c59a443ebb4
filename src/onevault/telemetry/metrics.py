"""Every metric's name, declared once, with label sets that callers cannot enlarge.

Counting is on the path of every call, so it is plain additions; the metrics library is asked only when somebody scrapes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from onevault.core.money import NANOS_PER_USD
from onevault.core.records import Settled

SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_BOUNDS_MS = tuple(seconds * 1000 for seconds in SECONDS)
_SERIES_MAX = 2_000
"""More combinations of labels than this are counted under `other`: a scrape must stay quick."""
_OTHER = "other"
LEDGER_MODES = ("local", "shared", "grace")

_Labels = tuple[str, str, str, str]


class _Series:
    """What was counted of one combination of operation, provider, model and outcome. Cost in nanos."""

    __slots__ = ("buckets", "calls", "cost", "input_tokens", "milliseconds", "output_tokens")

    def __init__(self) -> None:
        self.calls = self.cost = self.input_tokens = self.output_tokens = self.milliseconds = 0
        self.buckets = [0] * (len(SECONDS) + 1)


class Metrics(Collector):
    """`model` and `provider` labels come from the catalog alone (a call without a target counts under "")."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._series: dict[_Labels, _Series] = {}
        self._faults: dict[str, int] = {}
        self._sources = {"provider": 0, "estimated": 0, "worst_case": 0}
        self._overshoot = 0
        self._grace_calls = self._grace_cost = 0
        self._ledger_mode: Callable[[], str] = lambda: LEDGER_MODES[0]
        self._directory_snapshot_age_s: Callable[[], float] = float
        self._notices_dropped: Callable[[], float] = float
        self._notices_waiting: Callable[[], float] = float
        self._in_flight: Callable[[], float] = float
        self._loader_lag_s: Callable[[], float] = float
        self._drains_running: Callable[[], float] = float
        self._drains: Callable[[], Mapping[str, int]] = dict
        self._drained_tokens: Callable[[], float] = float
        self.registry.register(self)

    def settled(self, record: Settled) -> None:
        series = self._of((record.request_type, record.provider, record.model, record.outcome))
        usage = record.usage
        series.calls += 1
        series.milliseconds += record.latency_ms
        series.buckets[bisect_left(_BOUNDS_MS, record.latency_ms)] += 1
        series.input_tokens += usage.input_tokens
        series.output_tokens += usage.output_tokens
        series.cost += record.cost
        if record.held:
            self._sources[record.usage_source] += 1
            if record.grace:
                self._grace_calls += 1
                self._grace_cost += record.cost
            if record.cost > record.amount_held:
                self._overshoot += record.cost - record.amount_held

    def fault(self, kind: str) -> None:
        """`kind` is a FaultKind, so there are few."""
        self._faults[kind] = self._faults.get(kind, 0) + 1

    def watch(
        self,
        *,
        in_flight: Callable[[], float],
        loader_lag_s: Callable[[], float],
        drains_running: Callable[[], float],
        drains: Callable[[], Mapping[str, int]],
        drained_tokens: Callable[[], float],
        ledger_mode: Callable[[], str],
        directory_snapshot_age_s: Callable[[], float] = float,
        notices_dropped: Callable[[], float] = float,
        notices_waiting: Callable[[], float] = float,
    ) -> None:
        """Figures that others keep, read when somebody scrapes. `drains` has how many ended, by how; `ledger_mode` is one of
        LEDGER_MODES."""
        self._ledger_mode = ledger_mode
        self._directory_snapshot_age_s = directory_snapshot_age_s
        self._notices_dropped, self._notices_waiting = notices_dropped, notices_waiting
        self._in_flight, self._loader_lag_s = in_flight, loader_lag_s
        self._drains_running, self._drains, self._drained_tokens = drains_running, drains, drained_tokens

    def render(self) -> bytes:
        """The Prometheus text format. Takes milliseconds per hundred series: call it off the event loop."""
        return generate_latest(self.registry)

    def _of(self, labels: _Labels) -> _Series:
        series = self._series.get(labels)
        if series is None:
            if len(self._series) >= _SERIES_MAX:
                labels = (labels[0], _OTHER, _OTHER, labels[3])
            series = self._series.setdefault(labels, _Series())
        return series

    def collect(self) -> Iterator[Metric]:
        """Called by the registry, on another thread than the counting: works on a copy."""
        series = list(self._series.items())
        calls = CounterMetricFamily(
            "onevault_calls", "Calls that ended, by outcome.", labels=("operation", "provider", "model", "outcome")
        )
        tokens = CounterMetricFamily(
            "onevault_tokens", "Tokens settled.", labels=("operation", "provider", "model", "outcome", "kind")
        )
        cost = CounterMetricFamily(
            "onevault_cost_usd", "Cost settled, in US dollars.", labels=("operation", "provider", "model", "outcome")
        )
        seconds = HistogramMetricFamily(
            "onevault_call_seconds",
            "From request to settlement.",
            labels=("operation", "provider", "model", "outcome"),
        )
        for labels, one in series:
            calls.add_metric(labels, one.calls)
            tokens.add_metric((*labels, "input"), one.input_tokens)
            tokens.add_metric((*labels, "output"), one.output_tokens)
            cost.add_metric(labels, one.cost / NANOS_PER_USD)
            seconds.add_metric(labels, _cumulated(one.buckets), sum_value=one.milliseconds / 1000)
        faults = CounterMetricFamily("onevault_faults", "Faults told to callers.", labels=("code",))
        for code, count in list(self._faults.items()):
            faults.add_metric((code,), count)
        sources = CounterMetricFamily(
            "onevault_settlements", "Settlements, by where their usage came from.", labels=("source",)
        )
        for source, count in self._sources.items():
            sources.add_metric((source,), count)
        yield from (calls, tokens, cost, seconds, faults, sources)
        yield CounterMetricFamily(
            "onevault_overshoot_usd", "Cost beyond what was held, in US dollars.", value=self._overshoot / NANOS_PER_USD
        )
        drains = CounterMetricFamily(
            "onevault_drains",
            "Answers read on after their callers hung up, by how that ended: `finished`, `cut_off`, or not begun (`no_room`).",
            labels=("end",),
        )
        for end, count in self._drains().items():
            drains.add_metric((end,), count)
        yield drains
        yield CounterMetricFamily(
            "onevault_drained_tokens",
            "Output tokens that came after their callers had hung up.",
            value=self._drained_tokens(),
        )
        yield GaugeMetricFamily(
            "onevault_drains_running",
            "Answers being read on after their callers hung up.",
            value=self._drains_running(),
        )
        yield GaugeMetricFamily(
            "onevault_directory_snapshot_age_seconds",
            "While the vault does not answer: how old what keys are checked against is. 0: it answers.",
            value=self._directory_snapshot_age_s(),
        )
        mode, modes = (
            self._ledger_mode(),
            GaugeMetricFamily(
                "onevault_ledger_mode",
                "Processes by how they count: by themselves, in the shared ledger, or as grace while that does not answer.",
                labels=("mode",),
            ),
        )
        for name in LEDGER_MODES:
            modes.add_metric((name,), float(name == mode))
        yield modes
        yield CounterMetricFamily(
            "onevault_grace_calls",
            "Calls settled that were granted while the shared ledger was away.",
            value=self._grace_calls,
        )
        yield CounterMetricFamily(
            "onevault_grace_cost_usd", "What those cost, in US dollars.", value=self._grace_cost / NANOS_PER_USD
        )
        yield CounterMetricFamily(
            "onevault_notices_dropped",
            "Events that were not kept, because too many waited for the vault.",
            value=self._notices_dropped(),
        )
        yield GaugeMetricFamily(
            "onevault_notices_waiting", "Events that wait to be written to the vault.", value=self._notices_waiting()
        )
        yield GaugeMetricFamily("onevault_calls_in_flight", "Calls being worked on.", value=self._in_flight())
        yield GaugeMetricFamily(
            "onevault_loader_lag_seconds",
            "For how long the vault has been behind the journal.",
            value=self._loader_lag_s(),
        )


def _cumulated(buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, SECONDS), "+Inf"), buckets, strict=True):
        total += count
        found.append((bound, total))
    return found
