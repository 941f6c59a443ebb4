"""A call that is given up closes its connection within 100 ms, wherever it was; the server need not guess."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable

import psutil
import pytest
from tests.support.wire_requests import ask
from tests.support.wire_server import WireConnection, WireServer, answer, answering

from onevault.core.transport import Origin, Transport, TransportError

SEEN_WITHIN_S = 0.1


class Watch:
    """Notes when the server has seen a client hang up."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.hung_up = asyncio.Event()

    async def wait_for_hang_up(self, connection: WireConnection) -> None:
        self.reached.set()
        await connection.hung_up()
        self.hung_up.set()

    async def seen_in_time(self) -> bool:
        started = time.monotonic()
        async with asyncio.timeout(2):
            await self.hung_up.wait()
        return time.monotonic() - started < SEEN_WITHIN_S


async def read_whole(transport: Transport, origin: Origin, body: bytes) -> None:
    async with transport.exchange(ask(origin, body=body)) as reply:
        await reply.read(1000)


async def read_parts(transport: Transport, origin: Origin, body: bytes) -> None:
    async with transport.exchange(ask(origin, body=body)) as reply:
        async for _ in reply:
            pass


async def hold_on_after_the_head(transport: Transport, origin: Origin, body: bytes) -> None:
    async with transport.exchange(ask(origin, body=body)):
        await asyncio.Event().wait()


async def clean_up_slowly(transport: Transport, origin: Origin, body: bytes) -> None:
    async with transport.exchange(ask(origin, body=body)) as reply:
        try:
            await reply.read(1000)
        finally:
            await asyncio.sleep(0.2)


Client = Callable[[Transport, Origin, bytes], Awaitable[None]]
BEFORE_HEADERS = b""
INSIDE_BODY = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        (BEFORE_HEADERS, read_whole),
        (INSIDE_BODY, read_whole),
        (INSIDE_BODY, read_parts),
        (INSIDE_BODY, hold_on_after_the_head),
        (INSIDE_BODY, clean_up_slowly),
    ],
)
@pytest.mark.parametrize("reused", [False, True])
async def test_the_server_sees_a_cancelled_call_within_100_ms(
    transport: Transport, tls: ssl.SSLContext | None, sent: bytes, client: Client, reused: bool
) -> None:
    watch = Watch()

    async def handle(connection: WireConnection) -> None:
        if reused:
            await connection.request()
            await connection.send(answer())
        await connection.request()
        await connection.send(sent)
        await watch.wait_for_hang_up(connection)

    async with WireServer(handle, tls=tls) as server:
        if reused:
            await read_whole(transport, server.origin, b"")
        task = asyncio.ensure_future(client(transport, server.origin, b"{}"))
        await watch.reached.wait()
        await asyncio.sleep(0.01)
        task.cancel()
        assert await watch.seen_in_time()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(server.requests) == 1 + reused


async def test_the_server_sees_a_call_cancelled_in_the_tls_handshake_within_100_ms(transport: Transport) -> None:
    watch = Watch()
    async with WireServer(watch.wait_for_hang_up) as server:
        origin = Origin("https", "127.0.0.1", server.origin.port)
        task = asyncio.ensure_future(read_whole(transport, origin, b"{}"))
        await watch.reached.wait()
        await asyncio.sleep(0.01)
        task.cancel()
        assert await watch.seen_in_time()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_server_sees_a_call_cancelled_while_sending_within_100_ms(
    transport: Transport, tls: ssl.SSLContext | None
) -> None:
    watch = Watch()
    read_on = asyncio.Event()

    async def handle(connection: WireConnection) -> None:
        connection.writer.transport.pause_reading()
        watch.reached.set()
        await read_on.wait()
        connection.writer.transport.resume_reading()
        await watch.wait_for_hang_up(connection)

    async with WireServer(handle, tls=tls, receive_buffer_bytes=65_536) as server:
        task = asyncio.ensure_future(read_whole(transport, server.origin, b"x" * (16 << 20)))
        await watch.reached.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.02)
        # The server does not read, so an orderly close would still be waiting to send its rest.
        everyone = psutil.Process().net_connections("tcp")
        assert [
            each for each in everyone if each.raddr and each.raddr.port == server.origin.port and each.fd != -1
        ] == []
        read_on.set()  # what the kernels hold is read in no time; what the client held back must not follow
        assert await watch.seen_in_time()


@pytest.mark.parametrize("how", ["break", "exception", "unread"])
async def test_leaving_before_the_end_closes_the_connection_within_100_ms(
    transport: Transport, tls: ssl.SSLContext | None, how: str
) -> None:
    watch = Watch()

    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(INSIDE_BODY)
        await watch.wait_for_hang_up(connection)

    async with WireServer(handle, tls=tls) as server:
        try:
            async with transport.exchange(ask(server.origin)) as reply:
                if how != "unread":
                    async for part in reply:
                        assert part == b"hello"
                        if how == "exception":
                            raise LookupError
                        break
        except LookupError:
            pass
        assert await watch.seen_in_time()


async def test_leaving_a_complete_answer_unread_keeps_the_connection(transport: Transport) -> None:
    async with WireServer(answering(answer())) as server:
        for _ in range(3):
            async with transport.exchange(ask(server.origin)):
                await asyncio.sleep(0.02)
        assert server.connections_made == 1


async def test_a_call_can_not_go_on_after_its_reading_was_cancelled(transport: Transport) -> None:
    watch = Watch()

    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(INSIDE_BODY)
        await watch.wait_for_hang_up(connection)

    async with WireServer(handle) as server, transport.exchange(ask(server.origin)) as reply:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reply.read(1000)
        with pytest.raises(TransportError):
            await reply.read(1000)
        assert await watch.seen_in_time()


async def test_a_hundred_calls_cancelled_at_once_leave_nothing_open(transport: Transport) -> None:
    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(INSIDE_BODY)
        await connection.hung_up()

    async with WireServer(handle) as server:
        tasks = [asyncio.ensure_future(read_whole(transport, server.origin, b"{}")) for _ in range(100)]
        async with asyncio.timeout(5):
            while len(server.requests) < 100:
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await server.until_no_connection_is_open(within_s=0.5)
