"""`GET /v1/events`: what happens to the caller's organization, as it happens, as server-sent events or over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from onevault.api.answering import respond
from onevault.api.asgi import CONNECTION, JSON, Connection, Receive, Scope, Send, address, credential, query
from onevault.api.errors import fault_body, fault_headers, status_of
from onevault.core.delivery import Kept
from onevault.core.faults import Fault, FaultKind
from onevault.core.live import Listener, Live
from onevault.core.notices import NoticeKind
from onevault.core.ports import IdSource, Observer
from onevault.pipeline.authenticate import Authenticate
from onevault.policy.webhooks import event_document

LOOK_S: Final = 0.5
"""How soon an end of the gateway, or of the key, ends the stream."""
SEND_S: Final = 30.0
"""A client that takes nothing for so long is broken off."""
_ID_CHARACTERS_MAX: Final = 100
_RETRY: Final = b"retry: 2000\n\n"
_KINDS: Final = tuple(each.value for each in NoticeKind)
_SSE_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_CLOSE_CODES: Final = {"draining": 1001, "behind": 1013, "unauthenticated": 1008}
_log = structlog.get_logger("onevault.api")


class _Asked(msgspec.Struct, frozen=True):
    """What a request wants, and who sends it."""

    credential: str | None
    address: str
    kinds: frozenset[str] | None
    after: str | None


class _Ended(Exception):
    """The stream is over, for a reason that the client is told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LiveStream:
    """One handler for both ways. It holds no place among the calls in flight, and ends with the gateway's drain."""

    authenticate: Authenticate
    live: Live
    observer: Observer
    ids: IdSource
    draining: Callable[[], bool]
    heartbeat_s: float
    store_failures: tuple[type[Exception], ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call_id = self.ids()
        speak = self._speak_socket if scope["type"] == "websocket" else self._speak_events
        async with AsyncExitStack() as stack:
            try:
                asked = _asked(scope)
                if self.draining():
                    raise Fault(FaultKind.OVERLOADED, "The gateway is shutting down.")
                principal = await self.authenticate(asked.credential, asked.address)
                listener = await stack.enter_async_context(
                    self.live.listening(principal.org_id, kinds=asked.kinds, after=asked.after)
                )
            except Fault as fault:
                await self._refuse(fault, call_id, scope, send)
            except self.store_failures:
                away = Fault(FaultKind.STORE_UNAVAILABLE, "Events cannot be read at the moment; try again.")
                await self._refuse(away, call_id, scope, send)
            else:
                try:
                    async with _while_there(receive):
                        await speak(listener, asked, call_id, scope, send)
                except OSError:  # it takes nothing (TimeoutError), or is gone
                    _break_off(scope)
                except self.store_failures as error:
                    # The client comes again, and is told what it missed.
                    _log.warning("events broken off", request_id=call_id, error=type(error).__name__)
                    _break_off(scope)

    async def _speak_events(self, listener: Listener, asked: _Asked, call_id: str, scope: Scope, send: Send) -> None:
        headers = [*_SSE_HEADERS, (b"x-request-id", call_id.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return

        async def write(frames: bytes) -> None:
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.body", "body": frames, "more_body": True})

        await write(_RETRY)
        try:
            await self._relay(
                listener,
                asked,
                write=lambda events: write(b"".join(map(_frame, events))),
                beat=lambda: write(b": keep-alive\n\n"),
            )
        except _Ended as end:
            last = b'event: end\ndata: {"reason": "%s"}\n\n' % end.reason.encode()
            await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _speak_socket(self, listener: Listener, asked: _Asked, call_id: str, scope: Scope, send: Send) -> None:
        await send({"type": "websocket.accept", "headers": [(b"x-request-id", call_id.encode())]})

        async def write(events: Sequence[Kept]) -> None:
            for kept in events:
                async with asyncio.timeout(SEND_S):
                    await send({"type": "websocket.send", "text": msgspec.json.encode(event_document(kept)).decode()})

        async def beat() -> None:
            """The server pings by itself."""

        try:
            await self._relay(listener, asked, write=write, beat=beat)
        except _Ended as end:
            await send({"type": "websocket.close", "code": _CLOSE_CODES[end.reason], "reason": end.reason})

    async def _relay(
        self,
        listener: Listener,
        asked: _Asked,
        *,
        write: Callable[[Sequence[Kept]], Awaitable[None]],
        beat: Callable[[], Awaitable[None]],
    ) -> None:
        """Goes on until it is over: raises _Ended, TimeoutError for a client that takes nothing, and what the store raises."""
        loop = asyncio.get_running_loop()
        said_at = loop.time()
        while True:
            events = await listener.next(timeout_s=LOOK_S)
            if self.draining():
                raise _Ended("draining")
            try:
                await self.authenticate(asked.credential, asked.address)
            except Fault:
                raise _Ended("unauthenticated") from None
            if events:
                await write(events)
                said_at = loop.time()
            elif loop.time() - said_at >= self.heartbeat_s:
                await beat()
                said_at = loop.time()
            if listener.is_behind:
                raise _Ended("behind")

    async def _refuse(self, fault: Fault, call_id: str, scope: Scope, send: Send) -> None:
        self.observer.fault(fault.kind.value)
        status, headers, body = status_of(fault.kind), fault_headers(fault), fault_body(fault)
        headers = [*headers, JSON, (b"x-request-id", call_id.encode())]
        if scope["type"] == "websocket":
            await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": body})
        else:
            await respond(send, status, headers, body)


def _asked(scope: Scope) -> _Asked:
    """Raises Fault INVALID_REQUEST."""
    headers, parameters = dict(scope["headers"]), query(scope)
    kinds = parameters.get("kind")
    chosen = None if kinds is None else frozenset(kinds.split(","))
    if chosen is not None and not chosen <= set(_KINDS):
        message = f"kind: must be kinds of events, separated by commas; there are: {', '.join(_KINDS)}"
        raise Fault(FaultKind.INVALID_REQUEST, message, param="kind")
    after = headers.get(b"last-event-id", b"").decode("latin-1") or parameters.get("last_event_id") or None
    if after is not None and (len(after) > _ID_CHARACTERS_MAX or not after.isascii() or not after.isprintable()):
        raise Fault(FaultKind.INVALID_REQUEST, "Last-Event-ID: must be the id of an event", param="Last-Event-ID")
    return _Asked(credential(scope, headers), address(scope), chosen, after)


def _frame(kept: Kept) -> bytes:
    document = msgspec.json.encode(event_document(kept))
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (kept.notice_id.encode(), kept.notice.kind.value.encode(), document)


@asynccontextmanager
async def _while_there(receive: Receive) -> AsyncGenerator[None]:
    """Ends the block quietly when the client has gone. What it sends is read and passed over."""
    speaking = asyncio.current_task()
    assert speaking is not None  # noqa: S101  # an ASGI server runs each request in a task
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
            pass
        gone = True
        speaking.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not gone or speaking.uncancel() > 0:
            raise
    finally:
        watching.cancel()


def _break_off(scope: Scope) -> None:
    connection: Connection | None = scope.get(CONNECTION)
    if connection is not None:
        connection.break_off()
