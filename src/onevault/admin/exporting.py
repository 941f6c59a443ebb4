"""Writes organizations, teams, users and keys as JSON lines that an import reads: parents first, and no secret in any."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec

from onevault.admin.entity_out import key_out, organization_out, team_out, user_out
from onevault.admin.inputs import CreateKey, CreateOrganization, CreateTeam, CreateUser, Input
from onevault.admin.office import Actor, Office
from onevault.admin.outputs import Output
from onevault.core.identity import ApiKey, Organization, Status, Team, User

PAGE_ENTRIES = 500
_LEFT_OUT = frozenset({"webhook_url"})
"""The path of a webhook's address is often a secret."""
_REFERENCES: Final = {
    "organization": ("org_id",),
    "team": ("team_id", "org_id"),
    "user": ("user_id", "org_id", "team_id"),
    "api_key": ("key_id", "user_id"),
}
_MODELS: Final[dict[str, type[Input]]] = {
    "organization": CreateOrganization,
    "team": CreateTeam,
    "user": CreateUser,
    "api_key": CreateKey,
}


def named_by_callers(model: type[Input]) -> dict[str, str]:
    """The entity's attributes that a model of input sets, by what callers call them."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


async def exported(office: Office, *, actor: Actor, org_id: str | None = None) -> AsyncIterator[bytes]:
    """JSON lines of all that is there and not ended, of one organization or of all that the actor sees, a page at a time."""
    office = office.of(actor)
    register = office.register
    names: dict[str, str] = {}
    async with register.newest():
        if org_id is not None:
            register.organization(org_id)
    after: str | None = ""
    while after is not None:
        async with register.lock:
            organizations = register.organizations(after, limit=PAGE_ENTRIES)
        names |= {each.org_id: each.name for each in organizations.entries}
        yield _lines(_line(each) for each in organizations.entries if org_id in (None, each.org_id))
        after = organizations.after
        await office.clock.sleep(0)
    after = ""
    teams: dict[str, str] = {}
    while after is not None:
        async with register.lock:
            page = register.teams(after, limit=PAGE_ENTRIES, org_id=org_id)
        teams |= {each.team_id: each.name for each in page.entries}
        yield _lines(_line(each, organization=names[each.org_id]) for each in page.entries if each.org_id in names)
        after = page.after
        await office.clock.sleep(0)
    after = ""
    while after is not None:
        async with register.lock:
            users = register.users(after, limit=PAGE_ENTRIES, org_id=org_id)
            keys = {each.user_id: register.all_keys(each.user_id) for each in users.entries}
        lines: list[dict[str, Any]] = []
        for user in users.entries:
            if user.org_id not in names:
                continue
            team = {} if user.team_id not in teams else {"team": teams[user.team_id or ""]}
            lines.append(_line(user, organization=names[user.org_id], **team))
            above = {"organization": names[user.org_id], "user": user.email}
            lines.extend(_line(key, **above) for key in keys[user.user_id] if _works(key, now_ms=office.now_ms))
        yield _lines(iter(lines))
        after = users.after
        await office.clock.sleep(0)


def _works(key: ApiKey, *, now_ms: int) -> bool:
    return key.status is Status.ACTIVE and (key.expires_at_ms is None or now_ms < key.expires_at_ms)


def _lines(documents: Iterator[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(document) + b"\n" for document in documents)


def _line(entity: Organization | Team | User | ApiKey, **above: str) -> dict[str, Any]:
    """What an import needs to make the same again; what is not set is left out."""
    out: Output
    match entity:
        case Organization():
            kind, out = "organization", organization_out(entity)
        case Team():
            kind, out = "team", team_out(entity)
        case User():
            kind, out = "user", user_out(entity)
        case ApiKey():
            kind, out = "api_key", key_out(entity)
    shown = out.model_dump(mode="json")
    named = named_by_callers(_MODELS[kind])
    line: dict[str, Any] = {"object": kind} | {name: shown[name] for name in _REFERENCES[kind] if shown[name]} | above
    for name in named:
        # What stands for what nobody said is shown, and would come in as if it had been said.
        is_said = name in shown and shown[name] is not None and getattr(entity, named[name], True) is not None
        if is_said and name not in _LEFT_OUT and name not in line:
            line[name] = shown[name]
    if kind == "organization":
        line.setdefault("monthly_budget_usd", None)
    if entity.status is Status.SUSPENDED:
        line["suspended"] = True
    return line
