"""`onevault orgs|teams|users|keys create|list|revoke`: the admin API's own changes, made straight in the vault.

A gateway that runs on the same data directory follows within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from onevault.admin import commands, outputs, team_commands
from onevault.admin.commands import Actor, Office
from onevault.admin.inputs import CreateKey, CreateOrganization, CreateTeam, CreateUser
from onevault.bootstrap.office import open_office
from onevault.cli.output import Json, show, told
from onevault.core.faults import Fault, FaultKind

T = TypeVar("T")
Config = Annotated[Path | None, typer.Option("--config", help="The configuration file.")]
Usd = Annotated[float | None, typer.Option(help="US dollars.")]
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


def _said(**values: Any) -> dict[str, Any]:
    """What was given on the command line; the rest is left to the defaults of the admin API."""
    return {name: value for name, value in values.items() if value is not None}


def _document(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")


def _table(rows: list[dict[str, Any]], *columns: str) -> str:
    lines = [list(columns), *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


@orgs.command("create")
def create_org(
    name: Annotated[str, typer.Argument(help="Unique among organizations.")],
    monthly_budget_usd: Usd = None,
    daily_budget_usd: Usd = None,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA name; its days and months are the windows of budgets.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates an organization."""
    given = _said(daily_budget_usd=daily_budget_usd, time_zone=time_zone)

    async def work(office: Office) -> dict[str, Any]:
        asked = commands.read(CreateOrganization, {"name": name, "monthly_budget_usd": monthly_budget_usd, **given})
        return _document(outputs.organization_out(await commands.create_organization(office, asked, actor=_ACTOR)))

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"Created organization {made['org_id']} ({made['name']}).")


@orgs.command("list")
def list_orgs(config: Config = None, json: Json = False) -> None:
    """Lists the organizations."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        return [
            _document(outputs.organization_out(one)) for one in office.register.organizations("", limit=_PAGE).entries
        ]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "org_id", "name", "status", "monthly_budget_usd"))


@orgs.command("revoke")
def revoke_org(org_id: str, config: Config = None, json: Json = False) -> None:
    """Ends an organization for good, and every key of it; its history stays."""

    async def work(office: Office) -> dict[str, Any]:
        return _document(outputs.organization_out(await commands.delete_organization(office, org_id, actor=_ACTOR)))

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Ended organization {org_id}.")


@teams.command("create")
def create_team(
    name: Annotated[str, typer.Argument(help="Unique in the organization.")],
    org: Annotated[str, typer.Option(help="The organization's id.")],
    monthly_limit_usd: Usd = None,
    daily_limit_usd: Usd = None,
    requests_per_minute: int | None = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates a team."""
    given = _said(
        monthly_limit_usd=monthly_limit_usd, daily_limit_usd=daily_limit_usd, requests_per_minute=requests_per_minute
    )

    async def work(office: Office) -> dict[str, Any]:
        asked = commands.read(CreateTeam, {"org_id": org, "name": name, **given})
        return _document(outputs.team_out(await team_commands.create_team(office, asked, actor=_ACTOR)))

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"Created team {made['team_id']} ({made['name']}).")


@teams.command("list")
def list_teams(
    org: Annotated[str | None, typer.Option(help="Only of this organization.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Lists the teams."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        return [_document(outputs.team_out(one)) for one in office.register.teams("", limit=_PAGE, org_id=org).entries]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "team_id", "org_id", "name", "status", "monthly_limit_usd"))


@teams.command("revoke")
def revoke_team(team_id: str, config: Config = None, json: Json = False) -> None:
    """Ends a team for good; its users' keys stop until they are in another team or in none."""

    async def work(office: Office) -> dict[str, Any]:
        return _document(outputs.team_out(await team_commands.delete_team(office, team_id, actor=_ACTOR)))

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Ended team {team_id}.")


@users.command("create")
def create_user(
    email: Annotated[str, typer.Argument(help="Unique in the organization.")],
    org: Annotated[str, typer.Option(help="The organization's id.")],
    team: Annotated[str | None, typer.Option(help="The id of one of its teams.")] = None,
    monthly_limit_usd: Usd = None,
    daily_limit_usd: Usd = None,
    requests_per_minute: int | None = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates a user."""
    given = _said(
        team_id=team,
        monthly_limit_usd=monthly_limit_usd,
        daily_limit_usd=daily_limit_usd,
        requests_per_minute=requests_per_minute,
    )

    async def work(office: Office) -> dict[str, Any]:
        asked = commands.read(CreateUser, {"org_id": org, "email": email, **given})
        return _document(outputs.user_out(await commands.create_user(office, asked, actor=_ACTOR)))

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"Created user {made['user_id']} ({made['email']}).")


@users.command("list")
def list_users(
    org: Annotated[str | None, typer.Option(help="Only of this organization.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Lists the users."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        return [_document(outputs.user_out(one)) for one in office.register.users("", limit=_PAGE, org_id=org).entries]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "user_id", "org_id", "email", "status"))


@users.command("revoke")
def revoke_user(user_id: str, config: Config = None, json: Json = False) -> None:
    """Ends a user for good, and every key of it; its history stays."""

    async def work(office: Office) -> dict[str, Any]:
        return _document(outputs.user_out(await commands.delete_user(office, user_id, actor=_ACTOR)))

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Ended user {user_id}.")


@keys.command("create")
def create_key(
    user: Annotated[str, typer.Option(help="The user's id.")],
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339, for example 2027-01-31T00:00:00Z.")] = None,
    allowed_model: Annotated[list[str] | None, typer.Option(help="May use only this model; repeatable.")] = None,
    allowed_provider: Annotated[
        list[str] | None, typer.Option(help="May use only this provider entry; repeatable.")
    ] = None,
    allowed_address: Annotated[
        list[str] | None, typer.Option(help="May be used only from this network (192.0.2.0/24); repeatable.")
    ] = None,
    monthly_limit_usd: Usd = None,
    daily_limit_usd: Usd = None,
    requests_per_minute: int | None = None,
    test: Annotated[bool, typer.Option("--test", help="A gw_test_ key, which reaches only the simulator.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Creates an API key and shows it, this once."""
    given = _said(
        name=name,
        expires_at=expires_at,
        allowed_models=allowed_model or None,
        allowed_providers=allowed_provider or None,
        allowed_addresses=allowed_address or None,
        monthly_limit_usd=monthly_limit_usd,
        daily_limit_usd=daily_limit_usd,
        requests_per_minute=requests_per_minute,
        test=test,
    )

    async def work(office: Office) -> dict[str, Any]:
        made = await commands.create_key(office, user, commands.read(CreateKey, given), actor=_ACTOR)
        return _document(outputs.new_key_out(made.key, made.text))

    made = _in_office(config, work, as_json=json)
    show(made, as_json=json, text=f"{made['api_key']}\nThis is key {made['key_id']}; it is not shown again.")


@keys.command("list")
def list_keys(
    user: Annotated[str | None, typer.Option(help="Only of this user.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Lists the API keys, revoked ones included; never the keys themselves."""

    async def work(office: Office) -> list[dict[str, Any]]:
        await office.register.refresh()
        found = office.register.everything()[2]
        return [_document(outputs.key_out(one)) for one in found if user in (None, one.user_id)]

    rows = _in_office(config, work, as_json=json)
    show({"data": rows}, as_json=json, text=_table(rows, "key_id", "user_id", "prefix", "status", "name"))


@keys.command("revoke")
def revoke_key(key_id: str, config: Config = None, json: Json = False) -> None:
    """Ends an API key for good."""

    async def work(office: Office) -> dict[str, Any]:
        await office.register.refresh()
        found = next((one for one in office.register.everything()[2] if one.key_id == key_id), None)
        if found is None:
            raise Fault(FaultKind.NOT_FOUND, f"There is no API key {key_id}.", param="key_id")
        return _document(outputs.key_out(await commands.revoke_key(office, found.user_id, key_id, actor=_ACTOR)))

    show(_in_office(config, work, as_json=json), as_json=json, text=f"Revoked key {key_id}.")
