"""Changes the limits of the tenant, and makes and revokes admin keys: nobody gives more than they have."""

from __future__ import annotations

import msgspec

from onevault.admin.changing import following, is_to_come, is_version, put, put_ended
from onevault.admin.inputs import CreateAdminKey, UpdateTenant
from onevault.admin.office import Actor, Office
from onevault.admin.roles import covers
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import AdminKey, Role, Status, Tenant
from onevault.core.keys import RANDOM_BYTES_PER_KEY, admin_key_text, key_prefix, key_sha256

WHOLE_TENANT = "tenant"


class NewAdminKey(msgspec.Struct, frozen=True):
    """An admin key as it was made; `text` is nowhere else and cannot be shown again."""

    key: AdminKey
    text: str


async def update_tenant(office: Office, asked: UpdateTenant, *, actor: Actor, version: int | None = None) -> Tenant:
    """Changes what was said. `version` is the one the caller saw: raises Fault CONFLICT if it is no longer the newest."""
    async with office.register.newest() as register:
        before = register.tenant(office.tenant_id)
        is_version(before, version)
        after = msgspec.structs.replace(before, **office.changes(asked))
        if after == before:
            return before
        if not before.version:
            after = msgspec.structs.replace(after, created_at_ms=office.now_ms)
        return await put(office, following(after), actor)


async def create_admin_key(office: Office, asked: CreateAdminKey, *, actor: Actor) -> NewAdminKey:
    """An admin key of no more rights, no wider scope and no longer life than its maker's. Its text is in the result alone.

    Raises Fault FORBIDDEN, NOT_FOUND for an organization that the maker does not see.
    """
    role = Role(asked.role)
    async with office.register.newest():
        _is_covered(role, actor)
        org_id = None
        if asked.scope != WHOLE_TENANT:
            org_id = _organization(office, asked.scope)
        elif actor.org_id is not None:
            raise Fault(FaultKind.FORBIDDEN, "scope: must be this admin key's own organization", param="scope")
        expires_at_ms = asked.expires_at_ms if asked.expires_at_ms is not None else actor.expires_at_ms
        is_to_come(office, expires_at_ms)
        if actor.expires_at_ms is not None and expires_at_ms is not None and expires_at_ms > actor.expires_at_ms:
            message = "expires_at: must not be later than that of the admin key that makes it"
            raise Fault(FaultKind.FORBIDDEN, message, param="expires_at")
        text = admin_key_text(office.random_bytes(RANDOM_BYTES_PER_KEY))
        key = AdminKey(
            admin_key_id=f"adk_{office.ids()}",
            tenant_id=office.tenant_id,
            sha256=key_sha256(text),
            prefix=key_prefix(text),
            name=asked.name,
            role=role,
            org_id=org_id,
            expires_at_ms=expires_at_ms,
            created_at_ms=office.now_ms,
        )
        return NewAdminKey(await put(office, key, actor), text)


async def revoke_admin_key(office: Office, admin_key_id: str, *, actor: Actor, version: int | None = None) -> AdminKey:
    """Ends the key for good. Revoking a revoked key changes nothing. Raises Fault FORBIDDEN for a key of more rights."""
    async with office.register.newest() as register:
        before = register.admin_key(admin_key_id)
        _is_covered(before.role, actor)
        if before.status is Status.REVOKED:
            return before
        is_version(before, version)
        return await put_ended(office, before, Status.REVOKED, actor)


def _organization(office: Office, org_id: str) -> str:
    try:
        return office.register.organization(org_id).org_id
    except Fault as fault:
        raise Fault(fault.kind, fault.message, param="scope") from None


def _is_covered(role: Role, actor: Actor) -> None:
    if not covers(actor.role, role):
        message = f"role: {role.value} may do more than the role of this admin key, {actor.role.value}"
        raise Fault(FaultKind.FORBIDDEN, message, param="role")
