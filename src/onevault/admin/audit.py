"""The route of the audit: who changed what, when and from where, as it was before and as it was after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from onevault.admin.http import ID, ActorOf, Desk, ListOptions, StrictRoute, errors
from onevault.admin.inputs import CreateKey, Input, UpdateOrganization, UpdateTeam, UpdateTenant, UpdateUser
from onevault.admin.outputs import Output, PageOut, time_text
from onevault.core.changes import ChangeQuery, RecordedChange
from onevault.core.faults import Fault, FaultKind
from onevault.core.money import Nanos, usd_for_json

_MOMENT = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,6})?"
    r"(Z|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_ANYBODY = r"^[\x20-\x7e]{1,200}$"
_MODELS: Final[tuple[type[Input], ...]] = (UpdateTenant, UpdateOrganization, UpdateTeam, UpdateUser, CreateKey)
_CALLED = {
    name: field.alias for model in _MODELS for name, field in model.model_fields.items() if field.alias is not None
}
"""What callers call an entity's fields, where it is not what the entity calls them."""
_UNNAMED_MONEY = frozenset({"fallback_daily_limit"})


class ChangeOut(Output):
    object: Literal["change"] = "change"
    change_id: str
    at: str
    actor: str = Field(
        description="The id of the admin key; `admin`: the configured one; `command line`: whoever has the data."
    )
    address: str = Field(description="From where; empty where it was no request.")
    entity: str = Field(examples=["organization", "team", "user", "api_key", "admin_key", "tenant"])
    entity_id: str
    org_id: str | None = Field(description="Whose it is; null: not of one organization.")
    action: Literal["created", "changed", "deleted", "revoked"]
    changed: list[str] = Field(description="The fields that are not what they were.")
    before: dict[str, Any] | None = Field(description="null: it was made.")
    after: dict[str, Any]


class _AuditQuery(ListOptions):
    after: str = Field("", pattern=r"^[0-9]{0,18}$", description="`next_cursor` of the page before.")
    entity: str | SkipJsonSchema[None] = Field(None, pattern=r"^[a-z_]{1,40}$", description="Only of this kind.")
    entity_id: str | SkipJsonSchema[None] = Field(None, pattern=ID, description="Only of this one.")
    actor: str | SkipJsonSchema[None] = Field(None, pattern=_ANYBODY, description="Only by this one.")
    org_id: str | SkipJsonSchema[None] = Field(None, pattern=ID, description="Only of this organization.")
    since: str | SkipJsonSchema[None] = Field(None, pattern=_MOMENT, description="RFC 3339; from then on.")
    until: str | SkipJsonSchema[None] = Field(None, pattern=_MOMENT, description="RFC 3339; before then.")


AuditQuery = Annotated[_AuditQuery, Query()]


def audit_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin", tags=["audit"], route_class=StrictRoute)

    @routes.get(
        "/audit",
        responses={**errors(), 200: {"model": PageOut[ChangeOut], "description": "A page of changes."}},
        summary="List what was changed, newest first",
    )
    async def list_changes(query: AuditQuery, actor: ActorOf) -> Response:
        """Every change of tenants, organizations, teams, users and keys, by whom, from where, before and after; no secret and no
        hash is in it. To a key of one organization there are only the changes of that one."""
        if actor.org_id is not None and query.org_id not in (None, actor.org_id):
            return _written([], more=False)
        found = await desk.deps.change_log.newest(
            ChangeQuery(
                limit=query.limit + 1,
                before_id=int(query.after) if query.after else None,
                entity=query.entity,
                entity_id=query.entity_id,
                actor=query.actor,
                org_id=actor.org_id or query.org_id,
                since_ms=_ms("since", query.since),
                until_ms=_ms("until", query.until),
            )
        )
        return _written(found[: query.limit], more=len(found) > query.limit)

    return routes


def _written(changes: list[RecordedChange], *, more: bool) -> Response:
    """Written by msgspec and not by the model, which takes ten times as long: a page of changes is the largest that there is, and
    calls wait meanwhile."""
    page = {
        "object": "list",
        "data": [change_out(change) for change in changes],
        "has_more": more,
        "next_cursor": str(changes[-1].change_id) if more else None,
    }
    return Response(msgspec.json.encode(page), media_type="application/json")


def change_out(change: RecordedChange) -> dict[str, Any]:
    """A change as callers read it (`ChangeOut`): fields by their names for them, money in US dollars, times in RFC 3339."""
    was, now = change.before, change.after
    ended = now.get("status") in ("deleted", "revoked") and was is not None
    return {
        "object": "change",
        "change_id": str(change.change_id),
        "at": time_text(change.at_ms),
        "actor": change.actor,
        "address": change.address,
        "entity": change.entity,
        "entity_id": change.entity_id,
        "org_id": change.org_id,
        "action": "created" if was is None else now["status"] if ended else "changed",
        "changed": sorted(_called(name) for name in now if was is None or was.get(name) != now[name]),
        "before": None if was is None else _shown(was),
        "after": _shown(now),
    }


def _shown(entity: dict[str, Any]) -> dict[str, Any]:
    return {
        _called(name): value if value is None or (shown := _shown_by(name)) is None else shown(value)
        for name, value in entity.items()
    }


@lru_cache(maxsize=256)
def _called(name: str) -> str:
    called = _CALLED.get(name, name)
    return called.removesuffix("_ms") if _shown_by(name) is time_text else called


@lru_cache(maxsize=256)
def _shown_by(name: str) -> Callable[[int], float | str] | None:
    """What makes of a field's value what callers read; None: it is that already."""
    if _CALLED.get(name, name).endswith("_usd") or name in _UNNAMED_MONEY:
        return _usd
    return time_text if name.endswith("_ms") else None


def _usd(nanos: int) -> float:
    return usd_for_json(Nanos(nanos))


def _ms(name: str, moment: str | None) -> int | None:
    """Raises Fault INVALID_REQUEST for a day that the calendar has not."""
    try:
        return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Fault(FaultKind.INVALID_REQUEST, f"{name}: there is no such moment", param=name) from None
