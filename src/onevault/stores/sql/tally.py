"""Sums settled calls into the rollups: what each scope used per day, month and in total, and per month by model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, TypeVar

from onevault.core.identity import ScopeId, Window
from onevault.core.records import QuotaReset, Settled
from onevault.core.windows import day_and_month
from onevault.stores.sql.rows import Row
from onevault.stores.sql.schema import derived
from onevault.stores.sql.statements import insert_adding, insert_replacing

RowKey: TypeAlias = tuple[str, str, ScopeId]
"""Which rollup: window, label, scope."""

Resets: TypeAlias = dict[RowKey, int]
"""Up to which moment (ns) settlements do not count in a rollup."""

_SUMS = ("money_nanos", "tokens", "requests", "overshoot_nanos")
ADD_SCOPE_USAGE = insert_adding(derived.scope_usage, ("time_window", "label", "scope", *_SUMS))
SET_SCOPE_USAGE = insert_replacing(derived.scope_usage, ("time_window", "label", "scope", *_SUMS, "reset_ns"))
ADD_MODEL_USAGE = insert_adding(
    derived.model_usage,
    ("scope", "month_label", "provider_bk", "model", "requests", "input_tokens", "output_tokens", "cost_nanos"),
)


class Sums:
    """What a group of calls that were held adds up to."""

    __slots__ = ("input_tokens", "money", "output_tokens", "overshoot", "requests")

    def __init__(self) -> None:
        self.money = self.overshoot = self.requests = self.input_tokens = self.output_tokens = 0

    def add(self, record: Settled) -> None:
        self.money += record.cost
        self.input_tokens += record.usage.input_tokens
        self.output_tokens += record.usage.output_tokens
        self.requests += 1
        self.overshoot += max(0, record.cost - record.amount_held)


def reset_keys(reset: QuotaReset) -> tuple[RowKey, RowKey]:
    """The two rollups that a reset sets back: the day and the month that were running at its moment."""
    day, month = day_and_month(reset.at_ns, reset.time_zone)
    return (Window.DAY.value, day, reset.scope), (Window.MONTH.value, month, reset.scope)


class _Group(NamedTuple):
    """Calls that count alike. `settled_ns` is set only where a reset divides them."""

    scopes: tuple[ScopeId, ...]
    day: str
    month: str
    provider: str
    model: str
    settled_ns: int | None


def tally(settled: Iterable[Settled], resets: Resets) -> tuple[list[Row], list[Row]]:
    """What these calls add to `scope_usage` and to `model_usage`.

    A call that was held counts in the windows in which it began. Calls are grouped before they are spread over scopes and windows, so
    a call costs one look-up here. A rollup that was reset takes only what was settled after that.
    """
    scopes_reset = {scope for _, _, scope in resets}
    groups: dict[_Group, Sums] = {}
    for record in settled:
        if not record.held:
            continue  # refused before anything was held: it used nothing, as the ledger sees it
        day, month = day_and_month(record.started_ns, record.time_zone)
        divided = bool(scopes_reset) and not scopes_reset.isdisjoint(record.scopes)
        group = _Group(record.scopes, day, month, record.provider, record.model, record.at_ns if divided else None)
        sums = groups.get(group)
        if sums is None:
            sums = groups[group] = Sums()
        sums.add(record)
    by_scope: dict[RowKey, list[int]] = {}
    by_model: dict[tuple[str, str, str, str], list[int]] = {}
    for group, sums in groups.items():
        used = (sums.money, sums.input_tokens + sums.output_tokens, sums.requests, sums.overshoot)
        produced = (sums.requests, sums.input_tokens, sums.output_tokens, sums.money)
        for scope in group.scopes:
            for key in (
                (Window.DAY.value, group.day, scope),
                (Window.MONTH.value, group.month, scope),
                (Window.TOTAL.value, "", scope),
            ):
                if group.settled_ns is None or group.settled_ns > resets.get(key, -1):
                    _add(by_scope, key, used)
            _add(by_model, (scope, group.month, group.provider, group.model), produced)
    # Sorted, so that of two loaders at work on one vault none waits for the other in a circle.
    return sorted((*key, *values) for key, values in by_scope.items()), sorted(
        (*key, *values) for key, values in by_model.items()
    )


_Key = TypeVar("_Key")


def _add(totals: dict[_Key, list[int]], key: _Key, values: tuple[int, ...]) -> None:
    existing = totals.get(key)
    totals[key] = list(values) if existing is None else [old + new for old, new in zip(existing, values, strict=True)]
