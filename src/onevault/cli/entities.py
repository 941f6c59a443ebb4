"""`onevault orgs|teams|users|keys create|update|list|revoke`: the admin API's own changes, made straight in the vault.

A gateway that runs on the same data directory follows within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from onevault.admin import entity_out, key_commands, organization_commands, team_commands, user_commands
from onevault.admin.inputs import (
    CreateKey,
    CreateOrganization,
    CreateTeam,
    CreateUser,
    UpdateKey,
    UpdateOrganization,
    UpdateTeam,
    UpdateUser,
)
from onevault.admin.office import Actor, Office
from onevault.bootstrap.office import open_office
from onevault.cli.options import Given, asked, taking
from onevault.cli.output import Json, show, told
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey

T = TypeVar("T")
Config = Annotated[Path | None, typer.Option("--config", help="The configuration file.")]
Unset = Annotated[
    list[str] | None, typer.Option(help="Takes the limit or value of this field away (monthly_limit_usd); repeatable.")
]
_ACTOR = Actor("command line")
_PAGE = 1_000_000

orgs = typer.Typer(help="Organizations: customers with budgets.", no_args_is_help=True)
teams = typer.Typer(help="Teams of an organization: a limit over their users.", no_args_is_help=True)
users = typer.Typer(help="Users of an organization.", no_args_is_help=True)
keys = typer.Typer(help="API keys of a user.", no_args_is_help=True)


def _in_office(config: Path | None, work: Callable[[Office], Awaitable[T]], *, as_json: bool) -> T:
    async def run() -> T:
        async with open_office(config) as office:
            return await work(office)

    with told(as_json=as_json):
        return asyncio.run(run())


def _document(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")


def _show_changed(changed: dict[str, Any], *, as_json: bool, what: str) -> None:
    show(changed, as_json=as_json, text=f"{what} has version {changed['version']}.")


async def _key(office: Office, key_id: str) -> ApiKey:
    await office.register.refresh()
    found = next((one for one in office.register.every_key() if one.key_id == key_id), None)
    if found is None:
        raise Fault(FaultKind.NOT_FOUND, f"There is no API key {key_id}.", param="key_id")
    return found


def _table(rows: list[dict[str, Any]], *columns: str) -> str:
    lines = [list(columns), *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


@orgs.command("create")
@taking(CreateOrganization, apart=("name",))
def create_org(
    name: Annotated[str, typer.Argument(help="Unique among organizations.")],
    given: Given,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates an organization."""

    async def work(office: Office) -> dict[str, Any]:
        said = asked(CreateOrganization, {"monthly_budget_usd": None} | given, name=name)
        return _document(
            entity_out.organization_out(await organization_commands.create_organization(office, said, actor=_ACTOR))
        )

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"Created organization {made['org_id']} ({made['name']}).")


@orgs.command("update")
@taking(UpdateOrganization)
def update_org(org_id: str, given: Given, unset: Unset = None, config: Config = None, json: Json = False) -> None:
    """Changes what is said of an organization, and nothing else."""

    async def work(office: Office) -> dict[str, Any]:
        said = asked(UpdateOrganization, given, unset=unset)
        return _document(
            entity_out.organization_out(
                await organization_commands.update_organization(office, org_id, said, actor=_ACTOR)
            )
        )

    _show_changed(_in_office(config, work, as_json=json), as_json=json, what=f"Organization {org_id}")


@orgs.command("list")
def list_orgs(config: Config = None, json: Json = False) -> None:
    """Lists the organizations."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        return [
            _document(entity_out.organization_out(one))
            for one in office.register.organizations("", limit=_PAGE).entries
        ]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "org_id", "name", "status", "monthly_budget_usd"))


@orgs.command("revoke")
def revoke_org(org_id: str, config: Config = None, json: Json = False) -> None:
    """Ends an organization for good, and every key of it; its history stays."""

    async def work(office: Office) -> dict[str, Any]:
        return _document(
            entity_out.organization_out(await organization_commands.delete_organization(office, org_id, actor=_ACTOR))
        )

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Ended organization {org_id}.")


@teams.command("create")
@taking(CreateTeam, apart=("org_id", "name"))
def create_team(
    name: Annotated[str, typer.Argument(help="Unique in the organization.")],
    org: Annotated[str, typer.Option(help="The organization's id.")],
    given: Given,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates a team."""

    async def work(office: Office) -> dict[str, Any]:
        said = asked(CreateTeam, given, org_id=org, name=name)
        return _document(entity_out.team_out(await team_commands.create_team(office, said, actor=_ACTOR)))

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"Created team {made['team_id']} ({made['name']}).")


@teams.command("update")
@taking(UpdateTeam)
def update_team(team_id: str, given: Given, unset: Unset = None, config: Config = None, json: Json = False) -> None:
    """Changes what is said of a team, and nothing else."""

    async def work(office: Office) -> dict[str, Any]:
        said = asked(UpdateTeam, given, unset=unset)
        return _document(entity_out.team_out(await team_commands.update_team(office, team_id, said, actor=_ACTOR)))

    _show_changed(_in_office(config, work, as_json=json), as_json=json, what=f"Team {team_id}")


@teams.command("list")
def list_teams(
    org: Annotated[str | None, typer.Option(help="Only of this organization.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Lists the teams."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        return [
            _document(entity_out.team_out(one)) for one in office.register.teams("", limit=_PAGE, org_id=org).entries
        ]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "team_id", "org_id", "name", "status", "monthly_limit_usd"))


@teams.command("revoke")
def revoke_team(team_id: str, config: Config = None, json: Json = False) -> None:
    """Ends a team for good; its users' keys stop until they are in another team or in none."""

    async def work(office: Office) -> dict[str, Any]:
        return _document(entity_out.team_out(await team_commands.delete_team(office, team_id, actor=_ACTOR)))

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Ended team {team_id}.")


@users.command("create")
@taking(CreateUser, apart=("org_id", "email"))
def create_user(
    email: Annotated[str, typer.Argument(help="Unique in the organization.")],
    org: Annotated[str, typer.Option(help="The organization's id.")],
    given: Given,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates a user."""

    async def work(office: Office) -> dict[str, Any]:
        said = asked(CreateUser, given, org_id=org, email=email)
        return _document(entity_out.user_out(await user_commands.create_user(office, said, actor=_ACTOR)))

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"Created user {made['user_id']} ({made['email']}).")


@users.command("update")
@taking(UpdateUser)
def update_user(user_id: str, given: Given, unset: Unset = None, config: Config = None, json: Json = False) -> None:
    """Changes what is said of a user, and nothing else."""

    async def work(office: Office) -> dict[str, Any]:
        said = asked(UpdateUser, given, unset=unset)
        return _document(entity_out.user_out(await user_commands.update_user(office, user_id, said, actor=_ACTOR)))

    _show_changed(_in_office(config, work, as_json=json), as_json=json, what=f"User {user_id}")


@users.command("list")
def list_users(
    org: Annotated[str | None, typer.Option(help="Only of this organization.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Lists the users."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        return [
            _document(entity_out.user_out(one)) for one in office.register.users("", limit=_PAGE, org_id=org).entries
        ]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "user_id", "org_id", "email", "status"))


@users.command("revoke")
def revoke_user(user_id: str, config: Config = None, json: Json = False) -> None:
    """Ends a user for good, and every key of it; its history stays."""

    async def work(office: Office) -> dict[str, Any]:
        return _document(entity_out.user_out(await user_commands.delete_user(office, user_id, actor=_ACTOR)))

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Ended user {user_id}.")


@keys.command("create")
@taking(CreateKey)
def create_key(
    user: Annotated[str, typer.Option(help="The user's id.")],
    given: Given,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates an API key and shows it, this once."""

    async def work(office: Office) -> dict[str, Any]:
        made = await key_commands.create_key(office, user, asked(CreateKey, given), actor=_ACTOR)
        return _document(entity_out.new_key_out(made.key, made.text))

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"{made['api_key']}\nThis is key {made['key_id']}; it is not shown again.")


@keys.command("update")
@taking(UpdateKey)
def update_key(key_id: str, given: Given, unset: Unset = None, config: Config = None, json: Json = False) -> None:
    """Changes what is said of an API key, and nothing else."""

    async def work(office: Office) -> dict[str, Any]:
        said, user_id = asked(UpdateKey, given, unset=unset), (await _key(office, key_id)).user_id
        return _document(entity_out.key_out(await key_commands.update_key(office, user_id, key_id, said, actor=_ACTOR)))

    _show_changed(_in_office(config, work, as_json=json), as_json=json, what=f"Key {key_id}")


@keys.command("list")
def list_keys(
    user: Annotated[str | None, typer.Option(help="Only of this user.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Lists the API keys, revoked ones included; never the keys themselves."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        found = [one for one in office.register.every_key() if user in (None, one.user_id)]
        return [_document(entity_out.key_out(one)) for one in sorted(found, key=lambda one: one.key_id)]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "key_id", "user_id", "prefix", "status", "name"))


@keys.command("revoke")
def revoke_key(key_id: str, config: Config = None, json: Json = False) -> None:
    """Ends an API key for good."""

    async def work(office: Office) -> dict[str, Any]:
        user_id = (await _key(office, key_id)).user_id
        return _document(entity_out.key_out(await key_commands.revoke_key(office, user_id, key_id, actor=_ACTOR)))

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Revoked key {key_id}.")
