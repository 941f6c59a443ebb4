"""What the simulator remembers of its calls, and how soon it notices that a client left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai import AsyncOpenAI
from tests.unit.simulator.conftest import CHAT, KEY, MESSAGES, Exchange, Json, body_of, request_of

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Limits, Settings

Leave = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def half_close(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    await writer.drain()


async def abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    await asyncio.sleep(0)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("leave", [close, half_close, abort])
@pytest.mark.parametrize(
    ("directives", "stream"),
    [
        ("latency_ms=5000", False),
        ("ttft_ms=5000", True),
        ("pace=20; output_tokens=200", True),
        ("stall_after=2", True),
        ("slow_body=50", False),
        ("slow_headers=50", False),
    ],
)
async def test_a_client_that_leaves_is_noticed_at_once(
    simulator: EmbeddedSimulator, path: str, leave: Leave, directives: str, stream: bool
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(request_of("POST", path, body_of(path, f"[[simulate: {directives}]]", stream=stream)))
    await asyncio.sleep(0.06)
    (call,) = simulator.calls
    assert call.outcome is None
    left_s = time.monotonic()
    await leave(writer)
    while call.outcome is None and time.monotonic() - left_s < 1:
        await asyncio.sleep(0.002)
    assert call.outcome == "cancelled_by_client"
    assert call.ended_s is not None
    assert call.ended_s - left_s < 0.1
    assert simulator.stats["cancelled_by_client"] == 1
    assert simulator.stats["in_flight"] == 0
    writer.close()


async def test_a_client_that_reads_nothing_and_leaves_is_noticed(simulator: EmbeddedSimulator) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", simulator.port, limit=1024)
    writer.write(request_of("POST", CHAT, body_of(CHAT, "[[simulate: output_tokens=100000]]", stream=True)))
    await asyncio.sleep(0.2)
    (call,) = simulator.calls
    assert call.outcome is None  # backpressure: it waits for its client
    await abort(writer)
    await asyncio.sleep(0.1)
    assert call.outcome == "cancelled_by_client"
    assert 0 < call.events_sent < 100_000


async def test_calls_tell_what_was_asked_and_what_came_of_it(
    call: Json, exchange: Exchange, simulator: EmbeddedSimulator
) -> None:
    await call("POST", CHAT, body_of(CHAT))
    await call("POST", MESSAGES, {"model": "c"})
    await exchange(request_of("POST", CHAT, body_of(CHAT, "[[simulate: cut_after=2]]", stream=True)))
    _, calls = await call("GET", "/_simulator/calls")
    seen = [(c["path"], c["model"], c["status"], c["outcome"], c["events_sent"], c["stream"]) for c in calls]
    assert seen == [
        (CHAT, "m", 200, "completed", 1, False),
        (MESSAGES, "", 400, "error", 1, False),
        (CHAT, "m", 200, "cut", 2, True),
    ]
    assert calls[0]["body"] == body_of(CHAT)
    assert calls[0]["started_s"] <= calls[0]["ended_s"] <= time.monotonic()
    assert abs(calls[0]["started_at"] - time.time()) < 5
    headers = dict(calls[0]["headers"])
    assert headers["authorization"] == f"Bearer …{KEY[-4:]}"
    assert KEY not in str(calls)
    _, stats = await call("GET", "/_simulator/stats")
    expected = {
        "requests": 3,
        "completed": 1,
        "error": 1,
        "cut": 1,
        "in_flight": 0,
        "output_tokens": 24,
        "connections_open": 1,
    }
    assert expected.items() <= stats.items()
    await call("DELETE", "/_simulator/calls")
    assert (await call("GET", "/_simulator/calls"))[1] == []
    assert (await call("GET", "/_simulator/stats"))[1]["requests"] == 0


async def ask(simulator: EmbeddedSimulator, times: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(request_of("GET", "/v1/models") * times + request_of("GET", "/v1/models", connection="close"))
    await asyncio.wait_for(reader.read(), 3)
    await close(writer)


async def test_nothing_is_kept_unless_asked_for_and_no_more_than_the_limit() -> None:
    async with EmbeddedSimulator() as simulator:
        await ask(simulator, 3)
        assert simulator.calls == []
        assert simulator.stats["completed"] == 4
    async with EmbeddedSimulator(Settings(record_calls=True, limits=Limits(calls_kept_max=5))) as simulator:
        await ask(simulator, 20)
        assert len(simulator.calls) == 5
        assert simulator.calls[0].body is None


async def test_pipelined_requests_are_answered_in_order(exchange: Exchange, simulator: EmbeddedSimulator) -> None:
    slow = request_of("POST", CHAT, body_of(CHAT, "[[simulate: latency_ms=50; text=first]]"))
    fast = request_of("POST", CHAT, body_of(CHAT, "[[simulate: text=second]]", stream=True))
    last = request_of("GET", "/health", connection="close")
    answer = await exchange(slow + fast + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.index(b'"first"') < answer.index(b'"seco"') < answer.index(b'{"status":"ok"}')
    many = await exchange(fast * 300 + last)
    assert many.count(b"HTTP/1.1 200 OK") == 301
    await asyncio.sleep(0)
    assert simulator.stats["in_flight"] == 0


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_a_request_may_come_in_any_pieces(simulator: EmbeddedSimulator, step: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    data = request_of("POST", CHAT, body_of(CHAT), connection="close")
    for at in range(0, len(data), step):
        writer.write(data[at : at + step])
        await asyncio.sleep(0)
    assert b'"chat.completion"' in await asyncio.wait_for(reader.read(), 3)
    await close(writer)


async def test_a_client_that_waits_for_continue_gets_it(simulator: EmbeddedSimulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    head, _, body = request_of("POST", CHAT, body_of(CHAT), expect="100-continue", connection="close").partition(
        b"\r\n\r\n"
    )
    writer.write(head + b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readline(), 1) == b"HTTP/1.1 100 Continue\r\n"
    writer.write(body)
    assert b"HTTP/1.1 200 OK" in await asyncio.wait_for(reader.read(), 3)
    await close(writer)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01 this is TLS\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 300_000 + b"\r\n\r\n", b"431"),
        (request_of("POST", CHAT, b" " * 2_000), b"413"),
    ],
)
async def test_too_much_or_no_http_is_refused(data: bytes, status: bytes) -> None:
    async with EmbeddedSimulator(Settings(limits=Limits(body_bytes_max=1_000, linger_s=0.05))) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(data)
        assert (await asyncio.wait_for(reader.read(), 3)).split()[1] == status
        await close(writer)


async def test_leaving_ends_open_connections_and_calls() -> None:
    async with EmbeddedSimulator(Settings(latency_ms=60_000)) as simulator:
        _, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(request_of("POST", CHAT, body_of(CHAT)))
        await asyncio.sleep(0.05)
        assert simulator.stats["in_flight"] == 1
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 0.5
    assert simulator.stats["connections_open"] == 0
    assert simulator.stats["in_flight"] == 0
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", simulator.port)
    assert len(asyncio.all_tasks()) == 1
    writer.close()


async def test_a_hundred_streams_at_once_are_all_sound(openai: AsyncOpenAI, simulator: EmbeddedSimulator) -> None:
    async def one(number: int) -> int:
        text = f"{number} [[simulate: pace=500; output_tokens=20]]"
        stream = await openai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": text}], stream=True
        )
        return len([event async for event in stream])

    counts: list[Any] = await asyncio.gather(*(one(number) for number in range(100)))
    assert set(counts) == {22}
    assert simulator.stats["completed"] == 100
