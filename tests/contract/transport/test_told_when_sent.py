"""Whoever pays for a call must know whether its request can have reached the server."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.wire_requests import ask
from tests.support.wire_server import WireConnection, WireServer, answer

from onevault.core.transport import Origin, Transport, TransportError


async def _answering(connection: WireConnection) -> None:
    while True:
        await connection.request()
        await connection.send(answer(b"hello"))


async def test_an_exchange_tells_once_that_its_request_goes_out(transport: Transport) -> None:
    async with WireServer(_answering) as server:
        for _ in range(3):  # on a new connection, and on a kept one
            told: list[int] = []
            async with transport.exchange(ask(server.origin, on_sent=lambda told=told: told.append(1))) as reply:
                assert told == [1]
                await reply.read(100)
            assert told == [1]


async def test_a_server_that_cannot_be_connected_to_was_not_sent_anything(transport: Transport) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    told: list[int] = []
    with pytest.raises(TransportError):
        async with transport.exchange(ask(Origin("http", "127.0.0.1", port), on_sent=lambda: told.append(1))):
            pass
    assert told == []
