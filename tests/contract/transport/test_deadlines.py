"""Each of the four timeouts ends what it is meant for, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from tests.support.wire_requests import ask
from tests.support.wire_server import Handler, WireConnection, WireServer

from onevault.core.transport import Origin, Phase, Transport, TransportError

SHORT_S = 0.15
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"


def saying(*parts: bytes, every_s: float = 0.0) -> Handler:
    """Sends these parts after the request, then nothing more."""

    async def handle(connection: WireConnection) -> None:
        await connection.request()
        for part in parts:
            await connection.send(part)
            await asyncio.sleep(every_s)
        await connection.hung_up()

    return handle


SLOW: dict[str, tuple[Handler, dict[str, Any], Phase]] = {
    "no answer": (saying(), {"first_byte_s": SHORT_S}, Phase.HEADERS),
    "half a head": (saying(b"HTTP/1.1 200 OK\r\ncontent-"), {"first_byte_s": SHORT_S}, Phase.HEADERS),
    "a head byte by byte": (
        saying(*[HEAD[at : at + 1] for at in range(len(HEAD))], every_s=0.05),
        {"first_byte_s": SHORT_S},
        Phase.HEADERS,
    ),
    "informational answers only": (
        saying(*[b"HTTP/1.1 102 Processing\r\n\r\n"] * 6, every_s=0.05),
        {"first_byte_s": SHORT_S},
        Phase.HEADERS,
    ),
    "a head without a body": (saying(HEAD), {"first_byte_s": SHORT_S}, Phase.BODY),
    "a body that stops": (saying(HEAD + b"hello"), {"stall_s": SHORT_S}, Phase.BODY),
    "a body that drips": (saying(HEAD, *[b"x"] * 9, every_s=0.05), {"total_s": 2 * SHORT_S}, Phase.BODY),
    "no answer in all": (saying(), {"total_s": SHORT_S}, Phase.HEADERS),
}


@pytest.mark.parametrize("reading", ["whole", "parts"])
@pytest.mark.parametrize("name", list(SLOW))
async def test_a_slow_answer_ends_with_its_timeout_and_the_server_sees_it(
    transport: Transport, name: str, reading: str
) -> None:
    handler, timeouts, phase = SLOW[name]
    async with WireServer(handler) as server:
        started = time.monotonic()
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(server.origin, **timeouts)) as reply:
                if reading == "whole":
                    await reply.read(100)
                else:
                    async for _ in reply:
                        pass
        elapsed_s = time.monotonic() - started
        assert (failure.value.phase, failure.value.timeout) == (phase, True)
        assert min(timeouts.values()) - 0.02 < elapsed_s < min(timeouts.values()) + 0.5
        await server.until_no_connection_is_open(within_s=0.5)


@pytest.mark.parametrize("reading", ["whole", "parts"])
async def test_a_steady_body_may_take_longer_than_the_stall_and_first_byte_timeouts(
    transport: Transport, reading: str
) -> None:
    async with (
        WireServer(saying(HEAD, *[b"x"] * 10, every_s=0.04)) as server,
        transport.exchange(ask(server.origin, stall_s=SHORT_S, first_byte_s=SHORT_S)) as reply,
    ):
        body = await reply.read(100) if reading == "whole" else b"".join([part async for part in reply])
        assert body == b"x" * 10


async def test_a_slow_reader_is_not_a_stalled_server(transport: Transport) -> None:
    async with WireServer(saying(HEAD + b"hello", b"world", every_s=0.01)) as server:
        seen = b""
        async with transport.exchange(ask(server.origin, stall_s=SHORT_S)) as reply:
            async for part in reply:
                seen += part
                await asyncio.sleep(2 * SHORT_S)
        assert seen == b"helloworld"


async def test_the_total_timeout_ends_an_exchange_that_nobody_reads(transport: Transport) -> None:
    async with WireServer(saying(HEAD + b"hello")) as server:
        async with transport.exchange(ask(server.origin, total_s=SHORT_S)) as reply:
            await server.until_no_connection_is_open(within_s=1)
            with pytest.raises(TransportError) as failure:
                await reply.read(100)
                await reply.read(100)
        assert (failure.value.phase, failure.value.timeout) == (Phase.BODY, True)


async def test_a_timeout_of_one_call_says_nothing_of_the_next_on_its_connection(transport: Transport) -> None:
    async def handle(connection: WireConnection) -> None:
        for pause_s in (0.0, 0.25, 0.0):
            await connection.request()
            await asyncio.sleep(pause_s)
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await connection.hung_up()

    async with WireServer(handle) as server:
        for timeouts in ({"first_byte_s": 0.2, "total_s": 0.2}, {}, {"first_byte_s": 0.2}):
            async with transport.exchange(ask(server.origin, **timeouts)) as reply:
                assert await reply.read(10) == b"ok"
        assert server.connections_made == 1


@pytest.mark.parametrize("timeouts", [{"connect_s": SHORT_S}, {"total_s": SHORT_S}])
async def test_a_tls_handshake_that_nobody_answers_ends_with_the_connect_timeout(
    transport: Transport, timeouts: dict[str, float]
) -> None:
    async def silent(connection: WireConnection) -> None:
        await connection.hung_up()

    async with WireServer(silent) as server:
        started = time.monotonic()
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(Origin("https", "127.0.0.1", server.origin.port), **timeouts)):
                pass
        assert (failure.value.phase, failure.value.timeout) == (Phase.CONNECT, True)
        assert time.monotonic() - started < SHORT_S + 0.5
        await server.until_no_connection_is_open(within_s=0.5)


async def test_a_server_that_accepts_nothing_ends_with_the_connect_timeout(transport: Transport) -> None:
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):  # the line of connections to be accepted is full after these
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        await asyncio.sleep(0.01)
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(Origin("http", *listening.getsockname()), connect_s=SHORT_S)):
                pass
        assert (failure.value.phase, failure.value.timeout) == (Phase.CONNECT, True)


async def test_a_server_that_does_not_take_the_request_ends_with_the_stall_timeout(transport: Transport) -> None:
    async def deaf(connection: WireConnection) -> None:
        connection.writer.transport.pause_reading()
        await asyncio.sleep(0.6)

    async with WireServer(deaf, receive_buffer_bytes=4096) as server:
        started = time.monotonic()
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(server.origin, body=b"x" * (16 << 20), stall_s=SHORT_S)):
                pass
        assert (failure.value.phase, failure.value.timeout) == (Phase.SEND, True)
        assert time.monotonic() - started < 0.55


async def test_a_server_that_takes_the_request_slowly_but_steadily_is_waited_for(transport: Transport) -> None:
    async def slow(connection: WireConnection) -> None:
        await connection.request_head()
        left = 6 << 20
        while left:
            left -= len(await connection.reader.read(left))
            await asyncio.sleep(0.005)
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await connection.hung_up()

    async with WireServer(slow, receive_buffer_bytes=65_536) as server:
        body = b"x" * (6 << 20)
        async with transport.exchange(ask(server.origin, body=body, stall_s=0.3, first_byte_s=0.5)) as reply:
            assert await reply.read(10) == b"ok"


async def test_nobody_listening_fails_at_once_and_is_no_timeout(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(Origin("http", *unused.getsockname()))):
                pass
    assert (failure.value.phase, failure.value.timeout) == (Phase.CONNECT, False)


async def test_a_name_without_an_address_fails_in_connecting(transport: Transport) -> None:
    with pytest.raises(TransportError) as failure:
        async with transport.exchange(ask(Origin("http", "no-such-host.invalid", 80), connect_s=3.0)):
            pass
    assert failure.value.phase is Phase.CONNECT
