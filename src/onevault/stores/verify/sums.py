"""Adds settled calls up, one by one: on purpose not by the code that writes the stored sums, which is what is being examined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from onevault.core.identity import ScopeId
from onevault.core.windows import day_and_month
from onevault.stores.verify.vault import ModelKey, ScopeKey
from onevault.stores.verify.words import Call, Difference, Kind, ModelSum, NotSettled, Sum

_Key = TypeVar("_Key", ScopeKey, ModelKey)


class Recomputed:
    """What calls add up to, by scope and window, and by scope, month, provider and model. `resets` say up to which moment (ns)
    settlements do not count in a window."""

    def __init__(self, resets: Mapping[ScopeKey, int]) -> None:
        self._resets = resets
        self._scopes: defaultdict[ScopeKey, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._models: defaultdict[ModelKey, list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def add(self, calls: Iterable[Call]) -> None:
        for call in calls:
            if not call.held:
                continue  # refused before anything was held
            day, month = day_and_month(call.started_ns, call.time_zone)
            tokens = call.input_tokens + call.output_tokens
            overshoot = max(0, call.cost - call.amount_held)
            for scope in call.scopes:
                for key in (("day", day, scope), ("month", month, scope), ("total", "", scope)):
                    if call.settled_ns > self._resets.get(key, -1):
                        _add(self._scopes[key], call.cost, tokens, 1, overshoot)
                of_model = self._models[(scope, month, call.provider, call.model)]
                _add(of_model, 1, call.input_tokens, call.output_tokens, call.cost)

    @property
    def scope_sums(self) -> dict[ScopeKey, Sum]:
        return {key: Sum(*values) for key, values in self._scopes.items()}

    @property
    def model_sums(self) -> dict[ModelKey, ModelSum]:
        return {key: ModelSum(*values) for key, values in self._models.items()}


def _add(sums: list[int], *values: int) -> None:
    for index, value in enumerate(values):
        sums[index] += value


def differing(stored: Mapping[_Key, tuple[int, ...]], recomputed: Mapping[_Key, tuple[int, ...]]) -> list[_Key]:
    """The keys whose figures are not the same; a sum that is not there is one of nothing."""
    nothing = (0, 0, 0, 0)
    return sorted(
        key for key in stored.keys() | recomputed.keys() if stored.get(key, nothing) != recomputed.get(key, nothing)
    )


def scope_difference(key: ScopeKey, stored: Sum, recomputed: Sum, not_settled: NotSettled | None) -> Difference:
    window, label, scope = key
    when = f"in {label}" if label else "in total"
    return Difference(
        kind=Kind.SCOPE_SUM,
        message=f"{scope} {when}: {_said(stored, recomputed)}.{_beside(not_settled)}",
        scope=scope,
        window=window,
        label=label,
        stored=stored._asdict(),
        recomputed=recomputed._asdict(),
        not_settled=not_settled,
    )


def model_difference(
    key: ModelKey, stored: ModelSum, recomputed: ModelSum, not_settled: NotSettled | None
) -> Difference:
    scope, month, provider, model = key
    return Difference(
        kind=Kind.MODEL_SUM,
        message=f"{scope} in {month} of {provider or 'no provider'} {model}: {_said(stored, recomputed)}.{_beside(not_settled)}",
        scope=scope,
        window="month",
        label=month,
        provider=provider,
        model=model,
        stored=stored._asdict(),
        recomputed=recomputed._asdict(),
        not_settled=not_settled,
    )


def _said(stored: Sum | ModelSum, recomputed: Sum | ModelSum) -> str:
    return ", ".join(
        f"{name} stored {one}, recomputed {other}"
        for name, one, other in zip(stored._fields, stored, recomputed, strict=True)
        if one != other
    )


def _beside(not_settled: NotSettled | None) -> str:
    if not_settled is None:
        return ""
    return (
        f" Beside that {not_settled.waiting_calls} calls wait for the vault ({not_settled.waiting_nanos} nanos), "
        f"and {not_settled.held_calls} are held ({not_settled.held_nanos} nanos)."
    )


class Beside:
    """What scopes have beside their stored sums."""

    def __init__(self) -> None:
        self._of: defaultdict[ScopeId, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])

    def add_waiting(self, call: Call) -> None:
        for scope in call.scopes if call.held else ():
            _add(self._of[scope], 1, call.cost)

    def add_held(self, scopes: tuple[ScopeId, ...], amount: int, tokens: int) -> None:
        for scope in scopes:
            _add(self._of[scope], 0, 0, 1, amount, tokens)

    def of(self, scope: str) -> NotSettled | None:
        figures = self._of.get(ScopeId(scope))
        return None if figures is None else NotSettled(ScopeId(scope), *figures)

    def dearest(self, most: int) -> tuple[NotSettled, ...]:
        """The scopes with the most money held and waiting first."""
        every = [NotSettled(scope, *figures) for scope, figures in self._of.items()]
        every.sort(key=lambda one: (-one.held_nanos - one.waiting_nanos, one.scope))
        return tuple(every[:most])
