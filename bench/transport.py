"""Measures what the two transports cost in CPU time against the bare event loop, in one run and against one server.

`python -m bench.transport` prints a table. The server is a process of its own, so that only the client is counted; the
subjects take turns, so that a change of the machine's mood meets all of them. Ratios count, absolute times do not.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from statistics import median

import uvloop

from onevault.core.transport import HttpRequest, Origin, Transport
from onevault.upstream.aiohttp_transport import AiohttpTransport
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings

ROUNDS = 7
CALLERS = 16
WHOLE_CALLS = 4_000
STREAMS = 32
CHUNKS_PER_STREAM = 100
CHUNK_PAUSE_S = 0.002

REQUEST_BODY = b'{"model": "m", "messages": [{"role": "user", "content": "' + b"word " * 60 + b'"}]}'
ANSWER_BODY = (
    b'{"id": "chatcmpl-1", "choices": [{"message": {"role": "assistant", "content": "' + b"word " * 80 + b'"}}]}'
)
CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
)
HEADERS = (
    ("authorization", "Bearer sk-" + "x" * 48),
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("user-agent", "gateway"),
    ("x-request-id", "0123456789abcdef0123456789abcdef"),
)
ANSWER_HEADERS = b"".join(b"x-header-%d: some value of a usual length\r\n" % number for number in range(8))


class _Server(asyncio.Protocol):
    """Answers any request by its path: `/stream` in chunks with pauses, all else whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._whole = (
            b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n" % (ANSWER_HEADERS, len(ANSWER_BODY)) + ANSWER_BODY
        )

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"POST /stream"):
            self._transport.write(self._whole)
            return
        self._transport.write(b"HTTP/1.1 200 OK\r\n%btransfer-encoding: chunked\r\n\r\n" % ANSWER_HEADERS)
        self._next(CHUNKS_PER_STREAM)

    def _next(self, left: int) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK) if left else b"0\r\n\r\n")
        if left:
            asyncio.get_running_loop().call_later(CHUNK_PAUSE_S, self._next, left - 1)


def _serve(ready: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0, backlog=1024)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


class _Bare(asyncio.Protocol):
    """The floor: fixed bytes out, bytes counted in, one future for each answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.waiter: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self.waiter is not None:
            self.waiter.set_result(None)
            self.waiter = None


async def bare_whole(origin: Origin, calls: int) -> None:
    loop = asyncio.get_running_loop()
    head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(REQUEST_BODY) + REQUEST_BODY

    async def caller() -> None:
        _, protocol = await loop.create_connection(_Bare, origin.host, origin.port)
        for _ in range(calls // CALLERS):
            protocol.waiter = loop.create_future()
            protocol.transport.write(head)
            await protocol.waiter
        protocol.transport.abort()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


def request(origin: Origin, path: str) -> HttpRequest:
    return HttpRequest("POST", origin, path, HEADERS, REQUEST_BODY, 5.0, 60.0, 60.0, 600.0)


async def whole(transport: Transport, origin: Origin, calls: int) -> None:
    async def caller() -> None:
        for _ in range(calls // CALLERS):
            async with transport.exchange(request(origin, "/v1/chat/completions")) as answer:
                await answer.read(1 << 20)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def stream(transport: Transport, origin: Origin) -> int:
    """Reads the streams; the number of parts they came in."""

    async def reader() -> int:
        async with transport.exchange(request(origin, "/stream")) as answer:
            return sum([1 async for _ in answer])

    return sum(await asyncio.gather(*(reader() for _ in range(STREAMS))))


async def cpu_us(work: Callable[[], Awaitable[object]], units: int) -> float:
    """CPU time of this process for one of `units`."""
    started = time.process_time()
    await work()
    return (time.process_time() - started) / units * 1e6


async def measure(origin: Origin) -> None:
    transports: dict[str, Transport] = {
        "lean": LeanTransport(TransportSettings()),
        "aiohttp": AiohttpTransport(TransportSettings()),
    }
    wholes: dict[str, list[float]] = {"bare loop": [], "lean": [], "aiohttp": []}
    streams: dict[str, list[float]] = {"lean": [], "aiohttp": []}
    parts: dict[str, int] = {}
    for transport in transports.values():
        await whole(transport, origin, CALLERS * 10)
    for _ in range(ROUNDS):
        wholes["bare loop"].append(await cpu_us(lambda: bare_whole(origin, WHOLE_CALLS), WHOLE_CALLS))
        for name, transport in transports.items():
            wholes[name].append(await cpu_us(lambda used=transport: whole(used, origin, WHOLE_CALLS), WHOLE_CALLS))
            chunks = STREAMS * CHUNKS_PER_STREAM
            started = time.process_time()
            parts[name] = await stream(transport, origin)
            streams[name].append((time.process_time() - started) / chunks * 1e6)
    for transport in transports.values():
        await transport.close()
    report(wholes, streams, parts)


def report(wholes: dict[str, list[float]], streams: dict[str, list[float]], parts: dict[str, int]) -> None:
    floor = median(wholes["bare loop"])
    print(f"{'':12} {'whole, µs':>10} {'above bare':>10} {'chunk, µs':>10} {'chunks/part':>11}")
    for name, times in wholes.items():
        row = f"{name:12} {median(times):10.1f} {median(times) - floor:10.1f}"
        if name in streams:
            row += f" {median(streams[name]):10.1f} {STREAMS * CHUNKS_PER_STREAM / parts[name]:11.2f}"
        print(row)
    by_call = median(wholes["aiohttp"]) / median(wholes["lean"])
    by_chunk = median(streams["aiohttp"]) / median(streams["lean"])
    print(f"aiohttp / lean: {by_call:.1f} for a whole exchange, {by_chunk:.1f} for a streamed chunk")


def main() -> None:
    """Starts the server, measures, prints, and stops the server."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        if not here.poll(20):
            raise SystemExit("the server did not start within 20 s")
        uvloop.run(measure(Origin("http", "127.0.0.1", here.recv())))
    finally:
        server.terminate()
        server.join(5)


if __name__ == "__main__":
    main()
