"""Creates, changes and ends teams."""

from __future__ import annotations

import msgspec

from onevault.admin.changing import is_version, put, put_changed, put_ended, with_status
from onevault.admin.inputs import CreateTeam, UpdateTeam
from onevault.admin.office import Actor, Office
from onevault.admin.register import Register
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Status, Team


def new_team(office: Office, asked: CreateTeam) -> Team:
    """As it is to be put; whether it may be is not looked at."""
    team = Team(team_id=f"team_{office.ids()}", org_id=asked.org_id, name=asked.name, created_at_ms=office.now_ms)
    return msgspec.structs.replace(team, **office.changes(asked))


async def create_team(office: Office, asked: CreateTeam, *, actor: Actor) -> Team:
    """Raises Fault NOT_FOUND for the organization, CONFLICT where one of its teams has the name."""
    async with office.register.newest() as register:
        register.organization(asked.org_id)
        _name_is_free(register, asked.org_id, asked.name, but_for=None)
        return await put(office, new_team(office, asked), actor)


async def update_team(
    office: Office, team_id: str, asked: UpdateTeam, *, actor: Actor, version: int | None = None
) -> Team:
    """Changes what was said. `version` is the one the caller saw: raises Fault CONFLICT if it is no longer the newest."""
    async with office.register.newest() as register:
        before = register.team(team_id)
        is_version(before, version)
        changes = with_status(office.changes(asked))
        if "name" in changes:
            _name_is_free(register, before.org_id, asked.name, but_for=team_id)
        return await put_changed(office, before, msgspec.structs.replace(before, **changes), actor)


async def delete_team(office: Office, team_id: str, *, actor: Actor, version: int | None = None) -> Team:
    """Ends the team for good, and with it every call of its users until they are in another team or in none."""
    async with office.register.newest() as register:
        before = register.team(team_id)
        is_version(before, version)
        return await put_ended(office, before, Status.DELETED, actor)


def _name_is_free(register: Register, org_id: str, name: str, *, but_for: str | None) -> None:
    other = register.team_called(org_id, name)
    if other is not None and other.team_id != but_for:
        raise Fault(FaultKind.CONFLICT, "Another team of the organization has this name.", param="name")
