"""What every answer that keeps to HTTP/1.1 must come to, however its end is told."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from tests.support.wire_requests import ask
from tests.support.wire_server import WireConnection, WireServer, answer, answering, chunked

from onevault.core.transport import HttpAnswer, Transport

BODY_BYTES_MAX = 1 << 20


async def test_a_request_arrives_as_it_was_written(transport: Transport) -> None:
    async with WireServer(answering(answer())) as server:
        headers = (("authorization", "Bearer k-1"), ("x-odd", "a:b; c=~"), ("x-empty", ""))
        path = "/v1/%7Bx%7D/..;a/b%2Fc?q=%20&q=a+b&r={}|"
        async with transport.exchange(ask(server.origin, path=path, headers=headers)) as reply:
            assert (reply.status, await reply.read(10)) == (200, b"ok")
        (request,) = server.requests
        assert (request.method, request.target, request.body) == ("POST", path, b'{"a": 1}')
        own = {"host": f"127.0.0.1:{server.origin.port}", "content-length": "8"}
        assert {name.lower(): value for name, value in request.headers} == dict(headers) | own
        assert len(request.headers) == len(headers) + 2


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", b"", None), ("POST", b"", "0"), ("PUT", b"x", "1"), ("PATCH", b"", "0"), ("DELETE", b"x", "1")],
)
async def test_the_length_is_told_where_a_body_is_or_could_be(
    transport: Transport, method: str, body: bytes, length: str | None
) -> None:
    async with WireServer(answering(answer())) as server:
        async with transport.exchange(ask(server.origin, method=method, body=body)) as reply:
            await reply.read(10)
        assert server.requests[0].header("content-length") == length
        assert server.requests[0].header("transfer-encoding") is None


ANSWERS = {
    "a length": (answer(b"hello"), 200, b"hello", True),
    "a length of nothing": (answer(b""), 200, b"", True),
    "chunks": (chunked(b"hel", b"lo"), 200, b"hello", True),
    "chunks and trailers": (chunked(b"hello", end=b"0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n"), 200, b"hello", None),
    "chunks with extensions": (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b;c="d"\r\nhello\r\n0\r\n\r\n',
        200,
        b"hello",
        True,
    ),
    "the connection's end": (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello", False),
    "the connection's end in HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello", False),
    "a length in HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", False),
    "a kept HTTP/1.0 connection": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello",
        200,
        b"hello",
        True,
    ),
    "a length and close": (answer(b"hello", headers=("Connection: close",)), 200, b"hello", False),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", 304, b"", True),
    "an early hint and a continue before it": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + answer(b"hello"),
        200,
        b"hello",
        True,
    ),
    "no reason phrase": (b"HTTP/1.1 503 \r\ncontent-length: 5\r\n\r\nhello", 503, b"hello", True),
    "a redirect that nobody follows": (
        answer(b"hello", status="307 Temporary Redirect", headers=("location: http://127.0.0.1:1/",)),
        307,
        b"hello",
        True,
    ),
}


@pytest.mark.parametrize("slice_bytes", [1, 7, 65_536])
@pytest.mark.parametrize("name", list(ANSWERS))
async def test_an_answer_is_understood_by_its_framing_however_it_is_sliced(
    transport: Transport, name: str, slice_bytes: int
) -> None:
    raw, status, body, kept = ANSWERS[name]

    async def handle(connection: WireConnection) -> None:
        while True:
            await connection.request()
            for start in range(0, len(raw), slice_bytes):
                await connection.send(raw[start : start + slice_bytes])
                if slice_bytes < 65_536:
                    await asyncio.sleep(0)
            if kept is False and b"lose" not in raw:
                return

    async with WireServer(handle) as server:
        for read in (_read, _iterate, _read):
            async with transport.exchange(ask(server.origin)) as reply:
                assert reply.status == status
                assert "link" not in reply.headers
                assert await read(reply) == body
        if kept is not None:
            assert server.connections_made == (1 if kept else 3)


async def _read(reply: HttpAnswer) -> bytes:
    return await reply.read(BODY_BYTES_MAX)


async def _iterate(reply: HttpAnswer) -> bytes:
    return b"".join([part async for part in reply])


async def test_the_answer_to_a_head_request_has_no_body_whatever_it_says(transport: Transport) -> None:
    raw = (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for head in raw:
        async with WireServer(answering(head)) as server:
            for _ in range(2):
                async with transport.exchange(ask(server.origin, method="HEAD", body=b"")) as reply:
                    assert (reply.status, await reply.read(10)) == (200, b"")


async def test_repeated_headers_are_joined_and_names_are_lower_case(transport: Transport) -> None:
    headers = ("X-Request-ID: r-1", "Set-Cookie: a=1", "set-cookie: b=2", "X-Blank:", "x-latin: caf\xe9")
    handler = answering(answer(headers=headers).replace(b"\xc3\xa9", b"\xe9"))
    async with WireServer(handler) as server, transport.exchange(ask(server.origin)) as reply:
        await reply.read(10)
    assert reply.headers == {
        "content-length": "2",
        "x-request-id": "r-1",
        "set-cookie": "a=1, b=2",
        "x-blank": "",
        "x-latin": "caf\xe9",
    }


async def test_content_codings_are_neither_asked_for_nor_undone(transport: Transport) -> None:
    async with WireServer(answering(answer(b"\x1f\x8b not really", headers=("content-encoding: gzip",)))) as server:
        async with transport.exchange(ask(server.origin)) as reply:
            assert await reply.read(100) == b"\x1f\x8b not really"
        assert server.requests[0].header("accept-encoding") is None


@pytest.mark.parametrize("size_bytes", [70_000, 3_000_000])
async def test_large_bodies_go_both_ways(transport: Transport, tls: ssl.SSLContext | None, size_bytes: int) -> None:
    body = bytes(range(256)) * (size_bytes // 256)

    async def echo(connection: WireConnection) -> None:
        while True:
            request = await connection.request()
            await connection.send(answer(request.body))

    async with WireServer(echo, tls=tls) as server:
        for _ in range(2):
            async with transport.exchange(ask(server.origin, body=body)) as reply:
                assert await reply.read(len(body)) == body
        assert server.connections_made == 1


async def test_parts_of_a_stream_come_as_they_arrive(transport: Transport, tls: ssl.SSLContext | None) -> None:
    step = asyncio.Semaphore(0)

    async def handle(connection: WireConnection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(5):
            await connection.send(b"2\r\n%d.\r\n" % number)
            await step.acquire()
        await connection.send(b"0\r\n\r\n")
        await connection.hung_up()

    seen = []
    async with WireServer(handle, tls=tls) as server:
        async with asyncio.timeout(5), transport.exchange(ask(server.origin)) as reply:
            async for part in reply:
                seen.append(part)
                step.release()
        await transport.close()
    assert seen == [b"0.", b"1.", b"2.", b"3.", b"4."]


async def test_what_has_arrived_meanwhile_comes_in_one_part(transport: Transport) -> None:
    async with (
        WireServer(answering(chunked(*[b"event"] * 100))) as server,
        transport.exchange(ask(server.origin)) as reply,
    ):
        await asyncio.sleep(0.05)
        parts = [part async for part in reply]
    assert b"".join(parts) == b"event" * 100
    assert len(parts) <= 3


async def test_an_answer_is_read_inside_of_its_exchange(transport: Transport) -> None:
    async with WireServer(answering(answer())) as server:
        async with transport.exchange(ask(server.origin)) as reply:
            pass
        with pytest.raises(RuntimeError, match="inside of its exchange"):
            await reply.read(10)
