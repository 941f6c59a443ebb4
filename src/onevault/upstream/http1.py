"""Sends requests to providers over pooled HTTP/1.1 connections, with as little work as Python allows."""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic
from types import TracebackType
from typing import Final, Self

from onevault.core.transport import HttpRequest, Origin, Phase, TransportError
from onevault.upstream.http1_connection import AWAITING_HEAD, Connection
from onevault.upstream.http1_head import request_head
from onevault.upstream.http1_pool import Pool
from onevault.upstream.transport_settings import TransportSettings, tls_context

_CLOSE_TURNS_MAX: Final = 16
_POOLS_SWEPT_ABOVE: Final = 64
"""Pools without connections are dropped when there are more than this; usually there are as many as providers."""


class LeanTransport:
    """The default `Transport`: HTTP/1.1 on llhttp and the event loop's own transports; outgoing proxies are not its work.

    One write for a small request, no task and at most one future and one wake-up for a small answer. Belongs to the event
    loop that it is first used on.
    """

    def __init__(self, settings: TransportSettings) -> None:
        """Raises ValueError where a proxy is set, OSError or ssl.SSLError for unusable certificate files."""
        if settings.proxy_url is not None:
            raise ValueError("the lean transport speaks to servers directly; a proxy_url needs the aiohttp transport")
        self._settings = settings
        self._tls: ssl.SSLContext = tls_context(settings)
        self._pools: dict[Origin, Pool] = {}
        self._closed = False

    def exchange(self, request: HttpRequest) -> Exchange:
        """As the port says. Entering raises ValueError for a request that must not be written (see `http1_head`)."""
        return Exchange(self, request)

    async def close(self) -> None:
        """Closes every connection; exchanges in flight break. A second call does nothing."""
        self._closed = True
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()
        # The event loop closes the sockets in its next turns; what it was told in this one it has done after two more.
        for _ in range(_CLOSE_TURNS_MAX):
            await asyncio.sleep(0)
            if all(pool.sockets_closed for pool in pools):
                break

    def pool(self, origin: Origin) -> Pool:
        """The pool of an origin. Raises ValueError for an origin that cannot be spoken to."""
        pool = self._pools.get(origin)
        if pool is None:
            if self._closed:
                raise TransportError("the transport is closed", phase=Phase.CONNECT)
            if len(self._pools) >= _POOLS_SWEPT_ABOVE:
                self._pools = {known: each for known, each in self._pools.items() if not each.empty}
            pool = self._pools[origin] = Pool(origin, self._settings, loop=asyncio.get_running_loop(), tls=self._tls)
        return pool


class Exchange:
    """One exchange: the context that holds the connection, and the answer in it."""

    __slots__ = ("_connection", "_pool", "_request", "_transport", "headers", "status")

    _pool: Pool

    def __init__(self, transport: LeanTransport, request: HttpRequest) -> None:
        self._transport = transport
        self._request = request
        self._connection: Connection | None = None
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        request = self._request
        pool = self._pool = self._transport.pool(request.origin)
        head = request_head(request, host=pool.host)
        now = monotonic()
        total_at = now + request.total_s
        connection = pool.idle()
        fresh = False
        while True:
            if connection is None:
                connection = await pool.connection(until=min(now + request.connect_s, total_at), fresh=fresh)
                now = monotonic()
            if request.on_sent is not None and not fresh:
                request.on_sent()
            try:
                if not connection.begin(request, head, now=now, total_at=total_at):
                    await connection.finish_sending(request)
                if connection.state == AWAITING_HEAD:
                    await connection.wait_for_head()
            except BaseException:
                connection.fail("the exchange was cancelled")
                raise
            if connection.status:
                break
            # Broken before a head. A connection that had been idle may have been closed by the server while the request
            # was on its way; then it has answered nothing, and one new connection may try again.
            if not connection.used or connection.answered or connection.timed_out or fresh:
                raise connection.error()
            connection, fresh, now = None, True, monotonic()
        self._connection = connection
        self.status = connection.status
        self.headers = connection.headers
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        self._connection = None
        if connection is not None:
            self._pool.give_back(connection)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self._held().next_part()
        if not data:
            raise StopAsyncIteration
        return data

    async def read(self, bytes_max: int) -> bytes:
        return await self._held().whole_body(bytes_max)

    def _held(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("an answer is read inside of its exchange")
        return self._connection
