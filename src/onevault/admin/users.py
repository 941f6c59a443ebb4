"""The routes of users."""

from __future__ import annotations

from fastapi import APIRouter, Response

from onevault.admin import user_commands as commands
from onevault.admin.entity_out import UserOut, user_out
from onevault.admin.http import (
    ActorOf,
    Desk,
    IdempotencyKey,
    IfMatch,
    OfOrganizationQuery,
    StrictRoute,
    errors,
    etag,
    version_of,
)
from onevault.admin.inputs import CreateUser, UpdateUser
from onevault.admin.outputs import PageOut, page_out
from onevault.admin.usage import reset_quota, usage_of_user
from onevault.admin.usage_out import UsageOut


def user_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin/users", tags=["users"], route_class=StrictRoute)

    @routes.post("", status_code=201, responses=errors(404, 409), summary="Create a user")
    async def create_user(
        asked: CreateUser, actor: ActorOf, response: Response, idempotency_key: IdempotencyKey = None
    ) -> UserOut:
        async def act() -> UserOut:
            return user_out(await commands.create_user(desk.office.of(actor), asked, actor=actor))

        fingerprint = f"users {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, by=actor.name)
        etag(response, made.version)
        return made

    @routes.get("", responses=errors(), summary="List users")
    async def list_users(query: OfOrganizationQuery, actor: ActorOf) -> PageOut[UserOut]:
        register = await desk.seen_by(actor)
        page = register.users(query.after, limit=query.limit, org_id=query.org_id, deleted=query.include_deleted)
        return page_out(page, user_out)

    @routes.get("/{user_id}", responses=errors(404), summary="Read a user")
    async def read_user(user_id: str, response: Response, actor: ActorOf) -> UserOut:
        register = await desk.seen_by(actor)
        user = register.user(user_id)
        etag(response, user.version)
        return user_out(user)

    @routes.patch("/{user_id}", responses=errors(404, 409), summary="Change a user")
    async def update_user(
        user_id: str, asked: UpdateUser, actor: ActorOf, response: Response, if_match: IfMatch = None
    ) -> UserOut:
        """An absent field stays as it is; null takes a limit away. Holds for the next call of its keys."""
        changed = await commands.update_user(
            desk.office.of(actor), user_id, asked, actor=actor, version=version_of(if_match)
        )
        etag(response, changed.version)
        return user_out(changed)

    @routes.delete("/{user_id}", responses=errors(404, 409), summary="Delete a user")
    async def delete_user(user_id: str, actor: ActorOf, if_match: IfMatch = None) -> UserOut:
        """Its keys stop working at once. Its history and figures stay."""
        return user_out(
            await commands.delete_user(desk.office.of(actor), user_id, actor=actor, version=version_of(if_match))
        )

    @routes.get("/{user_id}/usage", responses=errors(404), summary="What a user has used")
    async def read_user_usage(user_id: str, actor: ActorOf) -> UsageOut:
        """Also of a deleted user."""
        register = await desk.seen_by(actor)
        user = register.user(user_id, deleted=True)
        organization = register.organization(user.org_id, deleted=True)
        return await usage_of_user(desk.deps, user, organization)

    @routes.post("/{user_id}/reset-quota", responses=errors(404, 409), summary="Start a user's day and month again")
    async def reset_user_quota(user_id: str, actor: ActorOf, idempotency_key: IdempotencyKey = None) -> UsageOut:
        """Money, tokens and requests of the running day and month start again from nothing, also for providers and models that the
        user has limits of its own for; the organization's and the keys' figures stay, as does what is held for calls in flight. The
        audit says who did it. Answers the figures after it."""
        register = await desk.seen_by(actor)
        user = register.user(user_id)
        organization = register.organization(user.org_id)

        async def act() -> UsageOut:
            return await reset_quota(desk.deps, user, organization, actor)

        return await desk.idempotency.once(idempotency_key, f"reset-quota {user_id}", act, by=actor.name)

    return routes
