"""Builds the admin API from what it is given to work with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from onevault.admin.api_keys import key_routes
from onevault.admin.audit import audit_routes
from onevault.admin.bulk import bulk_routes
from onevault.admin.deps import AdminDeps
from onevault.admin.door import Door
from onevault.admin.errors import error_body, fault_of_problems
from onevault.admin.events import event_routes
from onevault.admin.http import Desk
from onevault.admin.idempotency import Idempotency
from onevault.admin.office import Office
from onevault.admin.operations import operation_routes
from onevault.admin.organizations import organization_routes
from onevault.admin.provider_keys import provider_key_routes
from onevault.admin.register import Register
from onevault.admin.teams import team_routes
from onevault.admin.tenant import tenant_routes
from onevault.admin.users import user_routes
from onevault.admin.webhooks import webhook_routes
from onevault.core.faults import Fault, FaultKind

_ABOUT = (
    "Organizations, teams, users, API keys, their limits and what they have used. Every call needs an admin key as "
    "`Authorization: Bearer …` whose role allows it. Amounts are US dollars with at most nine decimals."
)


class AdminApp(FastAPI):
    """Documents only the errors that are really answered: never the framework's own shape."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for shape in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(shape, None)
        return self.openapi_schema or {}


def create_admin(deps: AdminDeps, register: Register | None = None) -> FastAPI:
    """The admin API as an application whose routes begin with `/admin/`; it authenticates whatever it is called with. `register` is
    the one that the process has already, if it has one: what is known is then in memory once."""
    register = register or Register(deps.directory, deps.on_change)
    office = Office(
        register=register,
        clock=deps.clock,
        ids=deps.ids,
        random_bytes=deps.random_bytes,
        tenant_id=deps.tenant_id,
        sealer=deps.sealer,
        providers=deps.providers,
        check_url=deps.check_webhook,
    )
    desk = Desk(deps, office, Idempotency(deps.clock, deps.answers))
    app = AdminApp(
        title="OneVault Gateway: admin API",
        description=_ABOUT,
        version=deps.version or "0",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[
            Security(HTTPBearer(scheme_name="AdminKey", description="An admin key.", auto_error=False)),
        ],
    )
    routers = (
        tenant_routes(desk),
        organization_routes(desk),
        team_routes(desk),
        user_routes(desk),
        key_routes(desk),
        audit_routes(desk),
        bulk_routes(desk),
        provider_key_routes(desk),
        operation_routes(desk),
        event_routes(desk),
        webhook_routes(desk),
    )
    for router in routers:
        app.include_router(router)
    app.add_middleware(
        Door,
        key_sha256s=deps.admin_key_sha256s,
        admin_key=deps.admin_key,
        sign_in=deps.sign_in,
        clock=deps.clock,
        status_of=deps.status_of,
        ids=deps.ids,
    )
    _render_faults(app, deps, [route for router in routers for route in router.routes if isinstance(route, APIRoute)])
    return app


def _render_faults(app: FastAPI, deps: AdminDeps, routes: list[APIRoute]) -> None:
    def rendered(fault: Fault) -> Response:
        status = deps.status_of(fault.kind)
        body = error_body(status, code=fault.kind.value, message=fault.message, param=fault.param)
        headers = {"retry-after": "1"} if fault.kind is FaultKind.STORE_UNAVAILABLE else None
        return Response(body, status_code=status, media_type="application/json", headers=headers)

    @app.exception_handler(Fault)
    async def on_fault(_: Request, fault: Fault) -> Response:
        return rendered(fault)

    @app.exception_handler(RequestValidationError)
    async def on_problems(_: Request, problems: RequestValidationError) -> Response:
        return rendered(fault_of_problems(problems.errors()))

    @app.exception_handler(HTTPException)
    async def on_refusal(request: Request, refusal: HTTPException) -> Response:
        """What routing refuses (404, 405) and bodies that are not JSON (400)."""
        code = FaultKind.NOT_FOUND if refusal.status_code == 404 else FaultKind.INVALID_REQUEST
        told = {404: "There is no such path here.", 405: "This path does not take this method."}
        message = told.get(refusal.status_code, refusal.detail)
        body = error_body(refusal.status_code, code=code.value, message=message, param=None)
        headers = {"allow": _methods(routes, request.scope["path"])} if refusal.status_code == 405 else None
        return Response(body, status_code=refusal.status_code, media_type="application/json", headers=headers)

    async def on_store_failure(_: Request, __: Exception) -> Response:
        return rendered(Fault(FaultKind.STORE_UNAVAILABLE, "The vault cannot be reached; try again."))

    for failure in deps.store_failures:
        app.add_exception_handler(failure, on_store_failure)

    @app.exception_handler(Exception)
    async def on_failure(_: Request, __: Exception) -> Response:
        """The server logs the exception; the caller learns that it was ours."""
        return rendered(Fault(FaultKind.INTERNAL, "The gateway failed; the failure is logged."))


def _methods(routes: list[APIRoute], path: str) -> str:
    """What a path takes over all its routes; the framework tells only those of the first."""
    matching = (route.methods or () for route in routes if route.path_regex.match(path))
    return ", ".join(sorted({method for methods in matching for method in methods}))
