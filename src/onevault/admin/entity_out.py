"""How the admin API shows organizations, tenants, teams, users and every kind of key."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from onevault.admin.outputs import Output, time_text, usd
from onevault.admin.target_limits import target_limits_out
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    Budgets,
    Limited,
    Organization,
    ProviderKey,
    Team,
    Tenant,
    User,
    is_of_tenant,
)


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


def _limited(entity: Limited) -> dict[str, Any]:
    return {
        "max_cost_per_request_usd": usd(entity.max_cost_per_request),
        "daily_request_limit": entity.daily_request_limit,
        "monthly_request_limit": entity.monthly_request_limit,
        "daily_token_limit": entity.daily_token_limit,
        "monthly_token_limit": entity.monthly_token_limit,
        "requests_per_minute": entity.requests_per_minute,
        "tokens_per_minute": entity.tokens_per_minute,
        "concurrent_requests": entity.concurrent_requests,
        "provider_limits": target_limits_out(entity.provider_limits),
        "model_limits": target_limits_out(entity.model_limits),
    }


def _budgets(entity: Budgets) -> dict[str, Any]:
    return _limited(entity) | {
        "daily_budget_usd": usd(entity.daily_budget),
        "monthly_budget_usd": usd(entity.monthly_budget),
        "total_budget_usd": usd(entity.total_budget),
    }


def organization_out(organization: Organization) -> OrganizationOut:
    return OrganizationOut(
        org_id=organization.org_id,
        name=organization.name,
        status=organization.status.value,  # type: ignore[arg-type]  # organizations are never revoked
        **_budgets(organization),
        time_zone=organization.time_zone,
        failure_mode=organization.failure_mode,
        fallback_daily_limit=usd(organization.fallback_daily_limit),
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
        **_budgets(tenant),
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


def _limits(entity: Team | User | ApiKey) -> dict[str, Any]:
    return _limited(entity) | {
        "daily_limit_usd": usd(entity.daily_limit),
        "monthly_limit_usd": usd(entity.monthly_limit),
        "total_limit_usd": usd(entity.total_limit),
        "created_at": time_text(entity.created_at_ms),
        "version": entity.version,
    }


def team_out(team: Team) -> TeamOut:
    own = {"team_id": team.team_id, "org_id": team.org_id, "name": team.name, "status": team.status.value}
    return TeamOut.model_validate({**own, **_limits(team)})


def user_out(user: User) -> UserOut:
    own = {
        "user_id": user.user_id,
        "org_id": user.org_id,
        "team_id": user.team_id,
        "email": user.email,
        "status": user.status.value,
    }
    return UserOut.model_validate({**own, **_limits(user)})


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
        **_limits(key),
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
            "daily_spending_limit_usd": usd(key.daily_limit),
            "monthly_spending_limit_usd": usd(key.monthly_limit),
            "allowed_models": _list(key.allowed_models),
            "expires_at": None if key.expires_at_ms is None else time_text(key.expires_at_ms),
            "last_validated": None if key.last_validated_ms is None else time_text(key.last_validated_ms),
            "encryption_key_id": key.encryption_key_id,
            "created_at": time_text(key.created_at_ms),
            "version": key.version,
        }
    )
