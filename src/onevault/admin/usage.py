"""Reads what scopes have used beside their limits, and sets a user's running windows back."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

from onevault.admin.deps import AdminDeps
from onevault.admin.office import Actor
from onevault.admin.usage_out import UsageOut, target_usage_out, usage_out
from onevault.core.changes import ChangeQuery, RecordedChange
from onevault.core.identity import Limit, Organization, ProviderKey, ScopeId, Team, Tenant, User
from onevault.core.ports import Figures
from onevault.core.records import QuotaReset
from onevault.policy.byok import provider_key_limits, provider_key_scope
from onevault.policy.limits import (
    organization_limits,
    organization_scope,
    target_scope,
    target_scopes,
    team_limits,
    team_scope,
    tenant_limits,
    tenant_scope,
    user_limits,
    user_scope,
)

_MONTH_MS_MAX: Final = 32 * 24 * 3600 * 1000
_CHANGES_AT_ONCE: Final = 200
_KINDS: Final[tuple[Literal["provider", "model"], ...]] = ("provider", "model")


async def usage_of_tenant(deps: AdminDeps, tenant: Tenant) -> UsageOut:
    """Over all organizations: each call in the day and month of its own organization."""
    return await _usage(deps, tenant_scope(tenant.tenant_id), tenant_limits(tenant), deps.time_zone, tenant)


async def usage_of_team(deps: AdminDeps, team: Team, organization: Organization) -> UsageOut:
    return await _usage(deps, team_scope(team.team_id), team_limits(team), organization.time_zone, team)


async def usage_of_organization(deps: AdminDeps, organization: Organization) -> UsageOut:
    scope, limits = organization_scope(organization.org_id), organization_limits(organization)
    return await _usage(deps, scope, limits, organization.time_zone, organization)


async def usage_of_user(deps: AdminDeps, user: User, organization: Organization) -> UsageOut:
    limits = user_limits(user, deps.defaults())
    return await _usage(deps, user_scope(user.user_id), limits, organization.time_zone, user)


async def usage_of_provider_key(deps: AdminDeps, key: ProviderKey, time_zone: str) -> UsageOut:
    return await _usage(deps, provider_key_scope(key.provider_key_id), provider_key_limits(key), time_zone)


async def _usage(
    deps: AdminDeps,
    scope: ScopeId,
    limits: tuple[Limit, ...],
    time_zone: str,
    holder: Tenant | Organization | Team | User | None = None,
) -> UsageOut:
    targets = target_scopes(scope, holder) if holder is not None else ()
    now_ns = deps.clock.wall_ns()
    # Asked together they are one question to a shared store.
    whole, *of_targets = await asyncio.gather(
        *(
            deps.ledger.figures(each, time_zone=time_zone, now_ns=now_ns)
            for each in (scope, *(target.scope for target in targets))
        )
    )
    shown = []
    for target, figures in zip(targets, of_targets, strict=True):
        sets = (holder.model_limits if target.is_model else holder.provider_limits) if holder is not None else None
        set_of = (sets or {})[target.name]
        shown.append(target_usage_out(figures, is_model=target.is_model, name=target.name, limits=set_of))
    return usage_out(whole, limits, time_zone=time_zone, targets=shown)


async def reset_quota(deps: AdminDeps, user: User, organization: Organization, actor: Actor) -> UsageOut:
    """Starts the user's running day and month again from nothing: money, tokens and requests, also of those that the user has limits for
    one provider or model on, or had in this month: set again, they go on from nothing, too. It is in the audit, then in the journal, so it
    holds after a restart; organization and keys keep their own figures, and money held for calls in flight stays held."""
    scope, now_ns, time_zone = user_scope(user.user_id), deps.clock.wall_ns(), organization.time_zone
    scopes = (scope, *await _target_scopes(deps, user, now_ms=now_ns // 1_000_000))
    figures = await deps.ledger.figures(scope, time_zone=time_zone, now_ns=now_ns)
    await deps.change_log.note(
        RecordedChange(
            change_id=0,
            at_ms=now_ns // 1_000_000,
            actor=actor.name,
            address=actor.address,
            entity="user",
            entity_id=user.user_id,
            org_id=user.org_id,
            before=_told(figures),
            after=_told(Figures(scope=scope, day=figures.day, month=figures.month)) | {"quota_reset": list(scopes)},
        )
    )
    for each in scopes:
        reset = QuotaReset(reset_id=f"rst_{deps.ids()}", at_ns=now_ns, scope=each, time_zone=time_zone)
        await deps.journal.append(reset)
        await deps.ledger.reset(reset)
        await deps.rates.reset(reset)
    return await usage_of_user(deps, user, organization)


async def _target_scopes(deps: AdminDeps, user: User, *, now_ms: int) -> tuple[ScopeId, ...]:
    """The user's scopes for one provider or model alone that may have counted in the running month."""
    scope = user_scope(user.user_id)
    found = dict.fromkeys(each.scope for each in target_scopes(scope, user))
    before_id: int | None = None
    while True:
        query = ChangeQuery(
            entity="user",
            entity_id=user.user_id,
            since_ms=now_ms - _MONTH_MS_MAX,
            before_id=before_id,
            limit=_CHANGES_AT_ONCE,
        )
        changes = await deps.change_log.newest(query)
        for state in (state for change in changes for state in (change.before, change.after) if state):
            for kind in _KINDS:
                found |= dict.fromkeys(target_scope(scope, kind, name) for name in state.get(f"{kind}_limits") or ())
        if len(changes) < _CHANGES_AT_ONCE:
            return tuple(found)
        before_id = changes[-1].change_id


def _told(figures: Figures) -> dict[str, Any]:
    """What is set back, by the audit's names: money in nanos."""
    return {
        "day": figures.day,
        "month": figures.month,
        "day_usage_usd": figures.spent_day,
        "month_usage_usd": figures.spent_month,
        "day_request_count": figures.requests_day,
        "month_request_count": figures.requests_month,
        "month_token_count": figures.tokens_month,
    }
