"""Sends requests to providers with aiohttp: the reference for the lean transport, and the one that speaks through proxies."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextvars import ContextVar
from types import SimpleNamespace, TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.tracing import Trace
from yarl import URL

from onevault.core.transport import HttpRequest, Origin, Phase, TransportError
from onevault.upstream.http1_head import authority, request_head
from onevault.upstream.transport_settings import TransportSettings, tls_context

_SLICE_BYTES: Final = 65_536
_LINGER_TURNS: Final = 3
"""Turns of the event loop after which aborted sockets are closed."""

_sending: ContextVar[AiohttpExchange] = ContextVar("sending")


class AiohttpTransport:
    """A `Transport` on aiohttp's connector and parser. Belongs to the event loop that it is first used on.

    Informational answers and chunk extensions are bounded by time alone, a head by its lines' number and length.
    """

    def __init__(self, settings: TransportSettings) -> None:
        """Raises OSError or ssl.SSLError for unusable certificate files."""
        self.settings = settings
        self.connecting: dict[Origin, int] = {}
        self.open: set[AiohttpExchange] = set()
        self._tls = tls_context(settings)
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self.closed = False

    def exchange(self, request: HttpRequest) -> AiohttpExchange:
        """As the port says. Entering raises ValueError for a request that must not be written (see `http1_head`)."""
        return AiohttpExchange(self, request)

    async def close(self) -> None:
        """Closes every connection; exchanges in flight break. A second call does nothing."""
        self.closed = True
        for exchange in list(self.open):
            exchange.abort("the transport was closed")
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        for _ in range(_LINGER_TURNS):
            await asyncio.sleep(0)

    def session(self, *, fresh: bool) -> aiohttp.ClientSession:
        """The session over the pool, or the one whose connections carry one exchange each."""
        if self.closed:
            raise TransportError("the transport is closed", phase=Phase.CONNECT)
        if fresh:
            if self._fresh is None:
                self._fresh = _session(self.settings, self._tls, force_close=True)
            return self._fresh
        if self._pooled is None:
            self._pooled = _session(self.settings, self._tls, force_close=False)
        return self._pooled


class AiohttpExchange:
    """One exchange: the context that holds aiohttp's response, and the answer in it."""

    def __init__(self, transport: AiohttpTransport, request: HttpRequest) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._transport = transport
        self._request = request
        self._told = False
        self._response: aiohttp.ClientResponse | None = None
        self._wire: asyncio.Transport | None = None
        self._scope: asyncio.Timeout | None = None
        self._phase = Phase.CONNECT
        self._reused = False
        self._sent = False
        self._message = ""
        self._timed_out = False
        self._wire_ended: asyncio.Future[None] | None = None
        self._first_byte_at: float | None = None
        self._loop: asyncio.AbstractEventLoop

    async def __aenter__(self) -> Self:
        request, origin = self._request, self._request.origin
        host = authority(origin)
        request_head(request, host=host)  # for its refusals; aiohttp writes the head itself
        self._loop = asyncio.get_running_loop()
        self._total_at = self._loop.time() + request.total_s
        connecting, settings = self._transport.connecting, self._transport.settings
        if connecting.get(origin, 0) >= settings.waiters_per_origin_max:
            raise TransportError("too many calls wait for a connection", phase=Phase.CONNECT)
        self._transport.open.add(self)
        self._total_timer = self._loop.call_at(self._total_at, self._out_of_time)
        token = _sending.set(self)
        try:
            url = URL(f"{origin.scheme}://{host}{request.path}", encoded=True)
            try:
                await self._attempt(url, fresh=False)
            except TransportError:
                if not self._may_repeat:
                    raise
                await self._attempt(url, fresh=True)
        except BaseException:
            self._end()
            raise
        finally:
            _sending.reset(token)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self._next_part()
        if not data:
            raise StopAsyncIteration
        return data

    async def read(self, bytes_max: int) -> bytes:
        parts: list[bytes] = []
        total_bytes = 0
        while data := await self._next_part():
            total_bytes += len(data)
            if total_bytes > bytes_max:
                self.abort(f"the answer is longer than {bytes_max} bytes")
                raise self._error()
            parts.append(data)
        return b"".join(parts)

    # ---- sending -----------------------------------------------------------------------------------------------------

    async def _attempt(self, url: URL, *, fresh: bool) -> None:
        request, settings = self._request, self._transport.settings
        self._phase, self._reused, self._wire, self._sent, self._message = Phase.CONNECT, False, None, False, ""
        body: bytes | AsyncIterator[bytes] | None = request.body or None
        headers = list(request.headers)
        if len(request.body) > _SLICE_BYTES:
            body = self._slices(request.body)
            headers.append(("content-length", str(len(request.body))))
        count = self._transport.connecting
        count[request.origin] = count.get(request.origin, 0) + 1
        try:
            async with asyncio.timeout_at(self._within(request.connect_s)) as self._scope:
                response = await self._transport.session(fresh=fresh).request(
                    request.method,
                    url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    proxy=settings.proxy_url,
                    max_line_size=settings.head_bytes_max,
                    max_field_size=settings.head_bytes_max,
                    max_headers=settings.header_count_max,
                    trace_request_ctx=self,
                )
        except TimeoutError:
            self.abort("the answer's head did not come in time", timed_out=True)
            raise self._error() from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self.abort(_reason(error))
            # A head that had begun means that the server has seen the request.
            partial = getattr(error, "message", None)
            self._reused = self._reused and isinstance(error, (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError))
            self._reused = self._reused and not isinstance(partial, aiohttp.http.RawResponseMessage)
            raise self._error() from None
        except asyncio.CancelledError:
            # Closing the connector cancels those that wait for a connection, but not their tasks.
            task = asyncio.current_task()
            if self._transport.closed and task is not None and not task.cancelling():
                self.abort("the transport was closed")
                raise self._error() from None
            self.abort("the exchange was cancelled")
            raise
        finally:
            self._scope = None
            self._left_line()
        self._response = response
        self._answer(response)
        if self._message:
            self._phase = Phase.HEADERS
            raise self._error()

    def _answer(self, response: aiohttp.ClientResponse) -> None:
        self._phase = Phase.BODY
        self.status = response.status
        for raw_name, raw_value in response.raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            self.abort("the answer has a transfer coding that was not asked for")
        elif self.status == 101:
            self.abort("the server switched to another protocol")
        elif "transfer-encoding" not in self.headers and "content-length" not in self.headers:
            # The connection's end is the body's, and aiohttp does not tell an orderly end from a reset.
            connection = response.connection
            protocol = connection.protocol if connection is not None else None
            self._wire_ended = protocol.closed if protocol is not None else None
            if self._wire_ended is not None:
                self._wire_ended.add_done_callback(_seen)

    async def _slices(self, body: bytes) -> AsyncIterator[bytes]:
        """The body as fast as the server takes it; after an early answer, nothing more."""
        for start in range(0, len(body), _SLICE_BYTES):
            self._until(self._request.stall_s)
            yield body[start : start + _SLICE_BYTES]
            if self.status:
                await asyncio.Event().wait()  # ends with the exchange, which cancels the writing
        self.sent()

    def connected(self, *, reused: bool) -> None:
        """aiohttp has a connection for this exchange."""
        self._left_line()
        self._reused = reused
        self._phase = Phase.SEND
        self._until(self._request.stall_s)
        if self._request.on_sent is not None and not self._told:
            self._told = True
            self._request.on_sent()

    def _left_line(self) -> None:
        if self._phase is Phase.CONNECT and (left := self._transport.connecting.get(self._request.origin)) is not None:
            if left > 1:
                self._transport.connecting[self._request.origin] = left - 1
            else:
                del self._transport.connecting[self._request.origin]

    def wired(self, wire: asyncio.Transport | None) -> None:
        """The connection's transport, to be aborted where aiohttp would close it politely."""
        self._wire = wire

    def headers_sent(self) -> None:
        """aiohttp has handed the head over, and with it a body that is small."""
        if len(self._request.body) <= _SLICE_BYTES:
            self.sent()

    def sent(self) -> None:
        """The whole request is handed over."""
        self._sent = True
        if self._phase is Phase.SEND:
            self._phase = Phase.HEADERS
        self._first_byte_at = self._within(self._request.first_byte_s)
        self._until(self._request.first_byte_s)

    # ---- receiving ---------------------------------------------------------------------------------------------------

    async def _next_part(self) -> bytes:
        if self._response is None:
            raise RuntimeError("an answer is read inside of its exchange")
        if self._message:
            raise self._error()
        until = self._within(self._request.stall_s)
        if self._sent and self._first_byte_at is not None:
            until = self._first_byte_at
        try:
            async with asyncio.timeout_at(until):
                data = await self._response.content.readany()
        except TimeoutError:
            self.abort("the answer stalled", timed_out=True)
            raise self._error() from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self.abort(_reason(error))
            raise self._error() from None
        except BaseException:
            self.abort("the exchange was cancelled")
            raise
        self._first_byte_at = None
        ended = self._wire_ended
        if not data and ended is not None and ended.done() and not ended.cancelled() and ended.exception() is not None:
            self.abort("the connection was reset")
            raise self._error()
        return data

    # ---- time and ends -----------------------------------------------------------------------------------------------

    @property
    def _may_repeat(self) -> bool:
        return self._reused and not self._timed_out and self._phase is not Phase.BODY

    def _within(self, seconds: float) -> float:
        return min(self._loop.time() + seconds, self._total_at)

    def _until(self, seconds: float) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(self._within(seconds))

    def _out_of_time(self) -> None:
        self.abort("the exchange took longer than it may in all", timed_out=True)

    def abort(self, message: str, *, timed_out: bool = False) -> None:
        """Breaks the exchange and closes its socket at once, unless the answer is complete and the connection given back."""
        if not self._message:
            self._message, self._timed_out = message, timed_out
        response = self._response
        given_back = response is not None and response.connection is None
        if self._wire is not None and not given_back:
            self._wire.abort()
        if response is not None:
            response.close()

    def _end(self) -> None:
        self._total_timer.cancel()
        self._transport.open.discard(self)
        response = self._response
        if response is None or not response.content.at_eof() or not self._sent:
            self.abort("the exchange was left before its end")
        else:
            response.release()
        self._response = self._wire = None

    def _error(self) -> TransportError:
        return TransportError(self._message, phase=self._phase, timeout=self._timed_out)


class _Connector(aiohttp.TCPConnector):
    """Takes no idle connection on which bytes have come, and shows the exchange which one it got."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        # aiohttp would take what an idle connection has received for the answer to the next request.
        while connection.protocol is None or connection.protocol.should_close:
            connection.close()
            connection = await super().connect(req, traces, timeout)
        _sending.get().wired(connection.transport)
        return connection


def _session(settings: TransportSettings, tls: ssl.SSLContext, *, force_close: bool) -> aiohttp.ClientSession:
    connector = _Connector(
        limit=0,
        limit_per_host=settings.connections_per_origin_max,
        keepalive_timeout=None if force_close else settings.idle_s,
        force_close=force_close,
        ssl=tls,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        read_bufsize=settings.read_buffer_bytes_max // 2,
        trace_configs=[_traces()],
    )
    session._retry_connection = False  # the rule for repeating is the port's, and holds for POST
    return session


def _traces() -> aiohttp.TraceConfig:
    traces = aiohttp.TraceConfig()

    async def created(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connected(reused=False)

    async def reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connected(reused=True)

    async def headers_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.headers_sent()

    traces.on_connection_create_end.append(created)
    traces.on_connection_reuseconn.append(reused)
    traces.on_request_headers_sent.append(headers_sent)
    return traces


def _seen(ended: asyncio.Future[None]) -> None:
    """Takes note of how a connection ended, so that asyncio does not complain that nobody did."""
    if not ended.cancelled():
        ended.exception()


def _reason(error: Exception) -> str:
    """What aiohttp says quotes URLs and bytes; only the kind of error is safe to show."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the server's certificate was refused"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection before its answer"
    return f"the exchange broke: {type(error).__name__}"
