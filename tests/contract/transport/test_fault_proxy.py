"""The fault proxy does what it says, and the transports behind it stay right."""

from __future__ import annotations

import time

import pytest
from tests.support.wire_fault_proxy import FaultProxy, Faults
from tests.support.wire_requests import ask
from tests.support.wire_server import WireServer, answer, answering, chunked

from onevault.core.transport import Origin, Transport, TransportError

BODY = bytes(range(256)) * 40


async def call(transport: Transport, origin: Origin, **changes: float) -> bytes:
    async with transport.exchange(ask(origin, **changes)) as reply:
        return await reply.read(100_000)


@pytest.mark.parametrize("raw", [answer(BODY), chunked(*[BODY[at : at + 100] for at in range(0, len(BODY), 100)])])
@pytest.mark.parametrize("faults", [Faults(), Faults(slice_bytes=7), Faults(latency_s=0.05), Faults(slice_bytes=4000)])
async def test_delays_and_slices_change_no_byte(transport: Transport, raw: bytes, faults: Faults) -> None:
    async with (
        WireServer(answering(raw)) as server,
        FaultProxy("127.0.0.1", server.origin.port, up=faults, down=faults) as proxy,
    ):
        for _ in range(2):
            started = time.monotonic()
            assert await call(transport, Origin("http", "127.0.0.1", proxy.port)) == BODY
            assert time.monotonic() - started > 1.9 * faults.latency_s  # timers round to milliseconds
        assert (proxy.connections_made, server.connections_made) == (1, 1)


@pytest.mark.parametrize(
    ("faults", "timeout"),
    [
        (Faults(reset_after_bytes=0), False),
        (Faults(reset_after_bytes=500), False),
        (Faults(cut_after_bytes=0), False),
        (Faults(cut_after_bytes=500), False),
        (Faults(silent_after_bytes=0), True),
        (Faults(silent_after_bytes=500), True),
    ],
)
async def test_a_broken_way_down_is_an_error(transport: Transport, faults: Faults, timeout: bool) -> None:
    async with (
        WireServer(answering(answer(BODY))) as server,
        FaultProxy("127.0.0.1", server.origin.port, down=faults) as proxy,
    ):
        with pytest.raises(TransportError) as failure:
            await call(transport, Origin("http", "127.0.0.1", proxy.port), first_byte_s=0.2, stall_s=0.2)
        assert failure.value.timeout is timeout


async def test_a_network_that_dies_on_a_kept_connection_is_noticed(transport: Transport) -> None:
    async with (
        WireServer(answering(answer(BODY))) as server,
        FaultProxy("127.0.0.1", server.origin.port) as proxy,
    ):
        origin = Origin("http", "127.0.0.1", proxy.port)
        assert await call(transport, origin) == BODY
        proxy.down = Faults(silent_after_bytes=0)
        with pytest.raises(TransportError) as failure:
            await call(transport, origin, first_byte_s=0.2)
        assert failure.value.timeout
        proxy.down = Faults()
        assert await call(transport, origin) == BODY
