"""Creates, changes and ends organizations."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from onevault.admin.changing import check_url, is_version, put, put_changed, put_ended, with_status
from onevault.admin.inputs import CreateOrganization, UpdateOrganization
from onevault.admin.office import Actor, Office
from onevault.admin.register import Register
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Organization, Status
from onevault.policy.access import FAIL_OPEN

_TIGHTENED = {
    "monthly_budget": "monthly_budget_usd",
    "daily_budget": "daily_budget_usd",
    "total_budget": "total_budget_usd",
    "max_cost_per_request": "max_cost_per_request_usd",
    "daily_request_limit": "daily_request_limit",
    "monthly_request_limit": "monthly_request_limit",
    "daily_token_limit": "daily_token_limit",
    "monthly_token_limit": "monthly_token_limit",
    "tokens_per_minute": "tokens_per_minute",
    "requests_per_minute": "requests_per_minute",
    "concurrent_requests": "concurrent_requests",
}
_FROM_ABOVE = (
    "provider_limits",
    "model_limits",
    "status",
    "byok",
    "time_zone",
    "failure_mode",
    "fallback_daily_limit",
    "compliance_level",
    "priority_tier",
)


def _only_tightens(before: Organization, changes: Mapping[str, object]) -> None:
    """Who is confined to an organization got its limits from above, and cannot have more: raises Fault FORBIDDEN."""
    for field, alias in _TIGHTENED.items():
        had, wanted = getattr(before, field), changes.get(field)
        if field in changes and had is not None and (not isinstance(wanted, int) or wanted > had):
            message = f"{alias}: a key to one organization can lower this limit, not raise it or take it away"
            raise Fault(FaultKind.FORBIDDEN, message, param=alias)
    for field in _FROM_ABOVE:
        if field in changes and changes[field] != getattr(before, field):
            alias = "suspended" if field == "status" else field
            message = f"{alias}: this needs an admin key to the whole tenant"
            raise Fault(FaultKind.FORBIDDEN, message, param=alias)


def with_failure_mode(organization: Organization, said: Mapping[str, object]) -> Organization:
    """Failing open needs a limit, and failing closed has none: raises Fault INVALID_REQUEST. A limit that nobody names again goes
    with its mode."""
    if organization.failure_mode == FAIL_OPEN:
        if organization.fallback_daily_limit is None:
            message = "fallback_daily_limit: fail_open needs what may be spent on a day while the ledger is away, in US dollars"
            raise Fault(FaultKind.INVALID_REQUEST, message, param="fallback_daily_limit")
        return organization
    if said.get("fallback_daily_limit") is not None:
        message = "fallback_daily_limit: it only holds with failure_mode fail_open"
        raise Fault(FaultKind.INVALID_REQUEST, message, param="fallback_daily_limit")
    return msgspec.structs.replace(organization, fallback_daily_limit=None)


def new_organization(office: Office, asked: CreateOrganization) -> Organization:
    """As it is to be put; of whether it may be, only its failure mode is looked at."""
    changes = office.changes(asked)
    organization = Organization(
        org_id=f"org_{office.ids()}", tenant_id=office.tenant_id, name=asked.name, created_at_ms=office.now_ms
    )
    return with_failure_mode(msgspec.structs.replace(organization, **changes), changes)


async def create_organization(office: Office, asked: CreateOrganization, *, actor: Actor) -> Organization:
    """Raises Fault CONFLICT where another organization has the name, INVALID_REQUEST for a webhook that leads nowhere allowed."""
    await check_url(office, asked.webhook_url, field="webhook_url")
    async with office.register.newest() as register:
        _name_is_free(register, asked.name, but_for=None)
        return await put(office, new_organization(office, asked), actor)


async def update_organization(
    office: Office, org_id: str, asked: UpdateOrganization, *, actor: Actor, version: int | None = None
) -> Organization:
    """Changes what was said. `version` is the one the caller saw: raises Fault CONFLICT if it is no longer the newest."""
    await check_url(office, asked.webhook_url, field="webhook_url")
    async with office.register.newest() as register:
        before = register.organization(org_id)
        is_version(before, version)
        changes = with_status(office.changes(asked))
        if actor.org_id is not None:
            _only_tightens(before, changes)
        if "name" in changes:
            _name_is_free(register, asked.name, but_for=org_id)
        return await put_changed(
            office, before, with_failure_mode(msgspec.structs.replace(before, **changes), changes), actor
        )


async def delete_organization(office: Office, org_id: str, *, actor: Actor, version: int | None = None) -> Organization:
    """Ends it for good, and with it every call of its users and keys; its history and figures stay."""
    async with office.register.newest() as register:
        before = register.organization(org_id)
        is_version(before, version)
        return await put_ended(office, before, Status.DELETED, actor)


def _name_is_free(register: Register, name: str, *, but_for: str | None) -> None:
    other = register.organization_called(name)
    if other is not None and other.org_id != but_for:
        raise Fault(FaultKind.CONFLICT, "Another organization has this name.", param="name")
