"""The routes that move many at once: everything as JSON lines, out and in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from onevault.admin.exporting import exported
from onevault.admin.http import ID, ActorOf, Desk, StrictRoute, errors
from onevault.admin.import_report import ImportOut, RefusedLine
from onevault.admin.importing import LINES_PER_TRANSACTION, Import
from onevault.admin.office import Office

LINE_BYTES_MAX = 64 * 1024
JSON_LINES = "application/x-ndjson"


class _ExportOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    org_id: str | SkipJsonSchema[None] = Field(None, pattern=ID, description="Only this organization.")


class _ImportOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Tells what would become of each line; nothing is changed.")
    new_keys: bool = Field(False, description="Makes API keys, too: new ones, whose texts are in this answer alone.")


ExportOptions = Annotated[_ExportOptions, Query()]
ImportOptions = Annotated[_ImportOptions, Query()]
_AS_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_LINES = {"content": {JSON_LINES: {"schema": {"type": "string"}}}}


def bulk_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin", tags=["bulk"], route_class=StrictRoute)

    @routes.get(
        "/export",
        responses={**errors(404), 200: {**_LINES, "description": "One JSON object a line, parents first."}},
        response_class=StreamingResponse,
        summary="Export as JSON lines",
    )
    async def export(query: ExportOptions, actor: ActorOf) -> StreamingResponse:
        """Organizations, teams, users and API keys that are not ended, as `POST /admin/import` reads them. No secret and no hash is
        in it: of a key only what it may do; and no webhook's address."""
        office: Office = desk.office.of(actor)
        if query.org_id is not None:
            async with office.register.newest():
                office.register.organization(query.org_id)
        return StreamingResponse(exported(office, actor=actor, org_id=query.org_id), media_type=JSON_LINES)

    @routes.post(
        "/import",
        responses={**errors(), 200: {"model": ImportOut, "description": "What became of each line."}},
        openapi_extra={"requestBody": {"content": {**_LINES["content"], **_AS_TEXT}, "required": False}},
        summary="Import JSON lines",
    )
    async def import_lines(query: ImportOptions, actor: ActorOf, request: Request) -> Response:
        """Each line makes one organization, team, user or API key, whole or not at all; what is there already by its name or
        e-mail address stays as it is, so sending a file again makes nothing twice. The answer names every line that was refused,
        with the field and the reason."""
        run = Import(desk.office, actor=actor, dry_run=query.dry_run, new_keys=query.new_keys)
        async for lines in numbered_lines(request.stream(), run):
            await run.feed(lines)
            await desk.deps.clock.sleep(0)
        return Response(run.report.out().model_dump_json(), media_type="application/json")

    return routes


async def numbered_lines(chunks: AsyncIterator[bytes], run: Import) -> AsyncIterator[list[tuple[int, bytes]]]:
    """The lines that are not empty, some at a time. One that is too long is reported and never held whole."""
    number, rest, too_long = 1, b"", False
    lines: list[tuple[int, bytes]] = []

    def end(line: bytes) -> None:
        nonlocal too_long
        if too_long or len(line) > LINE_BYTES_MAX:
            message = f"The line is longer than {LINE_BYTES_MAX} bytes."
            run.report.add(RefusedLine(line=number, field=None, message=message))
        elif line.strip():
            lines.append((number, line))
        too_long = False

    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            end(line)
            number += 1
            if len(lines) >= LINES_PER_TRANSACTION:
                yield lines
                lines = []
        if len(rest) > LINE_BYTES_MAX:
            rest, too_long = b"", True
    if rest or too_long:
        end(rest)
    if lines:
        yield lines
