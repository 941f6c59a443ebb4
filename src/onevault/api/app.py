"""Which endpoint answers a path: a table of plain ASGI handlers, and the admin API for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onevault.api.answering import respond
from onevault.api.asgi import JSON, App, Receive, Scope, Send, is_googles
from onevault.api.errors import fault_body, google_fault_body, status_of
from onevault.core.faults import Fault, FaultKind

_GOOGLES = "/v1beta/"
"""Only Google's clients call below it, so faults there have Google's shape, as do theirs elsewhere (their SDK's files are at `/v1`)."""
_MODELS = ("/v1beta/models/", "/v1/models/")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The whole service as one ASGI application.

    `exact` maps a path to its handler by method, `below` a path's beginning, `within` its beginning and end.
    Routing looks at the path alone, never at the
    `Host` header. What neither knows goes to `admin` below `/admin`, and is not found elsewhere.
    """

    exact: Mapping[str, Mapping[str, App]]
    below: Mapping[str, Mapping[str, App]]
    admin: App
    within: Mapping[tuple[str, str], Mapping[str, App]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        methods = self.exact.get(path)
        if methods is None:
            if path == "/admin" or path.startswith("/admin/"):
                await self.admin(scope, receive, send)
                return
            methods = self._below(path)
        method = scope.get("method", "GET")  # a WebSocket has none
        # What answers GET answers HEAD (RFC 9110, 9.3.2); the server leaves the body out.
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is not None:
            await handler(scope, receive, send)
        elif _is_unknown_verb(method, path):
            await _nothing_here(send, google_fault_body)
        elif methods:
            await _wrong_method(methods, send)
        else:
            googles = path.startswith(_GOOGLES) or is_googles(scope)
            await _nothing_here(send, google_fault_body if googles else fault_body)

    def _below(self, path: str) -> Mapping[str, App]:
        for (beginning, end), methods in self.within.items():
            if path.startswith(beginning) and path.endswith(end) and len(path) > len(beginning) + len(end):
                return methods
        for beginning, methods in self.below.items():
            if path.startswith(beginning) and len(path) > len(beginning):
                return methods
        return {}


def _is_unknown_verb(method: str, path: str) -> bool:
    """Whether this asks a model in Google's way for what none of them does: `POST /v1beta/models/{model}:predict`."""
    return method == "POST" and ":" in path.rpartition("/")[2] and path.startswith(_MODELS)


async def _nothing_here(send: Send, body: Callable[[Fault], bytes]) -> None:
    fault = Fault(FaultKind.NOT_FOUND, "There is nothing at this path; GET /docs lists what there is.")
    await respond(send, status_of(fault.kind), [JSON], body(fault))


async def _wrong_method(methods: Mapping[str, App], send: Send) -> None:
    allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
    fault = Fault(FaultKind.INVALID_REQUEST, f"This path takes {allowed}.", param="method")
    # The one status outside the taxonomy: HTTP has a word of its own for it.
    await respond(send, 405, [(b"allow", allowed.encode()), JSON], fault_body(fault))
