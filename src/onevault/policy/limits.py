"""Which limits a tenant, organization, team, user or key sets, and in which scopes they count."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from onevault.core.identity import (
    ApiKey,
    Budgets,
    Limit,
    Limited,
    Limits,
    LimitSet,
    Metric,
    Organization,
    ScopeId,
    TargetScope,
    Team,
    Tenant,
    User,
    Window,
)

L = TypeVar("L", bound=Limits)


class DefaultLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a key or a user that has no limit of its own of the kind. None: no limit. Money in nanos."""

    key_requests_per_minute: int | None = None
    key_concurrent_requests: int | None = None
    user_daily_requests: int | None = None
    user_monthly_requests: int | None = None
    user_monthly_budget: int | None = None


NO_DEFAULTS = DefaultLimits()


def tenant_scope(tenant_id: str) -> ScopeId:
    return ScopeId(f"tenant:{tenant_id}")


def organization_scope(org_id: str) -> ScopeId:
    return ScopeId(f"org:{org_id}")


def team_scope(team_id: str) -> ScopeId:
    return ScopeId(f"team:{team_id}")


def user_scope(user_id: str) -> ScopeId:
    return ScopeId(f"user:{user_id}")


def key_scope(key_id: str) -> ScopeId:
    return ScopeId(f"key:{key_id}")


def tenant_limits(tenant: Tenant) -> tuple[Limit, ...]:
    """The limits over all organizations of a tenant."""
    return _of_budgets(tenant_scope(tenant.tenant_id), tenant)


def organization_limits(organization: Organization) -> tuple[Limit, ...]:
    """The limits that an organization sets."""
    return _of_budgets(organization_scope(organization.org_id), organization)


def team_limits(team: Team) -> tuple[Limit, ...]:
    """The limits over all users of a team."""
    return _of_limits(team_scope(team.team_id), team)


def user_limits(user: User, defaults: DefaultLimits = NO_DEFAULTS) -> tuple[Limit, ...]:
    """The limits that a user has, its own or the default ones."""
    return _of_limits(
        user_scope(user.user_id),
        _filled(
            user,
            monthly_limit=defaults.user_monthly_budget,
            daily_request_limit=defaults.user_daily_requests,
            monthly_request_limit=defaults.user_monthly_requests,
        ),
    )


def key_limits(key: ApiKey, defaults: DefaultLimits = NO_DEFAULTS) -> tuple[Limit, ...]:
    """The limits that a key has, its own or the default ones."""
    return _of_limits(
        key_scope(key.counts_as or key.key_id),
        _filled(
            key,
            requests_per_minute=defaults.key_requests_per_minute,
            concurrent_requests=defaults.key_concurrent_requests,
        ),
    )


def target_scope(scope: ScopeId, kind: Literal["provider", "model"], name: str) -> ScopeId:
    """A scope for one provider or one model alone."""
    return ScopeId(f"{scope}|{kind}:{name}")


def target_scopes(scope: ScopeId, entity: Limited) -> tuple[TargetScope, ...]:
    """The scopes of an entity for one provider or one model alone, with their limits."""
    found: list[TargetScope] = []
    for is_model, sets in ((False, entity.provider_limits), (True, entity.model_limits)):
        for name, limits in sorted((sets or {}).items()):
            own = target_scope(scope, "model" if is_model else "provider", name)
            found.append(TargetScope(own, is_model, name, _of_set(own, limits)))
    return tuple(found)


def _filled(entity: L, **defaults: int | None) -> L:
    """With the default limits where it has none of its own."""
    missing = {name: value for name, value in defaults.items() if value is not None and getattr(entity, name) is None}
    return msgspec.structs.replace(entity, **missing) if missing else entity


# The order of limits is that in which callers are shown them, and of those that refuse a call the first is told.


def _of_budgets(scope: ScopeId, of: Budgets) -> tuple[Limit, ...]:
    return _limits(
        scope,
        (Metric.MONEY, Window.DAY, of.daily_budget),
        (Metric.MONEY, Window.MONTH, of.monthly_budget),
        (Metric.REQUESTS, Window.MINUTE, of.requests_per_minute),
        (Metric.CONCURRENCY, Window.NOW, of.concurrent_requests),
        (Metric.MONEY, Window.TOTAL, of.total_budget),
        (Metric.MONEY, Window.NOW, of.max_cost_per_request),
        (Metric.TOKENS, Window.DAY, of.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, of.monthly_token_limit),
        (Metric.REQUESTS, Window.DAY, of.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, of.monthly_request_limit),
        (Metric.TOKENS, Window.MINUTE, of.tokens_per_minute),
    )


def _of_limits(scope: ScopeId, of: Limits) -> tuple[Limit, ...]:
    return _limits(
        scope,
        (Metric.MONEY, Window.DAY, of.daily_limit),
        (Metric.MONEY, Window.MONTH, of.monthly_limit),
        (Metric.REQUESTS, Window.DAY, of.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, of.monthly_request_limit),
        (Metric.REQUESTS, Window.MINUTE, of.requests_per_minute),
        (Metric.TOKENS, Window.MINUTE, of.tokens_per_minute),
        (Metric.CONCURRENCY, Window.NOW, of.concurrent_requests),
        (Metric.MONEY, Window.TOTAL, of.total_limit),
        (Metric.MONEY, Window.NOW, of.max_cost_per_request),
        (Metric.TOKENS, Window.DAY, of.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, of.monthly_token_limit),
    )


def _of_set(scope: ScopeId, limits: LimitSet) -> tuple[Limit, ...]:
    return _limits(
        scope,
        (Metric.MONEY, Window.NOW, limits.max_cost_per_request),
        (Metric.MONEY, Window.DAY, limits.daily_limit),
        (Metric.MONEY, Window.MONTH, limits.monthly_limit),
        (Metric.MONEY, Window.TOTAL, limits.total_limit),
        (Metric.REQUESTS, Window.DAY, limits.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, limits.monthly_request_limit),
        (Metric.TOKENS, Window.DAY, limits.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, limits.monthly_token_limit),
        (Metric.REQUESTS, Window.MINUTE, limits.requests_per_minute),
        (Metric.TOKENS, Window.MINUTE, limits.tokens_per_minute),
        (Metric.CONCURRENCY, Window.NOW, limits.concurrent_requests),
    )


def _limits(scope: ScopeId, *rows: tuple[Metric, Window, int | None]) -> tuple[Limit, ...]:
    return tuple(
        Limit(scope=scope, metric=metric, window=window, maximum=maximum)
        for metric, window, maximum in rows
        if maximum is not None
    )
