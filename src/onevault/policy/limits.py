"""Which limits a tenant, organization, team, user or key sets, and in which scopes they count."""

from __future__ import annotations

import msgspec

from onevault.core.identity import (
    ApiKey,
    Limit,
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
    return _limits(
        tenant_scope(tenant.tenant_id),
        (Metric.MONEY, Window.DAY, tenant.daily_budget),
        (Metric.MONEY, Window.MONTH, tenant.monthly_budget),
        (Metric.REQUESTS, Window.MINUTE, tenant.requests_per_minute),
        (Metric.CONCURRENCY, Window.NOW, tenant.concurrent_requests),
        (Metric.MONEY, Window.TOTAL, tenant.total_budget),
        (Metric.MONEY, Window.NOW, tenant.max_cost_per_request),
        (Metric.TOKENS, Window.DAY, tenant.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, tenant.monthly_token_limit),
        (Metric.REQUESTS, Window.DAY, tenant.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, tenant.monthly_request_limit),
        (Metric.TOKENS, Window.MINUTE, tenant.tokens_per_minute),
    )


def organization_limits(organization: Organization) -> tuple[Limit, ...]:
    """The limits that an organization sets."""
    return _limits(
        organization_scope(organization.org_id),
        (Metric.MONEY, Window.DAY, organization.daily_budget),
        (Metric.MONEY, Window.MONTH, organization.monthly_budget),
        (Metric.REQUESTS, Window.MINUTE, organization.requests_per_minute),
        (Metric.CONCURRENCY, Window.NOW, organization.concurrent_requests),
        (Metric.MONEY, Window.TOTAL, organization.total_budget),
        (Metric.MONEY, Window.NOW, organization.max_cost_per_request),
        (Metric.TOKENS, Window.DAY, organization.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, organization.monthly_token_limit),
        (Metric.REQUESTS, Window.DAY, organization.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, organization.monthly_request_limit),
        (Metric.TOKENS, Window.MINUTE, organization.tokens_per_minute),
    )


def team_limits(team: Team) -> tuple[Limit, ...]:
    """The limits over all users of a team."""
    return _limits(
        team_scope(team.team_id),
        (Metric.MONEY, Window.DAY, team.daily_limit),
        (Metric.MONEY, Window.MONTH, team.monthly_limit),
        (Metric.REQUESTS, Window.DAY, team.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, team.monthly_request_limit),
        (Metric.REQUESTS, Window.MINUTE, team.requests_per_minute),
        (Metric.TOKENS, Window.MINUTE, team.tokens_per_minute),
        (Metric.CONCURRENCY, Window.NOW, team.concurrent_requests),
        (Metric.MONEY, Window.TOTAL, team.total_limit),
        (Metric.MONEY, Window.NOW, team.max_cost_per_request),
        (Metric.TOKENS, Window.DAY, team.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, team.monthly_token_limit),
    )


def user_limits(user: User, defaults: DefaultLimits = NO_DEFAULTS) -> tuple[Limit, ...]:
    """The limits that a user has, its own or the default ones."""
    return _limits(
        user_scope(user.user_id),
        (Metric.MONEY, Window.DAY, user.daily_limit),
        (Metric.MONEY, Window.MONTH, _own_or(user.monthly_limit, defaults.user_monthly_budget)),
        (Metric.REQUESTS, Window.DAY, _own_or(user.daily_request_limit, defaults.user_daily_requests)),
        (Metric.REQUESTS, Window.MONTH, _own_or(user.monthly_request_limit, defaults.user_monthly_requests)),
        (Metric.REQUESTS, Window.MINUTE, user.requests_per_minute),
        (Metric.TOKENS, Window.MINUTE, user.tokens_per_minute),
        (Metric.CONCURRENCY, Window.NOW, user.concurrent_requests),
        (Metric.MONEY, Window.TOTAL, user.total_limit),
        (Metric.MONEY, Window.NOW, user.max_cost_per_request),
        (Metric.TOKENS, Window.DAY, user.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, user.monthly_token_limit),
    )


def key_limits(key: ApiKey, defaults: DefaultLimits = NO_DEFAULTS) -> tuple[Limit, ...]:
    """The limits that a key has, its own or the default ones."""
    return _limits(
        key_scope(key.counts_as or key.key_id),
        (Metric.MONEY, Window.DAY, key.daily_limit),
        (Metric.MONEY, Window.MONTH, key.monthly_limit),
        (Metric.REQUESTS, Window.DAY, key.daily_request_limit),
        (Metric.REQUESTS, Window.MONTH, key.monthly_request_limit),
        (Metric.REQUESTS, Window.MINUTE, _own_or(key.requests_per_minute, defaults.key_requests_per_minute)),
        (Metric.TOKENS, Window.MINUTE, key.tokens_per_minute),
        (Metric.CONCURRENCY, Window.NOW, _own_or(key.concurrent_requests, defaults.key_concurrent_requests)),
        (Metric.MONEY, Window.TOTAL, key.total_limit),
        (Metric.MONEY, Window.NOW, key.max_cost_per_request),
        (Metric.TOKENS, Window.DAY, key.daily_token_limit),
        (Metric.TOKENS, Window.MONTH, key.monthly_token_limit),
    )


def _own_or(own: int | None, default: int | None) -> int | None:
    return default if own is None else own


def _limits(scope: ScopeId, *rows: tuple[Metric, Window, int | None]) -> tuple[Limit, ...]:
    return tuple(
        Limit(scope=scope, metric=metric, window=window, maximum=maximum)
        for metric, window, maximum in rows
        if maximum is not None
    )


def target_scopes(scope: ScopeId, entity: Tenant | Organization | Team | User | ApiKey) -> tuple[TargetScope, ...]:
    """The scopes of an entity for one provider or one model alone, with their limits."""
    found: list[TargetScope] = []
    for is_model, sets in ((False, entity.provider_limits), (True, entity.model_limits)):
        for name, limits in sorted((sets or {}).items()):
            own = ScopeId(f"{scope}|{'model' if is_model else 'provider'}:{name}")
            found.append(TargetScope(own, is_model, name, _limits_of_set(own, limits)))
    return tuple(found)


def _limits_of_set(scope: ScopeId, limits: LimitSet) -> tuple[Limit, ...]:
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
