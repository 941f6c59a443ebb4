"""The routes of teams."""

from __future__ import annotations

from fastapi import APIRouter, Response

from onevault.admin import team_commands as commands
from onevault.admin.entity_out import TeamOut, UserOut, team_out, user_out
from onevault.admin.http import (
    ActorOf,
    Desk,
    IdempotencyKey,
    IfMatch,
    ListQueryWithDeleted,
    OfOrganizationQuery,
    StrictRoute,
    errors,
    etag,
    version_of,
)
from onevault.admin.inputs import CreateTeam, UpdateTeam
from onevault.admin.outputs import PageOut, page_out
from onevault.admin.usage import usage_of_team
from onevault.admin.usage_out import UsageOut


def team_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin/teams", tags=["teams"], route_class=StrictRoute)

    @routes.post("", status_code=201, responses=errors(404, 409), summary="Create a team")
    async def create_team(
        asked: CreateTeam, actor: ActorOf, response: Response, idempotency_key: IdempotencyKey = None
    ) -> TeamOut:
        async def act() -> TeamOut:
            return team_out(await commands.create_team(desk.office.of(actor), asked, actor=actor))

        fingerprint = f"teams {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, by=actor.name)
        etag(response, made.version)
        return made

    @routes.get("", responses=errors(), summary="List teams")
    async def list_teams(query: OfOrganizationQuery, actor: ActorOf) -> PageOut[TeamOut]:
        register = await desk.seen_by(actor)
        page = register.teams(query.after, limit=query.limit, org_id=query.org_id, deleted=query.include_deleted)
        return page_out(page, team_out)

    @routes.get("/{team_id}", responses=errors(404), summary="Read a team")
    async def read_team(team_id: str, response: Response, actor: ActorOf) -> TeamOut:
        register = await desk.seen_by(actor)
        team = register.team(team_id)
        etag(response, team.version)
        return team_out(team)

    @routes.patch("/{team_id}", responses=errors(404, 409), summary="Change a team")
    async def update_team(
        team_id: str, asked: UpdateTeam, actor: ActorOf, response: Response, if_match: IfMatch = None
    ) -> TeamOut:
        """An absent field stays as it is; null takes a limit away. Holds for the next call of its users' keys."""
        version = version_of(if_match)
        changed = await commands.update_team(desk.office.of(actor), team_id, asked, actor=actor, version=version)
        etag(response, changed.version)
        return team_out(changed)

    @routes.delete("/{team_id}", responses=errors(404, 409), summary="Delete a team")
    async def delete_team(team_id: str, actor: ActorOf, if_match: IfMatch = None) -> TeamOut:
        """The keys of its users stop working at once, until the user is given another team or none."""
        version = version_of(if_match)
        return team_out(await commands.delete_team(desk.office.of(actor), team_id, actor=actor, version=version))

    @routes.get("/{team_id}/users", responses=errors(404), summary="List a team's users")
    async def list_team_users(team_id: str, query: ListQueryWithDeleted, actor: ActorOf) -> PageOut[UserOut]:
        register = await desk.seen_by(actor)
        register.team(team_id)
        page = register.users_of_team(team_id, query.after, limit=query.limit, deleted=query.include_deleted)
        return page_out(page, user_out)

    @routes.get("/{team_id}/usage", responses=errors(404), summary="What a team has used")
    async def read_team_usage(team_id: str, actor: ActorOf) -> UsageOut:
        """Also of a deleted team."""
        register = await desk.seen_by(actor)
        team = register.team(team_id, deleted=True)
        organization = register.organization(team.org_id, deleted=True)
        return await usage_of_team(desk.deps, team, organization)

    return routes
