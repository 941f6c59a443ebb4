"""Makes organizations, teams, users and keys from JSON lines: each line whole or not at all, many in one transaction.

What a line names by its natural name – an organization, a team of it, an e-mail address, a named key of a user – and finds there is
left as it is, so the same file a second time makes nothing. Ids in a file are those of where it comes from: later lines refer to
earlier ones by them, and where no line had one it is an id of here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from onevault.admin.changing import check_url, is_to_come
from onevault.admin.import_report import ImportedLine, RefusedLine, Report
from onevault.admin.inputs import CreateKey, CreateOrganization, CreateTeam, CreateUser, Input, read
from onevault.admin.key_commands import new_key
from onevault.admin.office import Actor, Office
from onevault.admin.organization_commands import new_organization
from onevault.admin.strict_json import Refused, strictly_read
from onevault.admin.team_commands import new_team
from onevault.admin.user_commands import new_user
from onevault.core.directory import Entity
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey, Organization, Status, Team, User

LINES_PER_TRANSACTION = 200
_WEBHOOK_URL = "webhook_url"
Kind = Literal["organization", "team", "user", "api_key"]
_REFERENCES = ("org_id", "organization", "team_id", "team", "user_id", "user", "key_id")
_REFERENCE_CHARACTERS_MAX = 300
E = TypeVar("E", Organization, Team, User, ApiKey)


class _Waiting(NamedTuple):
    line: int
    kind: Kind
    entity: Entity
    api_key: str | None


class Import:
    """One run over a file. Feed it lines, then ask for the report."""

    def __init__(self, office: Office, *, actor: Actor, dry_run: bool = False, new_keys: bool = False) -> None:
        self._office = office.of(actor)
        self._register = self._office.register
        self._actor = actor
        self._dry_run = dry_run
        self._new_keys = new_keys
        self._waiting: list[_Waiting] = []
        self._made: dict[tuple[str, ...], Any] = {}
        """What this run made, by kind, parent and natural name."""
        self._known: dict[tuple[str, str], Any] = {}
        """What the file's ids stand for, by kind and id."""
        self._new_ids: set[str] = set()
        self.report = Report(dry_run=dry_run)

    async def feed(self, lines: list[tuple[int, bytes]]) -> None:
        """Carries these numbered lines out, in one transaction. Raises what a store raises that does not answer."""
        refused = await self._webhooks_refused(lines)
        async with self._register.newest():
            for number, line in lines:
                try:
                    if number in refused:
                        raise refused[number]
                    self._line(number, line)
                except Fault as fault:
                    self.report.add(RefusedLine(line=number, field=fault.param, message=fault.message))
            waiting, self._waiting = self._waiting, []
            outcomes: list[Fault | None] = [None] * len(waiting)
            if waiting and not self._dry_run:
                entities = [each.entity for each in waiting]
                outcomes = await self._register.put_each(entities, actor=self._actor.name, address=self._actor.address)
        for each, outcome in zip(waiting, outcomes, strict=True):
            if outcome is not None:
                self._forget(each.entity)
                self.report.add(RefusedLine(line=each.line, field=outcome.param, message=outcome.message))
            else:
                made = None if self._dry_run else _id_of(each.entity)
                self._told(each.line, each.kind, made, "created", api_key=each.api_key)

    async def _webhooks_refused(self, lines: list[tuple[int, bytes]]) -> dict[int, Fault]:
        """The lines whose webhook leads nowhere allowed: asked before the lock is taken, for names may have to be looked up."""
        asked: dict[int, str] = {}
        for number, line in lines:
            if _WEBHOOK_URL.encode() in line:
                with suppress(Refused):
                    url = strictly_read(line).get(_WEBHOOK_URL)
                    if isinstance(url, str):
                        asked[number] = url
        checks = (check_url(self._office, url, field=_WEBHOOK_URL) for url in asked.values())
        outcomes = await asyncio.gather(*checks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Fault):
                raise outcome
        return {number: told for number, told in zip(asked, outcomes, strict=True) if isinstance(told, Fault)}

    # ---- a line ----------------------------------------------------------------------------------------------------

    def _line(self, number: int, line: bytes) -> None:
        try:
            document = strictly_read(line)
        except Refused as refused:
            raise Fault(FaultKind.INVALID_REQUEST, str(refused)) from None
        kind = document.pop("object", None)
        references = {name: _reference(document, name) for name in _REFERENCES}
        match kind:
            case "organization":
                self._organization_line(number, document, references)
            case "team":
                self._team_line(number, document, references)
            case "user":
                self._user_line(number, document, references)
            case "api_key":
                self._key_line(number, document, references)
            case _:
                message = "object: must be organization, team, user or api_key"
                raise Fault(FaultKind.INVALID_REQUEST, message, param="object")

    def _organization_line(self, number: int, document: dict[str, Any], references: Mapping[str, str]) -> None:
        _only(references, "org_id")
        status = _status(document)
        asked = read(CreateOrganization, document)
        found = self._made.get(("organization", asked.name.casefold()))
        if found is None and (there := self._register.organization_called(asked.name)) is not None:
            found = self._register.organization(there.org_id)  # not there for who is confined to another
        if found is not None:
            self._exists(number, "organization", found, asked, status, references["org_id"])
            return
        if self._actor.org_id is not None:
            raise Fault(FaultKind.FORBIDDEN, "This needs an admin key to the whole tenant.")
        made = msgspec.structs.replace(new_organization(self._office, asked), status=status)
        self._make(number, "organization", made, ("organization", made.name.casefold()), references["org_id"])

    def _team_line(self, number: int, document: dict[str, Any], references: Mapping[str, str]) -> None:
        _only(references, "team_id", "org_id", "organization")
        status = _status(document)
        org_id = self._organization(references).org_id
        asked = read(CreateTeam, document | {"org_id": org_id})
        found = self._made.get(("team", org_id, asked.name.casefold())) or self._register.team_called(
            org_id, asked.name
        )
        if found is not None:
            self._exists(number, "team", found, asked, status, references["team_id"])
            return
        made = msgspec.structs.replace(new_team(self._office, asked), status=status)
        self._make(number, "team", made, ("team", org_id, made.name.casefold()), references["team_id"])

    def _user_line(self, number: int, document: dict[str, Any], references: Mapping[str, str]) -> None:
        _only(references, "user_id", "org_id", "organization", "team_id", "team")
        status = _status(document)
        org_id = self._organization(references).org_id
        values = document | {"org_id": org_id}
        if references["team_id"] or references["team"]:
            values["team_id"] = self._team(org_id, references).team_id
        asked = read(CreateUser, values)
        found = self._made.get(("user", org_id, asked.email.casefold()))
        found = found or self._register.user_addressed(org_id, asked.email)
        if found is not None:
            self._exists(number, "user", found, asked, status, references["user_id"])
            return
        made = msgspec.structs.replace(new_user(self._office, asked), status=status)
        self._make(number, "user", made, ("user", org_id, made.email.casefold()), references["user_id"])

    def _key_line(self, number: int, document: dict[str, Any], references: Mapping[str, str]) -> None:
        _only(references, "key_id", "user_id", "user", "org_id", "organization")
        user = self._user(references)
        asked = read(CreateKey, document)
        if not asked.name:
            message = "name: is required of an API key in an import, so that a second run finds it"
            raise Fault(FaultKind.INVALID_REQUEST, message, param="name")
        found = self._made.get(("api_key", user.user_id, asked.name)) or next(
            (
                key
                for key in self._register.all_keys(user.user_id)
                if key.name == asked.name and key.status is Status.ACTIVE
            ),
            None,
        )
        if found is not None:
            self._exists(number, "api_key", found, asked, found.status, references["key_id"])
            return
        is_to_come(self._office, asked.expires_at_ms)
        if not self._new_keys:
            self._told(number, "api_key", None, "skipped")
            return
        made = new_key(self._office, user.user_id, asked)
        shown = None if self._dry_run else made.text
        named = ("api_key", user.user_id, made.key.name)
        self._make(number, "api_key", made.key, named, references["key_id"], api_key=shown)

    # ---- what a line stands under ----------------------------------------------------------------------------------

    def _organization(self, references: Mapping[str, str]) -> Organization:
        org_id, name = references["org_id"], references["organization"]
        found: Organization | None = self._known.get(("organization", org_id))
        if found is not None:
            return found
        if name:
            found = self._made.get(("organization", name.casefold())) or self._register.organization_called(name)
            if found is not None:
                return (
                    found
                    if ("organization", name.casefold()) in self._made
                    else self._seen(found.org_id, "organization")
                )
        if not org_id and not name:
            raise Fault(FaultKind.INVALID_REQUEST, "organization: is required, or org_id", param="organization")
        return self._seen(org_id, "org_id" if org_id else "organization")

    def _seen(self, org_id: str, field: str) -> Organization:
        try:
            return self._register.organization(org_id)
        except Fault as fault:
            raise Fault(fault.kind, fault.message, param=field) from None

    def _team(self, org_id: str, references: Mapping[str, str]) -> Team:
        team_id, name = references["team_id"], references["team"]
        found: Team | None = self._known.get(("team", team_id))
        if found is None and name:
            found = self._made.get(("team", org_id, name.casefold())) or self._register.team_called(org_id, name)
        if found is None and team_id:
            found = self._register.team(team_id)
        if found is None or found.org_id != org_id:
            field = "team_id" if team_id else "team"
            raise Fault(FaultKind.NOT_FOUND, "There is no such team of this organization.", param=field)
        return found

    def _user(self, references: Mapping[str, str]) -> User:
        user_id, email = references["user_id"], references["user"]
        found: User | None = self._known.get(("user", user_id))
        if found is None and email:
            org_id = self._organization(references).org_id
            found = self._made.get(("user", org_id, email.casefold())) or self._register.user_addressed(org_id, email)
        if found is not None:
            return found
        if user_id:
            return self._register.user(user_id)
        if not email:
            raise Fault(FaultKind.INVALID_REQUEST, "user: is required, or user_id", param="user")
        raise Fault(FaultKind.NOT_FOUND, "There is no such user of this organization.", param="user")

    # ---- outcomes --------------------------------------------------------------------------------------------------

    def _make(
        self, line: int, kind: Kind, entity: E, called: tuple[str, ...], file_id: str, *, api_key: str | None = None
    ) -> None:
        self._made[called] = entity
        self._new_ids.add(_id_of(entity))
        self._know(kind, file_id, entity)
        self._waiting.append(_Waiting(line, kind, entity, api_key))

    def _exists(self, line: int, kind: Kind, entity: E, asked: Input, status: Status, file_id: str) -> None:
        self._know(kind, file_id, entity)
        aliases = {name: field.alias or name for name, field in type(asked).model_fields.items()}
        differs = [aliases[name] for name, value in asked.changes().items() if getattr(entity, name, value) != value]
        if entity.status is not status:
            differs.append("suspended")
        entity_id = None if self._dry_run and _id_of(entity) in self._new_ids else _id_of(entity)
        self._told(line, kind, entity_id, "exists", differs=sorted(differs))

    def _know(self, kind: Kind, file_id: str, entity: E) -> None:
        if file_id:
            self._known[kind, file_id] = entity

    def _forget(self, entity: Entity) -> None:
        """Nothing later may build on what was refused."""
        self._made = {called: each for called, each in self._made.items() if each is not entity}
        self._known = {known: each for known, each in self._known.items() if each is not entity}

    def _told(
        self,
        line: int,
        kind: Kind,
        entity_id: str | None,
        outcome: Literal["created", "exists", "skipped"],
        *,
        differs: list[str] | None = None,
        api_key: str | None = None,
    ) -> None:
        self.report.add(
            ImportedLine(line=line, object=kind, id=entity_id, outcome=outcome, differs=differs or [], api_key=api_key)
        )


def _reference(document: dict[str, Any], name: str) -> str:
    value = document.pop(name, None)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _REFERENCE_CHARACTERS_MAX:
        message = f"{name}: must be a text of at most {_REFERENCE_CHARACTERS_MAX} characters"
        raise Fault(FaultKind.INVALID_REQUEST, message, param=name)
    return value


def _only(references: Mapping[str, str], *allowed: str) -> None:
    for name, value in references.items():
        if value and name not in allowed:
            raise Fault(FaultKind.INVALID_REQUEST, f"{name}: there is no such field", param=name)


def _status(document: dict[str, Any]) -> Status:
    suspended = document.pop("suspended", False)
    if not isinstance(suspended, bool):
        raise Fault(FaultKind.INVALID_REQUEST, "suspended: must be true or false", param="suspended")
    return Status.SUSPENDED if suspended else Status.ACTIVE


def _id_of(entity: Entity) -> str:
    match entity:
        case Organization():
            return entity.org_id
        case Team():
            return entity.team_id
        case User():
            return entity.user_id
        case ApiKey():
            return entity.key_id
        case _:
            raise TypeError(f"an import makes no {type(entity).__name__}")
