"""What a key may see of itself: its models, its usage, its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog

from onevault.api.answering import respond
from onevault.api.asgi import JSON, Receive, Scope, Send, address, credential, is_googles, query
from onevault.api.errors import fault_body, fault_headers, google_fault_body, status_of, where
from onevault.api.model_views import anthropic_model_view, google_model_view, model_view
from onevault.api.views import health_view, request_view, usage_view
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.ports import Clock, IdSource, Ledger, Observer, Requests, UsageHistory
from onevault.core.sending import Catalog, ModelFacts
from onevault.pipeline.authenticate import Authenticate

Show = Callable[[Scope, Principal], Awaitable[Any]]
FaultBody = Callable[[Fault], bytes]
_LIST_MAX = 100
_GOOGLE_PAGE = 50
_GOOGLE_PAGE_MAX = 1_000
_DIGITS_MAX = 9
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
    draining: Callable[[], bool]
    version: str

    async def models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """In the shape of whose client asks: Google's SDK reads its models at `/v1` too."""
        if is_googles(scope):
            await self.google_models(scope, receive, send)
        else:
            await self._show(scope, send, self._models)

    async def model(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_googles(scope):
            await self.google_model(scope, receive, send)
        else:
            await self._show(scope, send, self._model)

    async def google_models(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._google_models, fault_body=google_fault_body)

    async def google_model(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._google_model, fault_body=google_fault_body)

    async def health(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._health)

    async def usage(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._usage)

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._request)

    async def request_list(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._show(scope, send, self._requests)

    async def _show(self, scope: Scope, send: Send, show: Show, *, fault_body: FaultBody = fault_body) -> None:
        call_id = self.ids()
        try:
            principal = await self.authenticate(credential(scope, dict(scope["headers"])), address(scope))
            document = await show(scope, principal)
        except Fault as fault:
            await self._refuse(fault, call_id, send, fault_body)
        except Exception as error:  # noqa: BLE001  # the edge: whatever it was, the caller gets a clean fault
            _log.error("internal fault", request_id=call_id, error=type(error).__name__, where=where(error))
            await self._refuse(Fault(FaultKind.INTERNAL, "The gateway failed."), call_id, send, fault_body)
        else:
            await respond(send, 200, [JSON, (b"x-request-id", call_id.encode())], msgspec.json.encode(document))

    async def _refuse(self, fault: Fault, call_id: str, send: Send, fault_body: FaultBody) -> None:
        self.observer.fault(fault.kind.value)
        headers = [*fault_headers(fault), JSON, (b"x-request-id", call_id.encode())]
        await respond(send, status_of(fault.kind), headers, fault_body(fault))

    async def _models(self, scope: Scope, principal: Principal) -> Any:
        found = self.catalog.models(principal)
        if b"anthropic-version" not in dict(scope["headers"]):
            return {"object": "list", "data": [model_view(facts) for facts in found]}
        return {
            "data": [anthropic_model_view(facts) for facts in found],
            "has_more": False,
            "first_id": found[0].id if found else None,
            "last_id": found[-1].id if found else None,
        }

    async def _model(self, scope: Scope, principal: Principal) -> Any:
        facts = self._found(unquote(scope["path"].removeprefix("/v1/models/")), principal)
        return anthropic_model_view(facts) if b"anthropic-version" in dict(scope["headers"]) else model_view(facts)

    async def _google_models(self, scope: Scope, principal: Principal) -> Any:
        """Pages as Google's: `pageSize`, and `pageToken` as the last page's `nextPageToken`."""
        asked = query(scope)
        size = _page_number(asked.get("pageSize", "0"), "pageSize") or _GOOGLE_PAGE
        start = _page_number(asked.get("pageToken") or "0", "pageToken")
        found = self.catalog.models(principal)
        end = start + min(size, _GOOGLE_PAGE_MAX)
        page: dict[str, Any] = {"models": [google_model_view(facts) for facts in found[start:end]]}
        if end < len(found):
            page["nextPageToken"] = str(end)
        return page

    async def _google_model(self, scope: Scope, principal: Principal) -> Any:
        return google_model_view(self._found(unquote(scope["path"].partition("/models/")[2]), principal))

    def _found(self, wanted: str, principal: Principal) -> ModelFacts:
        found = self.catalog.model(wanted, principal)
        if found is not None:
            return found
        raise Fault(
            FaultKind.MODEL_NOT_FOUND,
            "This key has no model of this name; see GET /v1/models.",
            param="model",
        )

    async def _health(self, scope: Scope, principal: Principal) -> Any:
        found = self.catalog.models(principal)
        return health_view(found, draining=self.draining(), version=self.version, now_ns=self.clock.wall_ns())

    async def _usage(self, scope: Scope, principal: Principal) -> Any:
        now_ns = self.clock.wall_ns()
        zone = principal.time_zone
        # Asked together they are one question to a shared store.
        asked = (self.ledger.figures(own, time_zone=zone, now_ns=now_ns) for own in principal.scopes)
        kinds = [own.partition(":")[0] for own in principal.scopes]
        figures = dict(zip(kinds, await asyncio.gather(*asked), strict=True))
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


def _page_number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS_MAX:
        raise Fault(FaultKind.INVALID_REQUEST, f"{name} is not valid.", param=name)
    return int(text)
