"""Thousands of calls of every kind leave no socket, task or memory behind."""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc

import psutil
from tests.support.wire_requests import MakeTransport, ask
from tests.support.wire_server import WireConnection, WireServer, answer, chunked

from onevault.core.transport import HttpRequest, Transport, TransportError

CALLS = 100_000 if os.environ.get("ONEVAULT_TEST_LONG") else 5_000
CALLERS = 20
KEPT_BYTES_MAX = 200_000
"""What a warm transport and server may have grown by; a leak of 100 bytes a call would be 500 kB."""

KINDS = ("whole", "chunked", "close", "truncated", "left", "cancelled", "whole", "chunked")


async def handle(connection: WireConnection) -> None:
    while True:
        request = await connection.request()
        connection.server.requests.clear()
        match request.header("x-kind"):
            case "chunked":
                await connection.send(chunked(b"hello", b"world"))
            case "close":
                await connection.send(answer(headers=("connection: close",)))
                return
            case "truncated":
                await connection.send(answer(b"hello")[:-1])
                return
            case "left" | "cancelled":
                await connection.send(chunked(b"hello", end=b""))
                await connection.hung_up()
                return
            case _:
                await connection.send(answer())


async def call(transport: Transport, request: HttpRequest, kind: str) -> None:
    try:
        async with asyncio.timeout(0.002 if kind == "cancelled" else 10), transport.exchange(request) as reply:
            if kind == "left":
                return
            await reply.read(100)
    except TransportError:
        assert kind in ("truncated", "cancelled")
    except TimeoutError:
        assert kind == "cancelled"


async def run(transport: Transport, requests: dict[str, HttpRequest], calls: int) -> None:
    async def caller(first: int) -> None:
        for number in range(first, calls, CALLERS):
            kind = KINDS[(number // CALLERS) % len(KINDS)]
            await call(transport, requests[kind], kind)

    await asyncio.gather(*(caller(first) for first in range(CALLERS)))


async def test_thousands_of_calls_leave_nothing_behind(make_transport: MakeTransport) -> None:
    transport = make_transport(connections_per_origin_max=CALLERS // 2)
    process = psutil.Process()
    async with WireServer(handle) as server:
        requests = {kind: ask(server.origin, headers=(("x-kind", kind),)) for kind in KINDS}
        await run(transport, requests, CALLS // 5)
        await asyncio.sleep(0.05)
        gc.collect()
        tracemalloc.start()
        try:
            before_bytes, _ = tracemalloc.get_traced_memory()
            await run(transport, requests, CALLS // 5 if CALLS < 10_000 else CALLS)
            await asyncio.sleep(0.05)
            gc.collect()
            grown_bytes = tracemalloc.get_traced_memory()[0] - before_bytes
        finally:
            tracemalloc.stop()
        await run(transport, requests, CALLS - 2 * (CALLS // 5))
        assert grown_bytes < KEPT_BYTES_MAX
        await asyncio.sleep(0.05)
        assert server.connections_open <= CALLERS // 2
        assert len(asyncio.all_tasks()) == 1 + server.connections_open
        await transport.close()
        await server.until_no_connection_is_open()
        assert [
            each for each in process.net_connections("tcp") if each.raddr and each.raddr.port == server.origin.port
        ] == []
