"""Serves raw bytes to HTTP clients, as badly as a test wants, and remembers what they sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from onevault.core.transport import Origin

HEAD_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as it came: header names as they were spelled, in their order."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class WireConnection:
    """The server's end of one connection."""

    def __init__(self, server: WireServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.peer_certificate = writer.get_extra_info("peercert")

    async def request(self) -> WireRequest:
        """The next request, whole. Raises EOFError when the client has hung up."""
        method, target, headers = await self.request_head()
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        request = WireRequest(method, target, headers, await self.reader.readexactly(length))
        self.server.requests.append(request)
        return request

    async def request_head(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """The next request's line and headers; its body is left in the socket."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(": ") for line in lines)
        return method, target, tuple((name, value) for name, _, value in pairs)

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError when the client has hung up, on every event loop."""
        self._check_open()
        self.writer.write(data)
        await self.writer.drain()

    async def hung_up(self) -> None:
        """Returns when the client has closed or reset the connection; what it still sends is thrown away."""
        try:
            while await self.reader.read(65_536):
                pass
        except (OSError, ssl.SSLError):
            pass

    def close(self) -> None:
        self.writer.close()

    def half_close(self) -> None:
        """Sends FIN and goes on reading (not for TLS)."""
        self._check_open()
        self.writer.write_eof()

    def reset(self) -> None:
        """Sends RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _check_open(self) -> None:
        if self.writer.transport.is_closing():
            raise ConnectionResetError("the client has hung up")


Handler = Callable[[WireConnection], Awaitable[None]]


class WireServer:
    """A server on a free port that gives every connection to `handler`, and closes it when that returns."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None, receive_buffer_bytes: int = 0) -> None:
        self.requests: list[WireRequest] = []
        self.connections_made = 0
        self.errors: list[BaseException] = []
        self._handler = handler
        self._tls = tls
        self._receive_buffer_bytes = receive_buffer_bytes
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    @property
    def origin(self) -> Origin:
        port = self._server.sockets[0].getsockname()[1]
        return Origin("https" if self._tls else "http", "127.0.0.1", port)

    @property
    def connections_open(self) -> int:
        return len(self._tasks)

    async def until_no_connection_is_open(self, *, within_s: float = 1.0) -> None:
        async with asyncio.timeout(within_s):
            while self._tasks:
                await asyncio.wait(self._tasks)
                await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_buffer_bytes:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        listening.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(
            self._accept, sock=listening, ssl=self._tls, limit=HEAD_BYTES_MAX, backlog=1024
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for _ in range(3):
            await asyncio.sleep(0)
        if kind is None and self.errors:
            raise self.errors[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_made += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._handler(WireConnection(self, reader, writer))
        except (EOFError, OSError, ssl.SSLError, asyncio.CancelledError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close() if not writer.is_closing() else None
            if self._tls is not None:
                writer.transport.abort()


def answering(*answers: bytes) -> Handler:
    """Answers the requests of each connection with these bytes, one after the other, the last one for ever."""

    async def handle(connection: WireConnection) -> None:
        turn = 0
        while True:
            await connection.request()
            await connection.send(answers[min(turn, len(answers) - 1)])
            turn += 1

    return handle


def answer(body: bytes = b"ok", *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> bytes:
    """An ordinary answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A chunked answer, head and all; `end` may be cut off."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body + end
