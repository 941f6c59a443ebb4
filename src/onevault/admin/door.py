"""Lets in who has an admin key, before anything else of a request is read, and says who it is; then takes in the body within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onevault.admin.errors import StatusOf, error_body
from onevault.admin.office import Actor
from onevault.admin.people import ACTOR as SIGNED_IN
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import AdminKey, Role, Status
from onevault.core.keys import is_admin_key, is_admin_key_text, is_key_text, key_sha256
from onevault.core.ports import Clock, IdSource
from onevault.core.sign_in import is_token_text
from onevault.pipeline.sign_in import SignIn

BODY_BYTES_MAX = 256 * 1024
BODY_WAIT_S = 10.0
CALL_S = 30.0
"""How long an admin call may take in all; a store that hangs ends in 503."""
STREAMED = ("/admin/import", "/admin/export")
"""Whose bodies are read or written piece by piece. It decides of bounds alone: who may is decided by the route that is matched."""
STREAMED_CALL_S = 600.0
STREAMED_BYTES_MAX = 64 * 1024 * 1024
ACTOR = "onevault.actor"
"""Where in the ASGI scope the routes find who calls."""
CONFIGURED = "admin"
"""How the history names the admin key of the configuration."""
_PLAIN_SCHEME = "bearer "


class ClientGone(Exception):
    """The client hung up while its body was awaited."""


class Door:
    """Middleware over the whole application: it looks at no path, so no path can be spelled past it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        key_sha256s: tuple[bytes, ...],
        admin_key: Callable[[bytes], AdminKey | None],
        sign_in: SignIn,
        clock: Clock,
        status_of: StatusOf,
        ids: IdSource,
    ) -> None:
        self._app = app
        self._sign_in = sign_in
        self._key_sha256s = key_sha256s
        self._admin_key = admin_key
        self._clock = clock
        self._status_of = status_of
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = False
        call_s = CALL_S
        request_id = self._ids()

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                head = [(b"x-request-id", request_id.encode()), (b"cache-control", b"no-store")]
                message = {**message, "headers": [*message.get("headers", ()), *head]}
            await send(message)

        try:
            actor = await self._actor(scope)
            inner = {**scope, ACTOR: actor}
            if scope["path"] in STREAMED:
                async with asyncio.timeout(call_s := STREAMED_CALL_S):
                    await self._app(inner, _bounded(receive), answer)
                return
            body = await _body(scope["headers"], receive)
            async with asyncio.timeout(call_s := CALL_S):
                await self._app(inner, _replay(body, receive), answer)
        except Fault as fault:
            await respond(answer, fault, status=self._status_of(fault.kind))
        except TimeoutError:
            if started:
                raise
            late = Fault(FaultKind.STORE_UNAVAILABLE, f"This took longer than {call_s:.0f} seconds and was given up.")
            await respond(answer, late, status=self._status_of(late.kind))
        except ClientGone:
            return

    async def _actor(self, scope: Scope) -> Actor:
        """Who presents the request's admin key or token. Raises Fault UNAUTHENTICATED, FORBIDDEN. For a key nothing but memory is asked."""
        client = scope.get("client")
        address = client[0] if client else ""
        presented = _presented(scope["headers"])
        if is_admin_key(presented, self._key_sha256s):
            return Actor(CONFIGURED, address)
        if is_token_text(presented):
            signed_in, org_id = await self._sign_in.admin(presented)
            role = signed_in.role or Role.VIEWER
            return Actor(SIGNED_IN.format(signed_in.subject), address, role, org_id, signed_in.expires_at_ms)
        key = self._admin_key(key_sha256(presented)) if is_admin_key_text(presented) else None
        if key is None:
            raise Fault(FaultKind.UNAUTHENTICATED, "This is not an admin key of this gateway.")
        if key.status is not Status.ACTIVE:
            raise Fault(FaultKind.UNAUTHENTICATED, f"This admin key is {key.status.value}.")
        if key.expires_at_ms is not None and key.expires_at_ms <= self._clock.wall_ns() // 1_000_000:
            raise Fault(FaultKind.UNAUTHENTICATED, "This admin key has expired.")
        return Actor(key.admin_key_id, address, key.role, key.org_id, key.expires_at_ms)


async def respond(send: Send, fault: Fault, *, status: int) -> None:
    """Writes a fault as the whole answer."""
    body = error_body(status, code=fault.kind.value, message=fault.message, param=fault.param)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if fault.kind is FaultKind.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    if fault.kind is FaultKind.STORE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _presented(headers: Iterable[tuple[bytes, bytes]]) -> str:
    sent = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
    if len(sent) != 1 or sent[0][: len(_PLAIN_SCHEME)].lower() != _PLAIN_SCHEME:
        raise Fault(FaultKind.UNAUTHENTICATED, "An admin key is needed: send it as `Authorization: Bearer …`.")
    presented = sent[0][len(_PLAIN_SCHEME) :].strip()
    if is_key_text(presented):
        raise Fault(FaultKind.UNAUTHENTICATED, "This is an API key for calls; the admin API takes an admin key.")
    return presented


async def _body(headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes:
    if any(_is_too_long(name, value) for name, value in headers):
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    raise _too_large()
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        late = f"The body did not arrive within {BODY_WAIT_S:.0f} seconds."
        raise Fault(FaultKind.INVALID_REQUEST, late) from None


def _is_too_long(name: bytes, value: bytes) -> bool:
    return name == b"content-length" and (len(value) > 18 or (value.isdigit() and int(value) > BODY_BYTES_MAX))


def _too_large() -> Fault:
    return Fault(FaultKind.PAYLOAD_TOO_LARGE, f"The body is larger than {BODY_BYTES_MAX} bytes.")


def _bounded(receive: Receive) -> Receive:
    """A body that is handed on as it comes, within bounds of its size and of the wait for each piece."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout(BODY_WAIT_S):
                message = await receive()
        except TimeoutError:
            late = f"Nothing more of the body arrived within {BODY_WAIT_S:.0f} seconds."
            raise Fault(FaultKind.INVALID_REQUEST, late) from None
        size += len(message.get("body", b""))
        if size > STREAMED_BYTES_MAX:
            raise Fault(FaultKind.PAYLOAD_TOO_LARGE, f"The body is larger than {STREAMED_BYTES_MAX} bytes.")
        return message

    return bounded


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
