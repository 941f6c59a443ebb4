"""Answers that end early, never end, grow without bounds or are no HTTP: always an error, never a shorter answer."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from tests.support.wire_requests import MakeTransport, ask
from tests.support.wire_server import Handler, WireConnection, WireServer, answer, chunked

from onevault.core.transport import HttpAnswer, Phase, Transport, TransportError
from onevault.upstream.http1 import LeanTransport

BODY_BYTES_MAX = 1 << 26


def ending(sent: bytes, how: str) -> Handler:
    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(sent)
        await asyncio.sleep(0.01)
        if how == "reset":
            connection.reset()
        elif how == "half-close":
            connection.half_close()
            await connection.hung_up()

    return handle


async def read(reply: HttpAnswer, reading: str) -> bytes:
    if reading == "whole":
        return await reply.read(BODY_BYTES_MAX)
    return b"".join([part async for part in reply])


TRUNCATED = {
    "nothing": (b"", Phase.HEADERS),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent-le", Phase.HEADERS),
    "only a continue": (b"HTTP/1.1 100 Continue\r\n\r\n", Phase.HEADERS),
    "a length and nothing": (answer(b"hello")[:-5], Phase.BODY),
    "short of its length": (answer(b"hello")[:-1], Phase.BODY),
    "chunked and nothing": (chunked(end=b""), Phase.BODY),
    "inside a chunk's length": (chunked(b"hello", end=b"1"), Phase.BODY),
    "inside a chunk": (chunked(b"hello", end=b"5\r\nwor"), Phase.BODY),
    "after a chunk": (chunked(b"hello", end=b""), Phase.BODY),
    "inside the last chunk": (chunked(b"hello", end=b"0\r\n"), Phase.BODY),
    "inside the trailers": (chunked(b"hello", end=b"0\r\nx-sum: 1\r\n"), Phase.BODY),
}


@pytest.mark.parametrize("reading", ["whole", "parts"])
@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
@pytest.mark.parametrize("name", list(TRUNCATED))
async def test_an_answer_cut_short_is_an_error(transport: Transport, name: str, how: str, reading: str) -> None:
    sent, phase = TRUNCATED[name]
    async with WireServer(ending(sent, how)) as server:
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(server.origin)) as reply:
                await read(reply, reading)
        assert (failure.value.phase, failure.value.timeout) == (phase, False)
        assert len(server.requests) == 1
        await server.until_no_connection_is_open()


async def test_an_answer_cut_short_is_an_error_over_tls(transport: Transport, tls: ssl.SSLContext | None) -> None:
    for sent in (answer(b"hello")[:-1], chunked(b"hello", end=b"")):
        async with WireServer(ending(sent, "close"), tls=tls) as server:
            with pytest.raises(TransportError):
                async with transport.exchange(ask(server.origin)) as reply:
                    await reply.read(100)


async def test_a_reset_inside_a_body_that_ends_with_the_connection_is_an_error(transport: Transport) -> None:
    async with WireServer(ending(b"HTTP/1.1 200 OK\r\n\r\nhello", "reset")) as server:
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(server.origin)) as reply:
                await reply.read(100)
        assert failure.value.phase is Phase.BODY


async def test_what_came_before_the_break_is_handed_out_first(transport: Transport) -> None:
    seen = b""
    async with WireServer(ending(chunked(b"hello", end=b""), "close")) as server:
        with pytest.raises(TransportError):
            async with transport.exchange(ask(server.origin)) as reply:
                async for part in reply:
                    seen += part
    assert seen == b"hello"


NOT_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "HTTP/0.9": b"<html>hello</html>",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "a length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
    "a length in words": b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello",
    "a huge length": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nhello",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nx-what\r\ncontent-length: 5\r\n\r\nhello",
    "a blank in a header's name": b"HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\nhello",
    "NUL in a header's value": b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 5\r\n\r\nhello",
    "a coding that was not asked for": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a chunk's length in words": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n",
    "a huge chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n",
    "a chunk longer than it says": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", list(NOT_HTTP))
async def test_an_answer_that_is_not_http_is_an_error(transport: Transport, name: str) -> None:
    if not isinstance(transport, LeanTransport) and name == "a blank in a header's name":
        pytest.skip("aiohttp's parser is set to forgive it")
    async with WireServer(ending(NOT_HTTP[name], "half-close")) as server:
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(server.origin)) as reply:
                await reply.read(100)
        assert not failure.value.timeout
        assert len(server.requests) == 1
        await server.until_no_connection_is_open()


LONG_HEADS = {
    "one long header": b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
    "a header without an end": b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 1_000_000,
    "a header's name without an end": b"HTTP/1.1 200 OK\r\n" + b"x" * 1_000_000,
    "a reason without an end": b"HTTP/1.1 200 " + b"O" * 1_000_000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"content-length: 0\r\n\r\n",
    "headers without an end": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
}


@pytest.mark.parametrize("name", list(LONG_HEADS))
async def test_a_head_has_a_bounded_length_and_number_of_headers(transport: Transport, name: str) -> None:
    async with WireServer(ending(LONG_HEADS[name], "half-close")) as server:
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(server.origin)) as reply:
                await reply.read(100)
        assert (failure.value.phase, failure.value.timeout) == (Phase.HEADERS, False)
        await server.until_no_connection_is_open()


ENDLESS = {
    "informational answers": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a chunk's extension": (chunked(end=b"5;"), b"x" * 1000),
    "trailers": (chunked(end=b"0\r\n"), b"x: y\r\n" * 100),
    "chunks of one byte with long extensions": (chunked(end=b""), b"1;" + b"x" * 100 + b"\r\ny\r\n"),
}


@pytest.mark.parametrize("name", list(ENDLESS))
async def test_what_carries_no_content_is_bounded(transport: Transport, name: str) -> None:
    if not isinstance(transport, LeanTransport) and name != "trailers":
        pytest.skip("aiohttp bounds these by time alone")
    first, again = ENDLESS[name]

    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(first)
        while True:
            await connection.send(again)
            await asyncio.sleep(0)

    async with WireServer(handle) as server:
        with pytest.raises(TransportError) as failure:
            async with asyncio.timeout(3), transport.exchange(ask(server.origin)) as reply:
                async for _ in reply:
                    pass
        assert not failure.value.timeout
        await server.until_no_connection_is_open()


@pytest.mark.parametrize(
    "raw", [answer(b"x" * 1001), chunked(b"x" * 500, b"x" * 501), b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001]
)
async def test_a_body_longer_than_asked_for_is_an_error_and_not_read_further(transport: Transport, raw: bytes) -> None:
    async with WireServer(ending(raw, "half-close")) as server:
        with pytest.raises(TransportError, match="longer than 1000 bytes") as failure:
            async with transport.exchange(ask(server.origin)) as reply:
                await reply.read(1000)
        assert (failure.value.phase, failure.value.timeout) == (Phase.BODY, False)
        await server.until_no_connection_is_open()


async def test_an_endless_body_is_stopped_by_the_limit_of_its_reader(transport: Transport) -> None:
    async def endless(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(chunked(end=b""))
        while True:
            await connection.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")

    async with WireServer(endless) as server:
        with pytest.raises(TransportError, match="longer than 3000000 bytes"):
            async with transport.exchange(ask(server.origin)) as reply:
                await reply.read(3_000_000)
        await server.until_no_connection_is_open()


async def test_a_slow_reader_holds_the_server_back(make_transport: MakeTransport, tls: ssl.SSLContext | None) -> None:
    transport = make_transport(read_buffer_bytes_max=65_536)
    sent_bytes = 0

    async def endless(connection: WireConnection) -> None:
        nonlocal sent_bytes
        await connection.request()
        await connection.send(chunked(end=b""))
        while True:
            await connection.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            sent_bytes += 10_000

    async with WireServer(endless, tls=tls) as server, transport.exchange(ask(server.origin)) as reply:
        seen_bytes = 0
        async for part in reply:
            seen_bytes += len(part)
            break
        previous = -1
        async with asyncio.timeout(5):
            while sent_bytes != previous:  # until the kernel's buffers are full
                previous = sent_bytes
                await asyncio.sleep(0.1)
        stopped_at = sent_bytes
        while seen_bytes < stopped_at:
            async for part in reply:
                seen_bytes += len(part)
                break
        await asyncio.sleep(0.05)
        assert sent_bytes > stopped_at


@pytest.mark.parametrize("closes", [False, True])
async def test_an_answer_that_comes_while_the_request_is_sent_ends_the_sending(
    transport: Transport, tls: ssl.SSLContext | None, closes: bool
) -> None:
    refusal = answer(b"too large", status="413 Content Too Large")
    received_bytes = 0

    async def refusing(connection: WireConnection) -> None:
        nonlocal received_bytes
        await connection.request_head()
        await connection.send(refusal)
        await asyncio.sleep(0.05)
        if closes:
            return
        try:
            while data := await connection.reader.read(65_536):
                received_bytes += len(data)
        except (OSError, ssl.SSLError):
            pass

    body = b"x" * (48 << 20)
    async with WireServer(refusing, tls=tls, receive_buffer_bytes=65_536) as server:
        for number in (1, 2):
            received_bytes = 0
            async with transport.exchange(ask(server.origin, body=body)) as reply:
                assert (reply.status, await reply.read(100)) == (413, b"too large")
            await server.until_no_connection_is_open()
            assert received_bytes < len(body)
            assert server.connections_made == number
