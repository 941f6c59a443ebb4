"""Finds in the directory whom a signed token names, and makes users that the issuer vouches for where that is allowed."""

from __future__ import annotations

from dataclasses import dataclass

from onevault.admin.inputs import CreateUser, read
from onevault.admin.office import Actor, Office
from onevault.admin.user_commands import create_user
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Organization, Status, Team, User
from onevault.core.sign_in import SignedIn
from onevault.pipeline.sign_in import Person

ACTOR = "oidc:{}"
"""How the history names whoever signed in, by the issuer's word for them."""


@dataclass(frozen=True, slots=True)
class DirectoryPeople:
    """Implements `pipeline.sign_in.People`. An organization or a team is meant by its id or its name, a user by the id, or by the
    e-mail address inside of the organization."""

    office: Office

    async def organization_id(self, signed_in: SignedIn) -> str:
        async with self.office.register.newest():
            return self._organization(signed_in).org_id

    async def user(self, signed_in: SignedIn) -> Person:
        async with self.office.register.newest():
            organization = self._organization(signed_in)
            team = self._team(signed_in, organization) if signed_in.team else None
            user = self._user(signed_in, organization)
        if user is None:
            user = await self._made(signed_in, organization, team)
        return Person(user.user_id, team.team_id if team is not None else user.team_id)

    def _organization(self, signed_in: SignedIn) -> Organization:
        register, said = self.office.register, signed_in.organization
        if not said:
            raise _forbidden("This token names no organization.")
        try:
            found: Organization | None = register.organization(said)
        except Fault:
            found = register.organization_called(said)
        if found is None or found.status is Status.DELETED:
            raise _forbidden("The organization that this token names is not known here.")
        return found

    def _team(self, signed_in: SignedIn, organization: Organization) -> Team:
        register, said = self.office.register, signed_in.team
        try:
            found: Team | None = register.team(said)
        except Fault:
            found = register.team_called(organization.org_id, said)
        if found is None or found.org_id != organization.org_id or found.status is Status.DELETED:
            raise _forbidden("The team that this token names is not one of its organization.")
        return found

    def _user(self, signed_in: SignedIn, organization: Organization) -> User | None:
        register = self.office.register
        try:
            found: User | None = register.user(signed_in.user)
        except Fault:
            found = None
        if found is not None:
            return found if found.org_id == organization.org_id else None
        return register.user_addressed(organization.org_id, signed_in.email) if signed_in.email else None

    async def _made(self, signed_in: SignedIn, organization: Organization, team: Team | None) -> User:
        if not signed_in.creates_users:
            raise _forbidden("This token is good, and its user is not known here; ask your administrator to be added.")
        if not signed_in.email:
            raise _forbidden("This token has no verified e-mail address, which a new user needs.")
        asked = read(
            CreateUser,
            {
                "org_id": organization.org_id,
                "email": signed_in.email,
                "team_id": None if team is None else team.team_id,
            },
        )
        try:
            return await create_user(self.office, asked, actor=Actor(ACTOR.format(signed_in.subject)))
        except Fault as fault:
            if fault.kind is not FaultKind.CONFLICT:
                raise
            # Two first calls at once: the other one was quicker.
            async with self.office.register.newest():
                found = self._user(signed_in, organization)
            if found is None:
                raise
            return found


def _forbidden(message: str) -> Fault:
    return Fault(FaultKind.FORBIDDEN, message)
