"""Stands between a client and a server and spoils the bytes: delays, slices, resets, goes silent or cuts them off."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

READ_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What happens to one direction of each connection. Counts are of bytes passed in that direction on that connection.

    `latency_s` delays every piece, `slice_bytes` passes no more than so many at a time, `pause_s` rests between slices.
    After `reset_after_bytes` both sides get RST; after `silent_after_bytes` nothing more is passed but nothing is closed
    (a half-open connection, as behind a dead router); after `cut_after_bytes` both sides get an orderly end (truncation).
    """

    latency_s: float = 0.0
    slice_bytes: int = READ_BYTES
    pause_s: float = 0.0
    reset_after_bytes: int | None = None
    silent_after_bytes: int | None = None
    cut_after_bytes: int | None = None

    def ends_after(self) -> int | None:
        ends = (self.reset_after_bytes, self.silent_after_bytes, self.cut_after_bytes)
        return min((end for end in ends if end is not None), default=None)


NO_FAULTS = Faults()


class FaultProxy:
    """A TCP proxy on a free port of 127.0.0.1. `up` holds for what the client sends, `down` for what the server sends;
    both may be set anew at any time and hold from the next piece on."""

    def __init__(self, host: str, port: int, *, up: Faults = NO_FAULTS, down: Faults = NO_FAULTS) -> None:
        self.up = up
        self.down = down
        self.connections_made = 0
        self._target = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections_open(self) -> int:
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
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

    def refuse(self) -> None:
        """Lets nobody in any more; connections that there are stay."""
        self._refused_at = self.port
        self._server.close()

    async def accept_again(self) -> None:
        """After `refuse`, on the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._refused_at, backlog=1024)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_made += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(to_client)
            return
        loop = asyncio.get_running_loop()
        up = loop.create_task(self._pass(client, to_server, "up"))
        down = loop.create_task(self._pass(server, to_client, "down"))
        try:
            done, _ = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if any(task.result() for task in done):
                _reset(to_client)
                _reset(to_server)
        finally:
            up.cancel()
            down.cancel()
            await asyncio.wait((up, down))
            to_client.close()
            to_server.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> bool:
        """Passes bytes until their end; True where the connection is to be reset."""
        passed = 0
        try:
            while data := await source.read(READ_BYTES):
                faults: Faults = getattr(self, direction)
                await asyncio.sleep(faults.latency_s)
                while data:
                    ends_after = faults.ends_after()
                    take = min(faults.slice_bytes, len(data))
                    if ends_after is not None:
                        take = min(take, ends_after - passed)
                    if take > 0:
                        sink.write(data[:take])
                        await sink.drain()
                        data = data[take:]
                        passed += take
                    if ends_after is not None and passed >= ends_after:
                        if ends_after == faults.silent_after_bytes:
                            await asyncio.Event().wait()
                        return ends_after == faults.reset_after_bytes
                    await asyncio.sleep(faults.pause_s)
        except ConnectionError:
            return True
        return False


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    if raw.fileno() < 0:
        return  # it is closed already
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
