"""Creates, changes and ends users."""

from __future__ import annotations

import msgspec

from onevault.admin.changing import is_version, put, put_changed, put_ended, with_status
from onevault.admin.inputs import CreateUser, UpdateUser
from onevault.admin.office import Actor, Office
from onevault.admin.register import Register
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Status, User


def new_user(office: Office, asked: CreateUser) -> User:
    """As it is to be put; whether it may be is not looked at."""
    user = User(user_id=f"usr_{office.ids()}", org_id=asked.org_id, email=asked.email, created_at_ms=office.now_ms)
    return msgspec.structs.replace(user, **office.changes(asked))


async def create_user(office: Office, asked: CreateUser, *, actor: Actor) -> User:
    """Raises Fault NOT_FOUND for the organization or the team, CONFLICT where one of its users has the e-mail address."""
    async with office.register.newest() as register:
        register.organization(asked.org_id)
        _team_is_there(register, asked.org_id, asked.team_id)
        _address_is_free(register, asked.org_id, asked.email, but_for=None)
        return await put(office, new_user(office, asked), actor)


async def update_user(
    office: Office, user_id: str, asked: UpdateUser, *, actor: Actor, version: int | None = None
) -> User:
    """Changes what was said. `version` is the one the caller saw: raises Fault CONFLICT if it is no longer the newest."""
    async with office.register.newest() as register:
        before = register.user(user_id)
        is_version(before, version)
        changes = with_status(office.changes(asked))
        if "team_id" in changes:
            _team_is_there(register, before.org_id, asked.team_id)
        if "email" in changes:
            _address_is_free(register, before.org_id, asked.email, but_for=user_id)
        return await put_changed(office, before, msgspec.structs.replace(before, **changes), actor)


async def delete_user(office: Office, user_id: str, *, actor: Actor, version: int | None = None) -> User:
    """Ends the user for good, and with it every call of its keys; its history and figures stay."""
    async with office.register.newest() as register:
        before = register.user(user_id)
        is_version(before, version)
        return await put_ended(office, before, Status.DELETED, actor)


def _address_is_free(register: Register, org_id: str, email: str, *, but_for: str | None) -> None:
    other = register.user_addressed(org_id, email)
    if other is not None and other.user_id != but_for:
        raise Fault(FaultKind.CONFLICT, "Another user of the organization has this e-mail address.", param="email")


def _team_is_there(register: Register, org_id: str, team_id: str | None) -> None:
    if team_id is not None and register.team(team_id).org_id != org_id:
        raise Fault(FaultKind.NOT_FOUND, "There is no such team of this organization.", param="team_id")
