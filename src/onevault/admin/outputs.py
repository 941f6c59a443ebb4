"""What the admin API answers: entities, pages, figures and errors, as callers read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from onevault.admin.register import Page
from onevault.admin.target_limits import target_limits_out
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    Budgets,
    Limit,
    Limited,
    Metric,
    Organization,
    ProviderKey,
    Team,
    Tenant,
    User,
    Window,
    is_of_tenant,
)
from onevault.core.money import Nanos, usd_for_json
from onevault.core.ports import Figures

E = TypeVar("E")
T = TypeVar("T")


class Output(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorDetail(Output):
    message: str = Field(description="What is wrong, for people.")
    type: str = Field(description="The family of the error.")
    param: str | None = Field(description="The field at fault.")
    code: str = Field(description="The exact kind, for programs.", examples=["INVALID_REQUEST"])


class ErrorOut(Output):
    error: ErrorDetail


class OrganizationOut(Output):
    object: Literal["organization"] = "organization"
    org_id: str
    name: str
    status: Literal["active", "suspended", "deleted"]
    monthly_budget_usd: float | None
    daily_budget_usd: float | None
    total_budget_usd: float | None
    max_cost_per_request_usd: float | None
    daily_token_limit: int | None
    monthly_token_limit: int | None
    provider_limits: dict[str, dict[str, float | int | None]] | None
    model_limits: dict[str, dict[str, float | int | None]] | None
    daily_request_limit: int | None
    monthly_request_limit: int | None
    tokens_per_minute: int | None
    requests_per_minute: int | None
    concurrent_requests: int | None
    time_zone: str
    failure_mode: str
    fallback_daily_limit: float | None
    compliance_level: str
    priority_tier: str
    webhook_url: str | None
    thresholds: list[int] | None = Field(description="Per cent; null: as configured.")
    byok: str = Field(description="What becomes of its own provider keys.")
    created_at: str
    version: int = Field(description="Grows with every change; the ETag, and what If-Match is compared with.")


class TenantOut(Output):
    object: Literal["tenant"] = "tenant"
    tenant_id: str
    monthly_budget_usd: float | None
    daily_budget_usd: float | None
    total_budget_usd: float | None
    max_cost_per_request_usd: float | None
    daily_token_limit: int | None
    monthly_token_limit: int | None
    provider_limits: dict[str, dict[str, float | int | None]] | None
    model_limits: dict[str, dict[str, float | int | None]] | None
    daily_request_limit: int | None
    monthly_request_limit: int | None
    tokens_per_minute: int | None
    requests_per_minute: int | None
    concurrent_requests: int | None
    version: int = Field(description="Grows with every change, 0 before the first; the ETag.")


class AdminKeyOut(Output):
    object: Literal["admin_key"] = "admin_key"
    admin_key_id: str
    prefix: str = Field(description="The key's first characters, to tell it from others.")
    name: str
    role: str
    scope: str = Field(description="`tenant`, or the id of the one organization that exists for it.")
    status: Literal["active", "suspended", "revoked", "deleted"]
    expires_at: str | None
    created_at: str
    version: int


class NewAdminKeyOut(AdminKeyOut):
    admin_key: str = Field(description="The key itself. It is shown here and never again.")


class _LimitsOut(Output):
    monthly_limit_usd: float | None
    daily_limit_usd: float | None
    total_limit_usd: float | None
    max_cost_per_request_usd: float | None
    daily_token_limit: int | None
    monthly_token_limit: int | None
    provider_limits: dict[str, dict[str, float | int | None]] | None
    model_limits: dict[str, dict[str, float | int | None]] | None
    daily_request_limit: int | None
    monthly_request_limit: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_requests: int | None
    created_at: str
    version: int = Field(description="Grows with every change; the ETag, and what If-Match is compared with.")


class TeamOut(_LimitsOut):
    object: Literal["team"] = "team"
    team_id: str
    org_id: str
    name: str
    status: Literal["active", "suspended", "deleted"]


class UserOut(_LimitsOut):
    object: Literal["user"] = "user"
    user_id: str
    org_id: str
    team_id: str | None
    email: str
    status: Literal["active", "suspended", "deleted"]


class KeyOut(_LimitsOut):
    object: Literal["api_key"] = "api_key"
    key_id: str
    user_id: str
    prefix: str = Field(description="The key's first characters, to tell it from others.")
    name: str
    status: Literal["active", "suspended", "revoked", "deleted"]
    test: bool
    expires_at: str | None
    allowed_models: list[str] | None
    allowed_providers: list[str] | None
    allowed_addresses: list[str] | None
    counts_as: str = Field(
        description="Whose limits and usage it shares: the first of the keys that it replaced, or itself."
    )


class NewKeyOut(KeyOut):
    api_key: str = Field(description="The key itself. It is shown here and never again.")


class ProviderKeyOut(Output):
    object: Literal["provider_key"] = "provider_key"
    provider_key_id: str
    org_id: str | None = Field(description="Whose it is; null: the whole tenant's.")
    provider: str
    name: str
    credential: Literal["api_key", "aws", "service_account"] = Field(description="Its kind; what it is is never shown.")
    tail: str = Field(description="Its last characters, to tell it from others; empty for short ones.")
    fingerprint: str = Field(description="The same for the same credential; nothing can be guessed from it.")
    status: Literal["active", "revoked", "expired"]
    daily_spending_limit_usd: float | None
    monthly_spending_limit_usd: float | None
    allowed_models: list[str] | None
    expires_at: str | None
    last_validated: str | None = Field(description="When its provider took it, to the day; null: not yet.")
    encryption_key_id: str = Field(description="The master key that wraps the key that it is sealed with.")
    created_at: str
    version: int


class PageOut(Output, Generic[T]):
    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool
    next_cursor: str | None = Field(description="Give it as `after` to go on.")


def page_out(page: Page[E], out: Callable[[E], T]) -> PageOut[T]:
    """A page of a list, each entry as `out` shows it."""
    return PageOut(data=[out(entry) for entry in page.entries], has_more=page.after is not None, next_cursor=page.after)


class UsageOut(Output):
    """Amounts in US dollars are for people; those in nanos (billionths of a dollar) are exact."""

    object: Literal["usage"] = "usage"
    scope: str
    time_zone: str = Field(description="In which the day and the month begin.")
    month: str = Field(examples=["2026-11"])
    month_usage_usd: float
    month_usage_nanos: int
    limit_usd: float | None = Field(description="Of the month; null: no limit.")
    limit_nanos: int | None
    remaining_usd: float | None = Field(description="Of the month's limit, after what is spent and what is held.")
    remaining_nanos: int | None
    held_usd: float = Field(description="Reserved for calls in flight, not yet spent.")
    held_nanos: int
    request_count: int = Field(description="This month.")
    token_count: int = Field(description="This month.")
    day: str = Field(examples=["2026-11-21"])
    day_usage_usd: float
    day_usage_nanos: int
    day_limit_usd: float | None
    day_limit_nanos: int | None
    day_remaining_usd: float | None
    day_remaining_nanos: int | None
    day_request_count: int
    total_usage_usd: float
    total_usage_nanos: int
    overshoot_usd: float = Field(description="What providers charged beyond what was held.")
    overshoot_nanos: int


def time_text(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _usd(nanos: int | None) -> float | None:
    return None if nanos is None else usd_for_json(Nanos(nanos))


def _further_limits(entity: Limited) -> dict[str, Any]:
    return {
        "max_cost_per_request_usd": _usd(entity.max_cost_per_request),
        "daily_token_limit": entity.daily_token_limit,
        "monthly_token_limit": entity.monthly_token_limit,
        "provider_limits": target_limits_out(entity.provider_limits),
        "model_limits": target_limits_out(entity.model_limits),
    }


def _whole_limits(entity: Budgets) -> dict[str, Any]:
    return _further_limits(entity) | {
        "total_budget_usd": _usd(entity.total_budget),
        "daily_request_limit": entity.daily_request_limit,
        "monthly_request_limit": entity.monthly_request_limit,
        "tokens_per_minute": entity.tokens_per_minute,
    }


def organization_out(organization: Organization) -> OrganizationOut:
    return OrganizationOut(
        org_id=organization.org_id,
        name=organization.name,
        status=organization.status.value,  # type: ignore[arg-type]  # organizations are never revoked
        monthly_budget_usd=_usd(organization.monthly_budget),
        daily_budget_usd=_usd(organization.daily_budget),
        **_whole_limits(organization),
        requests_per_minute=organization.requests_per_minute,
        concurrent_requests=organization.concurrent_requests,
        time_zone=organization.time_zone,
        failure_mode=organization.failure_mode,
        fallback_daily_limit=_usd(organization.fallback_daily_limit),
        compliance_level=organization.compliance_level,
        priority_tier=organization.priority_tier,
        webhook_url=organization.webhook_url,
        thresholds=None if organization.thresholds is None else list(organization.thresholds),
        byok=organization.byok or "preferred",
        created_at=time_text(organization.created_at_ms),
        version=organization.version,
    )


def tenant_out(tenant: Tenant) -> TenantOut:
    return TenantOut(
        tenant_id=tenant.tenant_id,
        monthly_budget_usd=_usd(tenant.monthly_budget),
        daily_budget_usd=_usd(tenant.daily_budget),
        **_whole_limits(tenant),
        requests_per_minute=tenant.requests_per_minute,
        concurrent_requests=tenant.concurrent_requests,
        version=tenant.version,
    )


def _admin_key_fields(key: AdminKey) -> dict[str, object]:
    return {
        "admin_key_id": key.admin_key_id,
        "prefix": key.prefix,
        "name": key.name,
        "role": key.role.value,
        "scope": key.org_id or "tenant",
        "status": key.status.value,
        "expires_at": None if key.expires_at_ms is None else time_text(key.expires_at_ms),
        "created_at": time_text(key.created_at_ms),
        "version": key.version,
    }


def admin_key_out(key: AdminKey) -> AdminKeyOut:
    return AdminKeyOut.model_validate(_admin_key_fields(key))


def new_admin_key_out(key: AdminKey, text: str) -> NewAdminKeyOut:
    return NewAdminKeyOut.model_validate({**_admin_key_fields(key), "admin_key": text})


def _limits_of(entity: Team | User | ApiKey) -> dict[str, object]:
    return {
        "monthly_limit_usd": _usd(entity.monthly_limit),
        "daily_limit_usd": _usd(entity.daily_limit),
        "total_limit_usd": _usd(entity.total_limit),
        **_further_limits(entity),
        "daily_request_limit": entity.daily_request_limit,
        "monthly_request_limit": entity.monthly_request_limit,
        "requests_per_minute": entity.requests_per_minute,
        "tokens_per_minute": entity.tokens_per_minute,
        "concurrent_requests": entity.concurrent_requests,
        "created_at": time_text(entity.created_at_ms),
        "version": entity.version,
    }


def team_out(team: Team) -> TeamOut:
    own = {"team_id": team.team_id, "org_id": team.org_id, "name": team.name, "status": team.status.value}
    return TeamOut.model_validate({**own, **_limits_of(team)})


def user_out(user: User) -> UserOut:
    own = {
        "user_id": user.user_id,
        "org_id": user.org_id,
        "team_id": user.team_id,
        "email": user.email,
        "status": user.status.value,
    }
    return UserOut.model_validate({**own, **_limits_of(user)})


def _list(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)


def _key_fields(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "user_id": key.user_id,
        "prefix": key.prefix,
        "name": key.name,
        "status": key.status.value,
        "test": key.test,
        "expires_at": None if key.expires_at_ms is None else time_text(key.expires_at_ms),
        "allowed_models": _list(key.allowed_models),
        "allowed_providers": _list(key.allowed_providers),
        "allowed_addresses": _list(key.allowed_addresses),
        "counts_as": key.counts_as or key.key_id,
        **_limits_of(key),
    }


def key_out(key: ApiKey) -> KeyOut:
    return KeyOut.model_validate(_key_fields(key))


def new_key_out(key: ApiKey, text: str) -> NewKeyOut:
    return NewKeyOut.model_validate({**_key_fields(key), "api_key": text})


def provider_key_out(key: ProviderKey) -> ProviderKeyOut:
    return ProviderKeyOut.model_validate(
        {
            "provider_key_id": key.provider_key_id,
            "org_id": None if is_of_tenant(key.org_id) else key.org_id,
            "provider": key.provider,
            "name": key.name,
            "credential": key.credential,
            "tail": key.tail,
            "fingerprint": key.fingerprint,
            "status": key.status.value,
            "daily_spending_limit_usd": _usd(key.daily_limit),
            "monthly_spending_limit_usd": _usd(key.monthly_limit),
            "allowed_models": _list(key.allowed_models),
            "expires_at": None if key.expires_at_ms is None else time_text(key.expires_at_ms),
            "last_validated": None if key.last_validated_ms is None else time_text(key.last_validated_ms),
            "encryption_key_id": key.encryption_key_id,
            "created_at": time_text(key.created_at_ms),
            "version": key.version,
        }
    )


def usage_out(figures: Figures, limits: tuple[Limit, ...], *, time_zone: str) -> UsageOut:
    """A scope's figures beside the limits of money that hold for it."""
    maximum = {limit.window: limit.maximum for limit in limits if limit.metric is Metric.MONEY}
    month, day = maximum.get(Window.MONTH), maximum.get(Window.DAY)
    month_left = None if month is None else figures.left(Window.MONTH, month)
    day_left = None if day is None else figures.left(Window.DAY, day)
    return UsageOut(
        scope=figures.scope,
        time_zone=time_zone,
        month=figures.month,
        month_usage_usd=usd_for_json(figures.spent_month),
        month_usage_nanos=figures.spent_month,
        limit_usd=_usd(month),
        limit_nanos=month,
        remaining_usd=_usd(month_left),
        remaining_nanos=month_left,
        held_usd=usd_for_json(figures.held),
        held_nanos=figures.held,
        request_count=figures.requests_month,
        token_count=figures.tokens_month,
        day=figures.day,
        day_usage_usd=usd_for_json(figures.spent_day),
        day_usage_nanos=figures.spent_day,
        day_limit_usd=_usd(day),
        day_limit_nanos=day,
        day_remaining_usd=_usd(day_left),
        day_remaining_nanos=day_left,
        day_request_count=figures.requests_day,
        total_usage_usd=usd_for_json(figures.spent_total),
        total_usage_nanos=figures.spent_total,
        overshoot_usd=usd_for_json(figures.overshoot),
        overshoot_nanos=figures.overshoot,
    )
