"""Which connection an exchange gets, how many there may be, and when one must not be used again."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import pytest
from tests.support.wire_requests import MakeTransport, ask
from tests.support.wire_server import Handler, WireConnection, WireServer, answer, answering

from onevault.core.transport import HttpRequest, Phase, Transport, TransportError
from onevault.upstream.http1 import LeanTransport


async def call(transport: Transport, request: HttpRequest) -> bytes:
    async with transport.exchange(request) as reply:
        return await reply.read(1000)


def is_lean(transport: Transport) -> bool:
    return isinstance(transport, LeanTransport)


def held_back(release: asyncio.Event) -> Handler:
    """Answers when `release` is set."""

    async def handle(connection: WireConnection) -> None:
        while True:
            request = await connection.request()
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body))
            await release.wait()
            await connection.send(request.body)

    return handle


async def test_calls_in_a_row_share_a_connection(transport: Transport) -> None:
    async with WireServer(answering(answer())) as server:
        for _ in range(20):
            assert await call(transport, ask(server.origin)) == b"ok"
        assert server.connections_made == 1


async def test_more_calls_than_connections_wait_for_their_turn(make_transport: MakeTransport) -> None:
    transport = make_transport(connections_per_origin_max=4)
    busy = 0
    busiest = 0

    async def handle(connection: WireConnection) -> None:
        nonlocal busy, busiest
        while True:
            request = await connection.request()
            busy += 1
            busiest = max(busiest, busy)
            await asyncio.sleep(0.002)
            busy -= 1
            await connection.send(answer(request.body))

    async with WireServer(handle) as server:
        bodies = [b"%d" % number for number in range(60)]
        answers = await asyncio.gather(*(call(transport, ask(server.origin, body=body)) for body in bodies))
        assert answers == bodies
        assert (busiest, server.connections_made) == (4, 4)


async def test_waiting_for_a_connection_ends_with_the_connect_timeout(make_transport: MakeTransport) -> None:
    transport = make_transport(connections_per_origin_max=1)
    async with WireServer(held_back(asyncio.Event())) as server, transport.exchange(ask(server.origin)):
        started = time.monotonic()
        with pytest.raises(TransportError) as refusal:
            await call(transport, ask(server.origin, connect_s=0.1))
        assert 0.09 < time.monotonic() - started < 1.0
        assert (refusal.value.phase, refusal.value.timeout) == (Phase.CONNECT, True)
        assert len(server.requests) == 1


async def test_the_line_for_connections_is_bounded(make_transport: MakeTransport) -> None:
    transport = make_transport(connections_per_origin_max=1, waiters_per_origin_max=2)
    release = asyncio.Event()
    async with WireServer(held_back(release)) as server:
        async with transport.exchange(ask(server.origin)) as first:
            waiting = [asyncio.create_task(call(transport, ask(server.origin))) for _ in range(2)]
            await asyncio.sleep(0.01)
            with pytest.raises(TransportError, match="too many calls wait") as refusal:
                await call(transport, ask(server.origin))
            assert (refusal.value.phase, refusal.value.timeout) == (Phase.CONNECT, False)
            release.set()
            await first.read(10)
        assert await asyncio.gather(*waiting) == [b'{"a": 1}'] * 2


@pytest.mark.parametrize("late", [False, True])
async def test_a_cancelled_wait_gives_its_turn_to_the_next(make_transport: MakeTransport, late: bool) -> None:
    transport = make_transport(connections_per_origin_max=1)
    if late and not is_lean(transport):
        pytest.skip("aiohttp loses the turn of a wait that is cancelled just as it is handed a connection")
    release = asyncio.Event()
    async with WireServer(held_back(release)) as server:
        async with transport.exchange(ask(server.origin)) as first:
            leaving, staying = (asyncio.create_task(call(transport, ask(server.origin))) for _ in range(2))
            await asyncio.sleep(0.01)
            if not late:
                leaving.cancel()
            release.set()
            await first.read(10)
        leaving.cancel()  # if late: in the same turn in which it is handed the connection
        assert await asyncio.wait_for(staying, 2) == b'{"a": 1}'
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert await call(transport, ask(server.origin)) == b'{"a": 1}'


async def test_a_failed_connection_gives_its_turn_to_the_next(make_transport: MakeTransport) -> None:
    transport = make_transport(connections_per_origin_max=1)

    async def hang_up(connection: WireConnection) -> None:
        await connection.request()

    async with WireServer(hang_up) as server:
        calls = (call(transport, ask(server.origin, connect_s=2.0)) for _ in range(5))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [outcome.phase for outcome in outcomes if isinstance(outcome, TransportError)] == [Phase.HEADERS] * 5
        assert server.connections_made == 5


async def test_no_more_connections_than_asked_for_stay_idle(make_transport: MakeTransport) -> None:
    transport = make_transport(idle_per_origin_max=2)
    if not is_lean(transport):
        pytest.skip("aiohttp bounds the connections, not the idle ones among them")
    async with WireServer(answering(answer())) as server:
        await asyncio.gather(*(call(transport, ask(server.origin)) for _ in range(6)))
        async with asyncio.timeout(2):
            while server.connections_open > 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        assert server.connections_open == 2


async def test_an_idle_connection_is_closed_in_time(make_transport: MakeTransport) -> None:
    transport = make_transport(idle_s=0.15)
    async with WireServer(answering(answer())) as server:
        await call(transport, ask(server.origin))
        assert server.connections_open == 1
        await server.until_no_connection_is_open(within_s=2)
        assert await call(transport, ask(server.origin)) == b"ok"


@pytest.mark.parametrize("wait_s", [0.0, 0.05])
async def test_an_idle_connection_that_the_server_closed_is_not_used(transport: Transport, wait_s: float) -> None:
    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(answer())

    async with WireServer(handle) as server:
        for _ in range(5):
            assert await call(transport, ask(server.origin)) == b"ok"
            await asyncio.sleep(wait_s)
        assert (server.connections_made, len(server.requests)) == (5, 5)


def closing_on_the_second_request(*, how: str, first: bytes = b"") -> tuple[list[bytes], WireServer]:
    """A server whose first connection answers once, and ends as soon as a second request comes."""
    ended: list[bytes] = []

    async def handle(connection: WireConnection) -> None:
        number = connection.server.connections_made
        while True:
            request = await connection.request()
            if number == 1 and len(connection.server.requests) == 2:
                ended.append(request.body)
                if first:
                    await connection.send(first)
                if how == "reset":
                    connection.reset()
                return
            await connection.send(answer(request.body))

    return ended, WireServer(handle)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("body", [b"second", b"s" * 200_000])
async def test_a_close_that_races_with_the_request_is_made_good_on_a_new_connection(
    transport: Transport, how: str, body: bytes
) -> None:
    ended, server = closing_on_the_second_request(how=how)
    async with server:
        await call(transport, ask(server.origin, body=b"first"))
        async with transport.exchange(ask(server.origin, body=body)) as reply:
            assert await reply.read(len(body)) == body
        assert (ended, server.connections_made, len(server.requests)) == ([body], 2, 3)


@pytest.mark.parametrize("first", [b"H", b"HTTP/1.1 200 OK\r\nconte", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_request_is_not_repeated_when_one_byte_of_an_answer_came(transport: Transport, first: bytes) -> None:
    if not is_lean(transport) and first == b"HTTP/1.1 100 Continue\r\n\r\n":
        pytest.skip("aiohttp does not tell that an informational answer came")
    _, server = closing_on_the_second_request(how="close", first=first)
    async with server:
        await call(transport, ask(server.origin, body=b"first"))
        with pytest.raises(TransportError) as refusal:
            await call(transport, ask(server.origin, body=b"second"))
        assert (refusal.value.phase, refusal.value.timeout) == (Phase.HEADERS, False)
        assert len(server.requests) == 2


async def test_a_request_is_repeated_once_and_only_on_a_connection_that_was_idle(transport: Transport) -> None:
    async def handle(connection: WireConnection) -> None:
        await connection.request()
        if connection.server.connections_made == 1:
            await connection.send(answer())
            await connection.request()

    async with WireServer(handle) as server:
        await call(transport, ask(server.origin))
        with pytest.raises(TransportError):  # on the idle one, then on a new one: no third
            await call(transport, ask(server.origin))
        assert (server.connections_made, len(server.requests)) == (2, 3)
        with pytest.raises(TransportError):  # on a new one: no second
            await call(transport, ask(server.origin, method="GET", body=b""))
        assert (server.connections_made, len(server.requests)) == (3, 4)


async def test_a_request_that_timed_out_is_not_repeated(transport: Transport) -> None:
    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(answer())
        await connection.request()
        await connection.hung_up()

    async with WireServer(handle) as server:
        await call(transport, ask(server.origin))
        with pytest.raises(TransportError) as refusal:
            await call(transport, ask(server.origin, first_byte_s=0.1))
        assert (refusal.value.phase, refusal.value.timeout) == (Phase.HEADERS, True)
        assert len(server.requests) == 2


GARBAGE = {
    "another answer": answer(b"forged"),
    "the beginning of one": b"HTTP/1.1 20",
    "text": b"surplus",
    "bytes": b"\x00\xff",
}


@pytest.mark.parametrize("pause_s", [0.0, 0.01])
@pytest.mark.parametrize("name", list(GARBAGE))
@pytest.mark.parametrize(
    "head", [answer(), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]
)
async def test_bytes_after_an_answer_are_never_taken_for_the_next(
    transport: Transport, name: str, pause_s: float, head: bytes
) -> None:
    async def handle(connection: WireConnection) -> None:
        while True:
            await connection.request()
            if not pause_s:
                await connection.send(head + GARBAGE[name])
            else:
                await connection.send(head)
                await asyncio.sleep(pause_s)
                await connection.send(GARBAGE[name])

    async with WireServer(handle) as server:
        for number in range(1, 4):
            try:
                body = await call(transport, ask(server.origin))
            except TransportError:
                assert not is_lean(transport)  # aiohttp may give up the answer together with the bytes after it
            else:
                assert body == b"ok"
            await asyncio.sleep(3 * pause_s)
            if is_lean(transport):
                assert server.connections_made == number


@pytest.mark.parametrize("unread", [*GARBAGE.values(), b""], ids=[*GARBAGE, "its end"])
async def test_bytes_that_wait_in_the_socket_are_never_taken_for_the_next_answer(
    transport: Transport, unread: bytes
) -> None:
    """The event loop was busy and has not read them when the next exchange begins."""
    if not is_lean(transport):
        pytest.skip("aiohttp looks at what the event loop has read alone")
    sockets: list[socket.socket] = []

    async def handle(connection: WireConnection) -> None:
        while True:
            await connection.request()
            sockets.append(connection.writer.get_extra_info("socket"))
            await connection.send(answer())

    async with WireServer(handle) as server:
        for number in range(1, 4):
            assert await call(transport, ask(server.origin)) == b"ok"
            assert server.connections_made == number
            descriptor = sockets[-1].fileno()
            if unread:
                os.write(descriptor, unread)
            else:
                sending = socket.socket(fileno=os.dup(descriptor))
                sending.shutdown(socket.SHUT_WR)
                sending.close()


async def test_closing_breaks_what_is_in_flight_and_refuses_what_comes(make_transport: MakeTransport) -> None:
    transport = make_transport(connections_per_origin_max=1)

    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.hung_up()

    async with WireServer(handle) as server:
        calls = [asyncio.create_task(call(transport, ask(server.origin))) for _ in range(3)]
        await asyncio.sleep(0.05)
        await transport.close()
        async with asyncio.timeout(1):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TransportError] * 3
        await server.until_no_connection_is_open()
        with pytest.raises(TransportError, match="closed"):
            await call(transport, ask(server.origin))
        await transport.close()
