"""The routes of organizations."""

from __future__ import annotations

from fastapi import APIRouter, Response

from onevault.admin import organization_commands as commands
from onevault.admin.entity_out import OrganizationOut, UserOut, organization_out, user_out
from onevault.admin.http import (
    ActorOf,
    Desk,
    IdempotencyKey,
    IfMatch,
    ListQueryWithDeleted,
    StrictRoute,
    errors,
    etag,
    version_of,
)
from onevault.admin.inputs import CreateOrganization, UpdateOrganization
from onevault.admin.outputs import PageOut, page_out
from onevault.admin.usage import usage_of_organization
from onevault.admin.usage_out import UsageOut


def organization_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin/organizations", tags=["organizations"], route_class=StrictRoute)

    @routes.post("", status_code=201, responses=errors(409), summary="Create an organization")
    async def create_organization(
        asked: CreateOrganization, actor: ActorOf, response: Response, idempotency_key: IdempotencyKey = None
    ) -> OrganizationOut:
        async def act() -> OrganizationOut:
            return organization_out(await commands.create_organization(desk.office.of(actor), asked, actor=actor))

        fingerprint = f"organizations {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, by=actor.name)
        etag(response, made.version)
        return made

    @routes.get("", responses=errors(), summary="List organizations")
    async def list_organizations(query: ListQueryWithDeleted, actor: ActorOf) -> PageOut[OrganizationOut]:
        register = await desk.seen_by(actor)
        page = register.organizations(query.after, limit=query.limit, deleted=query.include_deleted)
        return page_out(page, organization_out)

    @routes.get("/{org_id}", responses=errors(404), summary="Read an organization")
    async def read_organization(org_id: str, response: Response, actor: ActorOf) -> OrganizationOut:
        register = await desk.seen_by(actor)
        organization = register.organization(org_id)
        etag(response, organization.version)
        return organization_out(organization)

    @routes.patch("/{org_id}", responses=errors(404, 409), summary="Change an organization")
    async def update_organization(
        org_id: str, asked: UpdateOrganization, actor: ActorOf, response: Response, if_match: IfMatch = None
    ) -> OrganizationOut:
        """An absent field stays as it is; null takes a limit away. Holds for the next call of its keys."""
        version = version_of(if_match)
        changed = await commands.update_organization(desk.office.of(actor), org_id, asked, actor=actor, version=version)
        etag(response, changed.version)
        return organization_out(changed)

    @routes.delete("/{org_id}", responses=errors(404, 409), summary="Delete an organization")
    async def delete_organization(org_id: str, actor: ActorOf, if_match: IfMatch = None) -> OrganizationOut:
        """Its keys stop working at once. Its history and figures stay."""
        version = version_of(if_match)
        return organization_out(
            await commands.delete_organization(desk.office.of(actor), org_id, actor=actor, version=version)
        )

    @routes.get("/{org_id}/users", responses=errors(404), summary="List an organization's users")
    async def list_organization_users(org_id: str, query: ListQueryWithDeleted, actor: ActorOf) -> PageOut[UserOut]:
        register = await desk.seen_by(actor)
        register.organization(org_id)
        page = register.users(query.after, limit=query.limit, org_id=org_id, deleted=query.include_deleted)
        return page_out(page, user_out)

    @routes.get("/{org_id}/usage", responses=errors(404), summary="What an organization has used")
    async def read_organization_usage(org_id: str, actor: ActorOf) -> UsageOut:
        """Also of a deleted organization."""
        register = await desk.seen_by(actor)
        organization = register.organization(org_id, deleted=True)
        return await usage_of_organization(desk.deps, organization)

    return routes
