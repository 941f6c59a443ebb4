"""What a key may see of itself: its models, its usage, its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog

from onevault.api.answering import respond
from onevault.api.asgi import JSON, Receive, Scope, Send, credential, query
from onevault.api.errors import fault_body, fault_headers, status_of, where
from onevault.api.views import model_view, request_view, usage_view
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.ports import Catalog, Clock, IdSource, Ledger, Observer, Requests, UsageHistory
from onevault.pipeline.authenticate import Authenticate

Show = Callable[[Scope, Principal], Awaitable[Any]]
_LIST_MAX = 100
_log = structlog.get_logger("onevault.api")


@dataclass(slots=True)
class Account:
    """Handlers for `GET`. Everything is of the caller's own key, user and organization; what belongs to others is not found."""

    authenticate: Authenticate
    catalog: Catalog
    ledger: Ledger
    requests: Requests
    history: UsageHistory
    observer: Observer
    clock: Clock
    ids: IdSource

    async def models(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._models)

    async def model(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._model)

    async def usage(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._usage)

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._request)

    async def request_list(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._requests)

    async def _show(self, scope: Scope, send: Send, show: Show) -> None:
        call_id = self.ids()
        try:
            principal = self.authenticate(credential(scope, dict(scope["headers"])))
            document = await show(scope, principal)
        except Fault as fault:
            await self._refuse(fault, call_id, send)
        except Exception as error:  # noqa: BLE001  # the edge: whatever it was, the caller gets a clean fault
            _log.error("internal fault", request_id=call_id, error=type(error).__name__, where=where(error))
            await self._refuse(Fault(FaultKind.INTERNAL, "The gateway failed."), call_id, send)
        else:
            await respond(send, 200, [JSON, (b"x-request-id", call_id.encode())], msgspec.json.encode(document))

    async def _refuse(self, fault: Fault, call_id: str, send: Send) -> None:
        self.observer.fault(fault.kind.value)
        headers = [*fault_headers(fault), JSON, (b"x-request-id", call_id.encode())]
        await respond(send, status_of(fault.kind), headers, fault_body(fault))

    async def _models(self, scope: Scope, principal: Principal) -> Any:
        data = [model_view(facts) for facts in self.catalog.models(principal)]
        if b"anthropic-version" in dict(scope["headers"]):
            return {
                "data": [
                    entry | {"type": "model", "display_name": entry["id"], "created_at": "1970-01-01T00:00:00Z"}
                    for entry in data
                ],
                "has_more": False,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
            }
        return {"object": "list", "data": data}

    async def _model(self, scope: Scope, principal: Principal) -> Any:
        wanted = unquote(scope["path"].removeprefix("/v1/models/"))
        for facts in self.catalog.models(principal):
            if wanted in (facts.id, f"{facts.provider}/{facts.id}"):
                return model_view(facts)
        raise Fault(
            FaultKind.MODEL_NOT_FOUND,
            "This key has no model of this name; see GET /v1/models.",
            param="model",
        )

    async def _usage(self, scope: Scope, principal: Principal) -> Any:
        now_ns = self.clock.wall_ns()
        figures = {
            own.partition(":")[0]: await self.ledger.figures(own, time_zone=principal.time_zone, now_ns=now_ns)
            for own in principal.scopes
        }
        user = next(own for own in principal.scopes if own.startswith("user:"))
        by_model = await self.history.by_model(user, figures["user"].month)
        return usage_view(principal, figures, by_model)

    async def _request(self, scope: Scope, principal: Principal) -> Any:
        call_id = unquote(scope["path"].removeprefix("/v1/requests/"))
        found = await self.requests.find(call_id) if len(call_id) <= 64 else None
        if found is None or found.caller.user_id != principal.user_id:
            raise Fault(FaultKind.NOT_FOUND, "This user made no call of this id.", param="id")
        return request_view(found)

    async def _requests(self, scope: Scope, principal: Principal) -> Any:
        parameters = query(scope)
        text = parameters.get("limit", "20")
        if not text.isdecimal() or not 1 <= int(text[:9]) <= _LIST_MAX:
            raise Fault(FaultKind.INVALID_REQUEST, f"limit must be a number from 1 to {_LIST_MAX}.", param="limit")
        user = next(own for own in principal.scopes if own.startswith("user:"))
        found = await self.requests.recent(user, limit=int(text), before=parameters.get("before"))
        return {"object": "list", "data": [request_view(settled) for settled in found]}
