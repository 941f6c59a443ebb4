"""Decides which role may call which route of the admin API, and which routes need a key to the whole tenant."""

from __future__ import annotations

from typing import Final, NamedTuple

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Role


class Permission(NamedTuple):
    """Who may call a route. `tenant_only`: not with a key of one organization, whatever its role."""

    roles: frozenset[Role]
    tenant_only: bool = False


_EVERYBODY = frozenset(Role)
_CHANGES = frozenset({Role.OWNER, Role.ADMIN})
_MONEY = _CHANGES | {Role.BILLING}
_SECURITY = _CHANGES | {Role.AUDITOR}
_CALLS = _MONEY | _SECURITY

PERMISSIONS: Final[dict[tuple[str, str], Permission]] = {
    ("GET", "/admin/tenant"): Permission(_EVERYBODY, tenant_only=True),
    ("PATCH", "/admin/tenant"): Permission(frozenset({Role.OWNER}), tenant_only=True),
    ("GET", "/admin/tenant/usage"): Permission(_EVERYBODY, tenant_only=True),
    ("POST", "/admin/admin-keys"): Permission(_CHANGES),
    ("GET", "/admin/admin-keys"): Permission(_SECURITY),
    ("GET", "/admin/admin-keys/{admin_key_id}"): Permission(_SECURITY),
    ("DELETE", "/admin/admin-keys/{admin_key_id}"): Permission(_CHANGES),
    ("POST", "/admin/organizations"): Permission(_CHANGES, tenant_only=True),
    ("GET", "/admin/organizations"): Permission(_EVERYBODY),
    ("GET", "/admin/organizations/{org_id}"): Permission(_EVERYBODY),
    ("PATCH", "/admin/organizations/{org_id}"): Permission(_CHANGES),
    ("DELETE", "/admin/organizations/{org_id}"): Permission(_CHANGES, tenant_only=True),
    ("POST", "/admin/organizations/{org_id}/webhook-secret"): Permission(_CHANGES),
    ("GET", "/admin/events"): Permission(_EVERYBODY),
    ("GET", "/admin/organizations/{org_id}/users"): Permission(_EVERYBODY),
    ("GET", "/admin/organizations/{org_id}/usage"): Permission(_EVERYBODY),
    ("POST", "/admin/teams"): Permission(_CHANGES),
    ("GET", "/admin/teams"): Permission(_EVERYBODY),
    ("GET", "/admin/teams/{team_id}"): Permission(_EVERYBODY),
    ("PATCH", "/admin/teams/{team_id}"): Permission(_CHANGES),
    ("DELETE", "/admin/teams/{team_id}"): Permission(_CHANGES),
    ("GET", "/admin/teams/{team_id}/users"): Permission(_EVERYBODY),
    ("GET", "/admin/teams/{team_id}/usage"): Permission(_EVERYBODY),
    ("POST", "/admin/users"): Permission(_CHANGES),
    ("GET", "/admin/users"): Permission(_EVERYBODY),
    ("GET", "/admin/users/{user_id}"): Permission(_EVERYBODY),
    ("PATCH", "/admin/users/{user_id}"): Permission(_CHANGES),
    ("DELETE", "/admin/users/{user_id}"): Permission(_CHANGES),
    ("GET", "/admin/users/{user_id}/usage"): Permission(_EVERYBODY),
    ("POST", "/admin/users/{user_id}/reset-quota"): Permission(_MONEY),
    ("POST", "/admin/users/{user_id}/api-keys"): Permission(_CHANGES),
    ("GET", "/admin/users/{user_id}/api-keys"): Permission(_SECURITY),
    ("GET", "/admin/users/{user_id}/api-keys/{key_id}"): Permission(_SECURITY),
    ("PATCH", "/admin/users/{user_id}/api-keys/{key_id}"): Permission(_CHANGES),
    ("DELETE", "/admin/users/{user_id}/api-keys/{key_id}"): Permission(_CHANGES),
    ("POST", "/admin/users/{user_id}/api-keys/{key_id}/rotate"): Permission(_CHANGES),
    ("POST", "/admin/provider-keys"): Permission(_CHANGES),
    ("GET", "/admin/provider-keys"): Permission(_SECURITY),
    ("GET", "/admin/provider-keys/{provider_key_id}"): Permission(_SECURITY),
    ("PATCH", "/admin/provider-keys/{provider_key_id}"): Permission(_CHANGES),
    ("DELETE", "/admin/provider-keys/{provider_key_id}"): Permission(_CHANGES),
    ("GET", "/admin/provider-keys/{provider_key_id}/usage"): Permission(_MONEY | _SECURITY),
    ("POST", "/admin/webhooks"): Permission(_CHANGES),
    ("GET", "/admin/webhooks"): Permission(_SECURITY),
    ("GET", "/admin/webhooks/{webhook_id}"): Permission(_SECURITY),
    ("PATCH", "/admin/webhooks/{webhook_id}"): Permission(_CHANGES),
    ("DELETE", "/admin/webhooks/{webhook_id}"): Permission(_CHANGES),
    ("POST", "/admin/webhooks/{webhook_id}/rotate-secret"): Permission(_CHANGES),
    ("POST", "/admin/webhooks/{webhook_id}/test"): Permission(_CHANGES),
    ("GET", "/admin/webhooks/{webhook_id}/deliveries"): Permission(_SECURITY),
    ("POST", "/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): Permission(_CHANGES),
    ("GET", "/admin/requests/{request_id}"): Permission(_CALLS),
    ("GET", "/admin/export"): Permission(_SECURITY),
    ("POST", "/admin/import"): Permission(_CHANGES),
    ("GET", "/admin/audit"): Permission(_SECURITY),
    ("GET", "/admin/health"): Permission(_EVERYBODY),
    ("GET", "/admin/metrics"): Permission(_EVERYBODY),
}
"""Every route of the admin API. One that is not here cannot be added: the application does not start with it."""


def check_role(permission: Permission, role: Role, *, org_id: str | None) -> None:
    """Raises Fault FORBIDDEN where a key of this role, for this organization or (None) the tenant, may not call a route."""
    if role not in permission.roles:
        needed = " or ".join(each.value for each in Role if each in permission.roles)
        raise Fault(FaultKind.FORBIDDEN, f"This needs an admin key of the role {needed}; this one's is {role.value}.")
    if permission.tenant_only and org_id is not None:
        raise Fault(
            FaultKind.FORBIDDEN, "This needs an admin key to the whole tenant; this one is to one organization."
        )


def covers(own: Role, other: Role) -> bool:
    """Whether whoever has the one role may do all that the other may."""
    return all(own in permission.roles for permission in PERMISSIONS.values() if other in permission.roles)
