"""Decides which connection to an origin serves an exchange: an idle one, a new one, or the next that is given back."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections import deque
from time import monotonic

import aiohappyeyeballs

from onevault.core.transport import Origin, Phase, TransportError
from onevault.upstream.http1_connection import COMPLETE, IDLE, Connection
from onevault.upstream.http1_head import authority
from onevault.upstream.transport_settings import TransportSettings

_HAPPY_EYEBALLS_S = 0.25
"""How long one address may take before the next is tried beside it (RFC 8305)."""


class Pool:
    """The connections to one origin. A slot is a connection, or the right to make one; there are a bounded number.

    Idle connections are taken newest first, so that the surplus ages out. Who finds neither an idle one nor a free slot
    waits in line, first come first served, and is handed a connection or a slot by whoever gives one back.
    """

    __slots__ = (
        "_closed",
        "_closing",
        "_connecting",
        "_idle",
        "_live",
        "_loop",
        "_settings",
        "_slots",
        "_tls",
        "_waiters",
        "host",
        "origin",
    )

    def __init__(
        self, origin: Origin, settings: TransportSettings, *, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext
    ) -> None:
        """Raises ValueError for an origin that is not http or https on a plain host."""
        self.origin = origin
        self.host = authority(origin)
        self._live: set[Connection] = set()
        self._closing: set[Connection] = set()
        self._settings = settings
        self._loop = loop
        self._tls = tls if origin.scheme == "https" else None
        self._idle: list[Connection] = []
        self._slots = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._connecting: set[asyncio.Timeout] = set()
        self._closed = False

    def idle(self) -> Connection | None:
        """An idle connection that the server has neither closed nor written to; None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.may_begin():
                return connection
        return None

    async def connection(self, *, until: float, fresh: bool) -> Connection:
        """A connection by `until` (monotonic seconds); a `fresh` one has carried nothing before.

        Raises TransportError in phase CONNECT.
        """
        while True:
            if self._closed:
                raise TransportError("the transport is closed", phase=Phase.CONNECT)
            if not fresh and (connection := self.idle()) is not None:
                return connection
            if self._idle and self._slots >= self._settings.connections_per_origin_max:
                self._idle[0].fail("its slot was needed for a new connection")
            if self._slots < self._settings.connections_per_origin_max:
                self._slots += 1
                return await self._connect(until)
            handed = await self._wait_in_line(until)
            if handed is None:
                return await self._connect(until)
            if handed.state == IDLE:
                self._idle.append(handed)

    def give_back(self, connection: Connection) -> None:
        """Ends the exchange on a connection: it is kept if its answer is complete and nothing speaks against it."""
        if connection.state != COMPLETE or not connection.reusable or connection.lost or self._closed:
            connection.fail("the exchange was left before its end")
            return
        waiter = self._next_waiter()
        if waiter is None and len(self._idle) >= self._settings.idle_per_origin_max:
            connection.fail("there are idle connections enough")
            return
        connection.rest(monotonic())
        if waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def close(self) -> None:
        """Breaks everything, also what is being connected or waited for."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(TransportError("the transport is closed", phase=Phase.CONNECT))
        self._waiters.clear()
        for scope in self._connecting:
            if not scope.expired():
                scope.reschedule(self._loop.time())
        for connection in list(self._live):
            connection.fail("the transport was closed")

    @property
    def empty(self) -> bool:
        """Whether nothing is held, made or waited for."""
        return not (self._slots or self._waiters)

    @property
    def sockets_closed(self) -> bool:
        """Whether every connection that was given up is closed."""
        return not self._closing

    # ---- slots -------------------------------------------------------------------------------------------------------

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _free_slot(self) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._slots -= 1
        else:
            waiter.set_result(None)

    async def _wait_in_line(self, until: float) -> Connection | None:
        """An idle connection, or None for the right to make one."""
        if len(self._waiters) >= self._settings.waiters_per_origin_max:
            raise TransportError("too many calls wait for a connection", phase=Phase.CONNECT)
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(max(until - monotonic(), 0.0)):
                return await waiter
        except TimeoutError:
            self._leave_line(waiter)
            raise TransportError("no connection became free in time", phase=Phase.CONNECT, timeout=True) from None
        except asyncio.CancelledError:
            self._leave_line(waiter)
            raise

    def _leave_line(self, waiter: asyncio.Future[Connection | None]) -> None:
        """Passes on what was handed over in the same moment."""
        if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
            try:
                self._waiters.remove(waiter)
            except ValueError:
                pass
            return
        handed = waiter.result()
        if handed is None:
            self._free_slot()
        elif handed.state == IDLE:
            following = self._next_waiter()
            if following is None:
                self._idle.append(handed)
            else:
                following.set_result(handed)

    def _gone(self, connection: Connection) -> None:
        if connection.lost:
            self._closing.discard(connection)
        else:
            self._closing.add(connection)
        if connection in self._live:
            self._live.discard(connection)
            try:
                self._idle.remove(connection)
            except ValueError:
                pass  # it was busy
            self._free_slot()

    # ---- connecting --------------------------------------------------------------------------------------------------

    async def _connect(self, until: float) -> Connection:
        """Turns a slot into a connection, or gives it back."""
        scope = asyncio.timeout(max(until - monotonic(), 0.0))
        try:
            async with scope:
                self._connecting.add(scope)
                connection = await self._open()
        except TimeoutError:
            self._free_slot()
            if self._closed:
                raise TransportError("the transport is closed", phase=Phase.CONNECT) from None
            raise TransportError("the connection did not stand in time", phase=Phase.CONNECT, timeout=True) from None
        except ssl.SSLCertVerificationError as error:
            self._free_slot()
            message = f"the server's certificate was refused: {error.verify_message}"
            raise TransportError(message, phase=Phase.CONNECT) from None
        except socket.gaierror:
            self._free_slot()
            raise TransportError("the server's name has no address", phase=Phase.CONNECT) from None
        except (OSError, UnicodeError) as error:
            self._free_slot()
            message = f"no connection could be made: {type(error).__name__}"
            raise TransportError(message, phase=Phase.CONNECT) from None
        except BaseException:
            self._free_slot()
            raise
        finally:
            self._connecting.discard(scope)
        if connection.state != IDLE:
            self._free_slot()
            raise TransportError("the server closed the connection, or spoke, before it was asked", phase=Phase.CONNECT)
        self._live.add(connection)
        if self._closed:
            connection.fail("the transport was closed")
            raise TransportError("the transport is closed", phase=Phase.CONNECT)
        return connection

    async def _open(self) -> Connection:
        host, port = self.origin.host, self.origin.port
        addresses = await self._addresses(host, port)
        plain = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_S, loop=self._loop
        )
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._settings.tcp_keepalive_idle_s)
        except OSError:
            plain.close()
            raise
        # From here on the socket belongs to the event loop's transport, which also closes it on cancellation.
        _, connection = await self._loop.create_connection(
            lambda: Connection(self._loop, self._settings, on_gone=self._gone),
            sock=plain,
            ssl=self._tls,
            server_hostname=host.partition("%")[0] if self._tls is not None else None,
        )
        return connection

    async def _addresses(self, host: str, port: int) -> list[aiohappyeyeballs.AddrInfoType]:
        flags = 0
        try:
            ipaddress.ip_address(host)
            flags = socket.AI_NUMERICHOST
        except ValueError:
            pass
        if flags:
            return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
        return list(await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
