"""Gives an empty vault its first organization, user and key, so that the first call needs no set-up."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from onevault.admin.inputs import CreateKey, CreateOrganization, CreateUser, read
from onevault.admin.key_commands import create_key
from onevault.admin.office import Actor, Office
from onevault.admin.organization_commands import create_organization
from onevault.admin.user_commands import create_user
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey, Organization, Status, User
from onevault.core.money import Nanos

FIRST_NAME = "default"
FIRST_EMAIL = "admin@localhost"
_ACTOR = Actor("first boot")
_OTHERS_STEPS = 2
"""So often another process that boots at the same time can be a step ahead: with the organization, and with the user."""


class Credentials(msgspec.Struct, frozen=True):
    """What the first boot made. `api_key` is its only copy."""

    org_id: str
    user_id: str
    key_id: str
    api_key: str


async def ensure_first_boot(
    office: Office, *, time_zone: str = "UTC", daily_budget: Nanos | None = None
) -> Credentials | None:
    """Makes organization, user and `gw_live_` key where the vault has never had an organization; None where it has.

    A boot that died half-way is taken up again: what it made is kept, and only what is missing is made. Of several that begin
    at the same moment on one vault, one makes the organization and one the user; more than one may make a key.
    """
    for _ in range(_OTHERS_STEPS):
        try:
            return await _first_boot(office, time_zone, daily_budget)
        except Fault as fault:
            if fault.kind is not FaultKind.CONFLICT:
                raise
    return await _first_boot(office, time_zone, daily_budget)


async def _first_boot(office: Office, time_zone: str, daily_budget: Nanos | None) -> Credentials | None:
    async with office.register.newest():
        if office.register.count(ApiKey).total() or office.register.count(User).total() > 1:
            return None
        organizations = office.register.all_organizations()
        users = office.register.users("", limit=1, deleted=True).entries
    if len(organizations) > 1:
        return None
    if any(not _is_first_organization(each) for each in organizations) or any(
        not _is_first_user(each) for each in users
    ):
        return None
    organization = organizations[0] if organizations else await _first_organization(office, time_zone, daily_budget)
    asked = read(CreateUser, {"org_id": organization.org_id, "email": FIRST_EMAIL})
    user = users[0] if users else await create_user(office, asked, actor=_ACTOR)
    made = await create_key(office, user.user_id, read(CreateKey, {"name": "first key"}), actor=_ACTOR)
    return Credentials(organization.org_id, user.user_id, made.key.key_id, made.text)


async def _first_organization(office: Office, time_zone: str, daily_budget: Nanos | None) -> Organization:
    budget = None if daily_budget is None else Decimal(daily_budget).scaleb(-9)
    asked = {"name": FIRST_NAME, "monthly_budget_usd": None, "daily_budget_usd": budget, "time_zone": time_zone}
    return await create_organization(office, read(CreateOrganization, asked), actor=_ACTOR)


def _is_first_organization(organization: Organization) -> bool:
    return organization.name == FIRST_NAME and organization.status is Status.ACTIVE and organization.version == 1


def _is_first_user(user: User) -> bool:
    return user.email == FIRST_EMAIL and user.status is Status.ACTIVE and user.version == 1
