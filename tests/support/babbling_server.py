"""A provider that answers every request with bytes of the test's own choosing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@asynccontextmanager
async def babbling_server(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """Its port on 127.0.0.1. `answer` is given a request's body and gives all bytes that are sent; then the connection closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            writer.write(answer(body))
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the gateway has heard enough
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
