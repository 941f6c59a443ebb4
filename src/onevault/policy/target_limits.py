"""Decides in which further scopes a call counts because of where it goes: limits for one provider or one model alone.

From its hold to its bill a call counts in one set of scopes. So targets that would count in others are left out behind the first:
a call whose provider has a limit of its own does not go on to one that has another, and money is never counted where it was not spent.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Metric, Principal, ScopeId, TargetScope, Window
from onevault.core.money import NANOS_PER_USD, USD_MAX, nanos_from_usd
from onevault.core.sending import Target

OTHER_LIMITS: Final = "counts in other limits for a provider or model than the first target"
Exclusions = tuple[tuple[str, str], ...]


def counting(principal: Principal, target: Target) -> tuple[TargetScope, ...]:
    """The scopes for one provider or model in which a call to this target counts."""
    at = principal.at_targets
    return tuple(each for each in at if _is_of(each, target)) if at else ()


def alike(targets: tuple[Target, ...], principal: Principal) -> tuple[tuple[Target, ...], Exclusions]:
    """The targets that count where the first does, and those left out."""
    first = counting(principal, targets[0])
    kept = tuple(target for target in targets if counting(principal, target) == first)
    return kept, tuple((target.deployment, OTHER_LIMITS) for target in targets if target not in kept)


def scopes_with(scopes: tuple[ScopeId, ...], further: tuple[TargetScope, ...]) -> tuple[ScopeId, ...]:
    """All scopes of a call. The same tuple for the same ones, as stores remember what they worked out for it."""
    return _scopes_with(scopes, further) if further else scopes


def limits_with(limits: tuple[Limit, ...], further: tuple[TargetScope, ...]) -> tuple[Limit, ...]:
    """All limits of a call, as `scopes_with`."""
    return _limits_with(limits, further) if further else limits


def rates_at(principal: Principal, further: tuple[TargetScope, ...]) -> Principal | None:
    """As whom a call is admitted for the rates of its target; None where it has none: requests and calls at the same time."""
    limits = _rates_of(further) if further else ()
    if not limits:
        return None
    return Principal(
        tenant_id=principal.tenant_id,
        org_id=principal.org_id,
        user_id=principal.user_id,
        key_id=principal.key_id,
        test=principal.test,
        time_zone=principal.time_zone,
        scopes=_names_of(further),
        limits=limits,
    )


def limits_of_day(limits: tuple[Limit, ...], scope: ScopeId, most_usd: float) -> tuple[Limit, ...]:
    """The limits of a call that says itself what its key may spend in the running day. Raises Fault INVALID_REQUEST."""
    try:
        most = nanos_from_usd(most_usd)
    except ValueError as error:
        raise Fault(FaultKind.INVALID_REQUEST, f"{error}.", param="budget.max_cost_per_day") from None
    return (*limits, Limit(scope, Metric.MONEY, Window.DAY, min(most, USD_MAX * NANOS_PER_USD)))


def _is_of(scope: TargetScope, target: Target) -> bool:
    if scope.is_model:
        return scope.name in (target.model, f"{target.provider}/{target.model}")
    return scope.name == target.provider


@lru_cache(maxsize=8192)
def _scopes_with(scopes: tuple[ScopeId, ...], further: tuple[TargetScope, ...]) -> tuple[ScopeId, ...]:
    return scopes + tuple(each.scope for each in further)


@lru_cache(maxsize=8192)
def _limits_with(limits: tuple[Limit, ...], further: tuple[TargetScope, ...]) -> tuple[Limit, ...]:
    return limits + tuple(limit for each in further for limit in each.limits)


@lru_cache(maxsize=8192)
def _rates_of(further: tuple[TargetScope, ...]) -> tuple[Limit, ...]:
    rates = (Metric.REQUESTS, Metric.CONCURRENCY)
    return tuple(limit for each in further for limit in each.limits if limit.metric in rates)


@lru_cache(maxsize=8192)
def _names_of(further: tuple[TargetScope, ...]) -> tuple[ScopeId, ...]:
    return tuple(each.scope for each in further)
