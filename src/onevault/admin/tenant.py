"""The routes of the tenant: its limits, what it has used, and the keys to the admin API."""

from __future__ import annotations

from fastapi import APIRouter, Response

from onevault.admin import tenant_commands
from onevault.admin.entity_out import (
    AdminKeyOut,
    NewAdminKeyOut,
    TenantOut,
    admin_key_out,
    new_admin_key_out,
    tenant_out,
)
from onevault.admin.http import (
    ActorOf,
    Desk,
    IdempotencyKey,
    IfMatch,
    ListQuery,
    StrictRoute,
    errors,
    etag,
    version_of,
)
from onevault.admin.inputs import CreateAdminKey, UpdateTenant
from onevault.admin.outputs import PageOut, page_out
from onevault.admin.usage import usage_of_tenant
from onevault.admin.usage_out import UsageOut
from onevault.core.faults import Fault, FaultKind


def tenant_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin", tags=["tenant"], route_class=StrictRoute)
    office, register = desk.office, desk.office.register

    @routes.get("/tenant", responses=errors(), summary="Read the limits over all organizations")
    async def read_tenant(response: Response) -> TenantOut:
        await register.catch_up()
        tenant = register.tenant(office.tenant_id)
        etag(response, tenant.version)
        return tenant_out(tenant)

    @routes.patch("/tenant", responses=errors(409), summary="Change the limits over all organizations")
    async def update_tenant(
        asked: UpdateTenant, actor: ActorOf, response: Response, if_match: IfMatch = None
    ) -> TenantOut:
        """An absent field stays as it is; null takes a limit away. Holds for the next call of every key."""
        changed = await tenant_commands.update_tenant(office, asked, actor=actor, version=version_of(if_match))
        etag(response, changed.version)
        return tenant_out(changed)

    @routes.get("/tenant/usage", responses=errors(), summary="What all organizations have used")
    async def read_tenant_usage() -> UsageOut:
        await register.catch_up()
        tenant = register.tenant(office.tenant_id)
        return await usage_of_tenant(desk.deps, tenant)

    @routes.post("/admin-keys", status_code=201, responses=errors(404, 409), summary="Create an admin key")
    async def create_admin_key(
        asked: CreateAdminKey, actor: ActorOf, response: Response, idempotency_key: IdempotencyKey = None
    ) -> NewAdminKeyOut:
        """`admin_key` is shown in this answer and never again. Its rights are at most those of the key that makes it: in role,
        in scope and in time. No change of a key is possible afterwards but its revocation."""

        async def act() -> NewAdminKeyOut:
            made = await tenant_commands.create_admin_key(office.of(actor), asked, actor=actor)
            return new_admin_key_out(made.key, made.text)

        fingerprint = f"admin-keys {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, keep=_already_shown, by=actor.name)
        etag(response, made.version)
        return made

    @routes.get("/admin-keys", responses=errors(), summary="List admin keys")
    async def list_admin_keys(query: ListQuery, actor: ActorOf) -> PageOut[AdminKeyOut]:
        """Revoked ones too. The admin key of the configuration is none of them."""
        seen = await desk.seen_by(actor)
        page = seen.admin_keys(query.after, limit=query.limit)
        return page_out(page, admin_key_out)

    @routes.get("/admin-keys/{admin_key_id}", responses=errors(404), summary="Read an admin key")
    async def read_admin_key(admin_key_id: str, response: Response, actor: ActorOf) -> AdminKeyOut:
        seen = await desk.seen_by(actor)
        key = seen.admin_key(admin_key_id)
        etag(response, key.version)
        return admin_key_out(key)

    @routes.delete("/admin-keys/{admin_key_id}", responses=errors(404, 409), summary="Revoke an admin key")
    async def revoke_admin_key(admin_key_id: str, actor: ActorOf, if_match: IfMatch = None) -> AdminKeyOut:
        """For good and at once. Revoking it again changes nothing. A key of more rights than one's own cannot be revoked."""
        version = version_of(if_match)
        return admin_key_out(
            await tenant_commands.revoke_admin_key(office.of(actor), admin_key_id, actor=actor, version=version)
        )

    return routes


def _already_shown(made: NewAdminKeyOut) -> NewAdminKeyOut | Fault:
    message = (
        f"This Idempotency-Key already made {made.admin_key_id}, whose text was shown once. "
        "If it was lost, revoke that key and make another."
    )
    return Fault(FaultKind.CONFLICT, message, param="Idempotency-Key")
