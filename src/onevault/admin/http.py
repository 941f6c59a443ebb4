"""What every admin route shares: strict JSON, the parameters of lists and versions, and the declared errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from onevault.admin.deps import AdminDeps
from onevault.admin.door import ACTOR
from onevault.admin.errors import fault_of_problems
from onevault.admin.idempotency import Idempotency
from onevault.admin.office import Actor, Office
from onevault.admin.outputs import ErrorOut
from onevault.admin.register import Register
from onevault.admin.roles import PERMISSIONS, check_role
from onevault.admin.strict_json import Refused, strictly_read

PAGE_ENTRIES_MAX = 200
ID = r"^[A-Za-z0-9_\-]{1,100}$"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the routes work."""

    deps: AdminDeps
    office: Office
    idempotency: Idempotency

    async def seen_by(self, actor: Actor) -> Register:
        """What the actor may see. It is the newest until something else is awaited."""
        register = self.office.of(actor).register
        await register.catch_up()
        return register


# ---- bodies ----------------------------------------------------------------------------------------------------------


class _StrictRequest(Request):
    async def json(self) -> Any:
        try:
            return strictly_read(await self.body())
        except Refused as refused:
            raise HTTPException(400, detail=str(refused)) from None


class StrictRoute(APIRoute):
    """A route that looks first whether the caller's role may use it, and whose body is read without rounding any number and
    without choosing among repeated fields. Where it takes nothing behind a question mark, nothing there is passed over. It decides by
    the route that was matched, not by how the path was spelled."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Raises KeyError, at start, for a route that the table of roles does not have."""
        handle = super().get_route_handler()
        method = "".join(self.methods or ())  # each route has one
        permission = PERMISSIONS[method, self.path]

        async def strictly(request: Request) -> Response:
            actor: Actor = request.scope[ACTOR]
            check_role(permission, actor.role, org_id=actor.org_id)
            unknown = None if self.dependant.query_params else next(iter(request.query_params), None)
            if unknown is not None:
                raise fault_of_problems([{"type": "extra_forbidden", "loc": ("query", unknown), "msg": ""}])
            return await handle(_StrictRequest(request.scope, request.receive))

        return strictly


# ---- parameters ------------------------------------------------------------------------------------------------------


def _actor(request: Request) -> Actor:
    actor: Actor = request.scope[ACTOR]
    return actor


ActorOf = Annotated[Actor, Depends(_actor)]

IfMatch = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias="If-Match",
        pattern=r'^(\*|"[0-9]{1,15}"|[0-9]{1,15})$',
        description="The version you saw (the ETag): the change is refused with 409 if it is no longer the newest.",
    ),
]
IdempotencyKey = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="A repetition within 24 hours with the same key and body gives the same answer and does nothing again.",
    ),
]


def version_of(if_match: str | None) -> int | None:
    """The version that an If-Match names; None where any will do."""
    return None if if_match in (None, "*") else int(str(if_match).strip('"'))


def etag(response: Response, version: int) -> None:
    response.headers["etag"] = f'"{version}"'


class ListOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=PAGE_ENTRIES_MAX, description="Entries a page.")
    after: str = Field("", pattern=r"^[A-Za-z0-9_\-]{0,100}$", description="`next_cursor` of the page before.")


class _ListQueryWithDeleted(ListOptions):
    include_deleted: bool = Field(False, description="Show deleted ones too.")


class _OfOrganizationQuery(_ListQueryWithDeleted):
    org_id: str | SkipJsonSchema[None] = Field(None, pattern=ID, description="Only those of this organization.")


ListQuery = Annotated[ListOptions, Query()]
ListQueryWithDeleted = Annotated[_ListQueryWithDeleted, Query()]
OfOrganizationQuery = Annotated[_OfOrganizationQuery, Query()]

# ---- what is declared ------------------------------------------------------------------------------------------------

_TOLD = {
    400: "The request is malformed, or a field is; `param` names it.",
    401: "No admin key, or a wrong one.",
    403: "The role or the scope of the admin key does not allow this.",
    404: "There is no such thing.",
    409: "It is taken, has changed meanwhile, or the Idempotency-Key was used before.",
    413: "The body is too large.",
    500: "The gateway failed.",
    503: "The store cannot be reached; try again.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route for its documentation; those that any route can give are always among them."""
    return {
        status: {"model": ErrorOut, "description": _TOLD[status]}
        for status in sorted({400, 401, 403, 413, 500, 503, *statuses})
    }
