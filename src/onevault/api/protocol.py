"""One client's connection: uvicorn's parser with the bounds, the answers and the manners that it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from onevault.api.asgi import CONNECTION
from onevault.api.errors import fault_body
from onevault.core.faults import Fault, FaultKind

HEADERS_MAX = 128
_LINGER_S = 1.0
_OFFER = (b"upgrade", b"connection", b"http2-settings")


class HeadTooLarge(Exception):
    """Raised into the parser, which then stops."""


def bounded_protocol(
    *,
    header_bytes_max: int,
    header_timeout_s: float,
    body_timeout_s: float,
    socket_paths: frozenset[bytes] = frozenset(),
) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, with these differences:

    - a request's head is limited in bytes, in fields, and in time; what is not HTTP, too large or too slow is answered in
      JSON (400, 431, 408) and the connection closed;
    - a client that has its answer already (a refusal) may go on sending its body for `body_timeout_s` and no longer;
    - trailers are no headers: what a proxy did not look at decides nothing;
    - an offer to upgrade (`h2c`, as some HTTP libraries make with every request) is passed over, and the request served, but for
      one to a WebSocket at one of `socket_paths`;
    - it puts itself into the scope as `Connection`, and tells whoever asks when the client is gone: a task that waits for
      ASGI's disconnect message costs each call more than its authentication and admission.
    """

    class BoundedProtocol(HttpToolsProtocol):
        on_lost: Callable[[], None] | None = None
        _head_bytes = 0
        _in_head = True
        _too_large = False
        _upgrading = False
        _refused = False
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._timer = self.loop.call_later(header_timeout_s, self._head_too_slow)

        def connection_lost(self, exc: Exception | None) -> None:
            self._in_time()
            super().connection_lost(exc)
            if self.on_lost is not None:
                self.on_lost()

        def data_received(self, data: bytes) -> None:
            if self._refused:
                return
            self._unset_keepalive_if_required()
            was_in_head = self._in_head
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                rest = data[upgrade.args[0] :]
                if self._is_to_a_socket():
                    self._become_a_socket(rest)
                else:
                    self._serve_as_it_is(rest)
            except httptools.HttpParserError:
                if self._too_large:
                    self._refuse(431, FaultKind.PAYLOAD_TOO_LARGE, "The request's head is too large.")
                else:
                    self._refuse(400, FaultKind.INVALID_REQUEST, "This is not a valid HTTP request.")
            else:
                if self._in_head:
                    self._wait_for_head(len(data) if was_in_head else 0)

        def on_message_begin(self) -> None:
            self._head_bytes = 0
            self._in_head = True
            self._unset_keepalive_if_required()
            super().on_message_begin()
            self.scope[CONNECTION] = self  # type: ignore[literal-required]

        def on_url(self, url: bytes) -> None:
            self._count(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._count(len(name) + len(value) + 4)
            if not self._in_head:
                return
            if len(self.headers) >= HEADERS_MAX:
                self._too_large = True
                raise HeadTooLarge
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._in_head = False
            if self._timer is not None:
                self._in_time()
            if self.parser.should_upgrade():
                # The parser takes the body for another protocol's bytes and stops here: `data_received` goes on.
                self._upgrading = True
                return
            super().on_headers_complete()

        def break_off(self) -> None:
            if self.cycle is not None:
                self.cycle.disconnected = True  # the server need not say that nothing ended the answer
            self.transport.close()

        def on_message_complete(self) -> None:
            if self._upgrading:
                return
            super().on_message_complete()
            if self._timer is not None:
                # The rest of a request that was refused before it was in: now the connection is idle.
                self._in_time()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.more_body and self.cycle.response_complete and not self.transport.is_closing():
                self._in_time()
                self._timer = self.loop.call_later(body_timeout_s, self.transport.close)

        def _count(self, size: int) -> None:
            self._head_bytes += size
            if self._head_bytes > header_bytes_max:
                self._too_large = True
                raise HeadTooLarge

        def _wait_for_head(self, size: int) -> None:
            """The parser tells of a field when it is whole, so what may become one is counted as it comes."""
            self._head_bytes += size
            if self._head_bytes > 2 * header_bytes_max:
                self._refuse(431, FaultKind.PAYLOAD_TOO_LARGE, "The request's head is too large.")
            elif self._timer is None:
                self._timer = self.loop.call_later(header_timeout_s, self._head_too_slow)

        def _is_to_a_socket(self) -> bool:
            return (
                self.url.partition(b"?")[0] in socket_paths
                and self.parser.get_method() == b"GET"
                and self._get_upgrade() == b"websocket"
                and not self.pipeline
                and not _is_answering(self.cycle)
            )

        def _become_a_socket(self, rest: bytes) -> None:
            self._in_time()
            self.scope["method"] = "GET"
            self.handle_websocket_upgrade()
            if rest:
                self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]

        def _serve_as_it_is(self, rest: bytes) -> None:
            """Reads the request once more without its offer to upgrade: a server may ignore it (RFC 9110, 7.8)."""
            method = self.parser.get_method()
            self._upgrading = False
            if method == b"CONNECT":
                self._refuse(400, FaultKind.INVALID_REQUEST, "This is no proxy.")
                return
            lines = [method + b" " + self.url + b" HTTP/1.1"]
            lines += [name + b": " + value for name, value in self.headers if name not in _OFFER]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.data_received(b"\r\n".join([*lines, b"", rest]))

        def _in_time(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _head_too_slow(self) -> None:
            self._timer = None
            if self.flow.read_paused:
                # The rest waits behind a call that is still being answered.
                self._timer = self.loop.call_later(header_timeout_s, self._head_too_slow)
            elif self._head_bytes:
                self._refuse(408, FaultKind.INVALID_REQUEST, "The request's head did not arrive in time.")
            else:
                self.transport.close()

        def _refuse(self, status: int, kind: FaultKind, message: str) -> None:
            """Answers what is no request, and closes: after a moment, since a close with bytes unread can cost the client the
            answer. Behind a call that is being answered it says nothing, for that would be taken for the call's answer."""
            self._in_time()
            if self.pipeline or _is_answering(self.cycle):
                self.transport.close()
                return
            self._refused = True
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            headers = self.server_state.default_headers
            self.transport.write(_answer(status, fault_body(Fault(kind, message)), headers))
            self.transport.write_eof()
            self._timer = self.loop.call_later(_LINGER_S, self.transport.close)

    return BoundedProtocol


def _is_answering(cycle: RequestResponseCycle | None) -> bool:
    """Whether a request that came in whole, or whose answer has begun, is still being answered."""
    return cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body)


def _answer(status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    fields = [
        *headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        *(name + b": " + value for name, value in fields),
    ]
    return b"\r\n".join([*lines, b"", body])
