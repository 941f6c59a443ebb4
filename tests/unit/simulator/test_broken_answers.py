"""Answers that break on the wire, as a raw socket sees them."""

from __future__ import annotations

import asyncio
import json
import time

import openai as openai_sdk
import pytest
from anthropic import APIStatusError, AsyncAnthropic
from openai import AsyncOpenAI
from tests.unit.simulator.conftest import CHAT, MESSAGES, Exchange, Json, body_of, request_of

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings

DIALECTS = pytest.mark.parametrize("path", [CHAT, MESSAGES])
LAST = b"0\r\n\r\n"


def asking(path: str, directives: str, *, stream: bool = True, connection: str = "close") -> bytes:
    body = body_of(path, f"x [[simulate: {directives}]]", stream=stream)
    return request_of("POST", path, body, connection=connection)


def body_of_answer(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def events_in(answer: bytes) -> int:
    return answer.count(b"data: ")


def unchunked(answer: bytes) -> bytes:
    rest, body = body_of_answer(answer), b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


@DIALECTS
@pytest.mark.parametrize("events", [1, 2, 5])
async def test_a_cut_closes_the_connection_after_so_many_events_without_an_end(
    exchange: Exchange, path: str, events: int
) -> None:
    started_s = time.monotonic()
    answer = await exchange(asking(path, f"cut_after={events}"))
    assert time.monotonic() - started_s < 1
    assert events_in(answer) == events
    assert not answer.endswith(LAST)


@DIALECTS
async def test_a_cut_before_the_head_sends_nothing(exchange: Exchange, path: str) -> None:
    assert await exchange(asking(path, "cut_after=0")) == b""


@DIALECTS
async def test_a_whole_answer_is_cut_in_the_middle(exchange: Exchange, path: str) -> None:
    answer = await exchange(asking(path, "cut_after=1", stream=False))
    promised = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert len(body_of_answer(answer)) == promised // 2


@DIALECTS
async def test_an_end_without_the_dialects_end_is_sound_http(exchange: Exchange, path: str) -> None:
    answer = await exchange(asking(path, "end_after=4"))
    assert events_in(answer) == 4
    assert answer.endswith(LAST)
    assert b"[DONE]" not in answer
    assert b"message_stop" not in answer


@DIALECTS
@pytest.mark.parametrize(("events", "stream"), [(0, True), (3, True), (0, False), (1, False)])
async def test_a_reset_reaches_the_client_as_one(
    exchange: Exchange, simulator: EmbeddedSimulator, path: str, events: int, stream: bool
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(asking(path, f"reset_after={events}", stream=stream))
    received = b""
    with pytest.raises(ConnectionResetError):
        while piece := await asyncio.wait_for(reader.read(65536), 3):
            received += piece
        pytest.fail("closed, not reset")
    writer.close()
    assert events_in(received) == (events if stream else 0)
    assert simulator.calls[-1].outcome == "reset"


@DIALECTS
async def test_a_stall_is_silence_after_which_the_stream_goes_on(exchange: Exchange, path: str) -> None:
    assert events_in(await exchange(asking(path, "stall_after=2; stall_s=5"), silence_s=0.2)) == 2
    assert await exchange(asking(path, "stall_after=0; stall_s=5"), silence_s=0.2) == b""
    assert (await exchange(asking(path, "stall_after=2; stall_s=0.1"))).endswith(LAST)


async def test_a_whole_answer_stalls_in_the_middle_and_goes_on(exchange: Exchange) -> None:
    started_s = time.monotonic()
    answer = await exchange(asking(CHAT, "stall_after=1; stall_s=0.15", stream=False))
    assert time.monotonic() - started_s >= 0.15
    assert json.loads(body_of_answer(answer))["object"] == "chat.completion"


@DIALECTS
async def test_a_malformed_frame_is_no_json_and_the_stream_goes_on(exchange: Exchange, path: str) -> None:
    answer = await exchange(asking(path, "malformed=frame"))
    broken = []
    for line in unchunked(answer).split(b"\n"):
        if line.startswith(b"data: {"):
            try:
                json.loads(line[6:])
            except ValueError:
                broken.append(line)
    assert len(broken) == 1
    assert answer.endswith(LAST)


@DIALECTS
@pytest.mark.parametrize("stream", [True, False])
async def test_broken_chunks_are_not_readable_as_http(exchange: Exchange, path: str, stream: bool) -> None:
    answer = await exchange(asking(path, "malformed=chunk", stream=stream))
    assert b"transfer-encoding: chunked" in answer
    assert answer.endswith(b"zz\r\nnot a chunk\r\n")


@DIALECTS
@pytest.mark.parametrize("stream", [True, False])
async def test_an_empty_answer_and_a_web_page_are_sound_http(exchange: Exchange, path: str, stream: bool) -> None:
    empty = await exchange(asking(path, "malformed=empty", stream=stream))
    assert b"content-length: 0\r\n" in empty
    assert body_of_answer(empty) == b""
    page = await exchange(asking(path, "malformed=html", stream=stream))
    assert b"content-type: text/html" in page
    assert body_of_answer(page).startswith(b"<!DOCTYPE html>")


@DIALECTS
async def test_a_malformed_body_is_half_a_json_text(exchange: Exchange, path: str) -> None:
    body = body_of_answer(await exchange(asking(path, "malformed=body", stream=False)))
    assert body.startswith(b"{")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(body)


async def test_an_error_can_be_a_web_page(exchange: Exchange) -> None:
    answer = await exchange(asking(CHAT, "error=502; malformed=html"))
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"<h1>Bad gateway</h1>" in answer


async def test_openais_sdk_raises_on_an_error_within_a_stream(openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "[[simulate: malformed=status_in_stream]]"}], stream=True
    )
    with pytest.raises(openai_sdk.APIError, match="had an error"):
        [chunk async for chunk in stream]


async def test_anthropics_sdk_raises_on_an_error_within_a_stream(anthropic: AsyncAnthropic) -> None:
    stream = await anthropic.messages.create(
        model="m",
        max_tokens=9,
        messages=[{"role": "user", "content": "[[simulate: malformed=status_in_stream]]"}],
        stream=True,
    )
    with pytest.raises(APIStatusError, match="Overloaded"):
        [event async for event in stream]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_truncated_answer_ends_before_its_announced_length(exchange: Exchange, stream: bool) -> None:
    answer = await exchange(asking(CHAT, "truncate", stream=stream))
    if stream:
        assert not answer.endswith(LAST)
    else:
        promised = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert len(body_of_answer(answer)) < promised


@pytest.mark.parametrize("stream", [True, False])
async def test_a_slow_body_comes_at_its_pace_and_whole(exchange: Exchange, stream: bool) -> None:
    started_s = time.monotonic()
    slow = await exchange(asking(CHAT, "slow_body=5000; output_tokens=4", stream=stream))
    duration_s = time.monotonic() - started_s
    body = body_of_answer(slow)
    assert duration_s >= 0.7 * len(body) / 5000
    assert body.endswith(LAST) if stream else json.loads(body)


async def test_slow_headers_come_at_their_pace(exchange: Exchange) -> None:
    started_s = time.monotonic()
    answer = await exchange(asking(CHAT, "slow_headers=2000", stream=False))
    head = answer.partition(b"\r\n\r\n")[0]
    assert time.monotonic() - started_s >= 0.7 * len(head) / 2000


@pytest.mark.parametrize(("kind", "bytes_"), [("bytes", b"\x00\xff\xfe"), ("answer", b'{"not":"your answer"}')])
async def test_garbage_follows_the_answer(exchange: Exchange, kind: str, bytes_: bytes) -> None:
    answer = await exchange(asking(CHAT, f"garbage={kind}", stream=False))
    assert bytes_ in answer.partition(b'"object":"chat.completion"')[2]


async def test_interim_answers_come_before_the_final_one(exchange: Exchange, openai: AsyncOpenAI) -> None:
    answer = await exchange(asking(CHAT, "interim=2", stream=False))
    assert [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1")] == [
        b"HTTP/1.1 103 Early Hints",
        b"HTTP/1.1 103 Early Hints",
        b"HTTP/1.1 200 OK",
    ]
    await openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "[[simulate: interim]]"}])


async def test_a_header_is_as_large_as_asked_for(exchange: Exchange) -> None:
    answer = await exchange(asking(CHAT, "header_bytes=100000", stream=False))
    assert b"x-padding: " + b"x" * 100_000 + b"\r\n" in answer


async def test_an_idle_connection_closes_unannounced(exchange: Exchange) -> None:
    started_s = time.monotonic()
    answer = await exchange(asking(CHAT, "idle_close_ms=50", stream=False, connection=""))
    assert time.monotonic() - started_s < 1
    assert b"connection: close" not in answer


@pytest.mark.parametrize("status", [413, 401])
async def test_an_early_error_does_not_wait_for_the_body(simulator: EmbeddedSimulator, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\nx-simulate: early_error={status}\r\n\r\n"
    writer.write(head.encode() + b"x" * 1000)
    line = await asyncio.wait_for(reader.readline(), 1)
    assert int(line.split()[1]) == status
    writer.write(b"x" * 1000)  # still read, so that the answer is not lost to a reset
    assert b'"error"' in await asyncio.wait_for(reader.read(), 3)
    writer.close()


async def test_early_error_in_a_text_comes_too_late(call: Json) -> None:
    status, answer = await call("POST", CHAT, body_of(CHAT, "[[simulate: early_error]]"))
    assert status == 400
    assert "x-simulate" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("directives", "stream", "least_s", "most_s"),
    [
        ("latency_ms=150", False, 0.15, 0.5),
        ("latency_ms=100; ttft_ms=100", True, 0.2, 0.6),
        ("ttft_ms=60; pace=200; output_tokens=20", False, 0.16, 0.5),
        ("pace=200; output_tokens=40", True, 0.2, 0.6),
    ],
)
async def test_time_is_taken_as_asked(
    exchange: Exchange, directives: str, stream: bool, least_s: float, most_s: float
) -> None:
    started_s = time.monotonic()
    answer = await exchange(asking(CHAT, directives, stream=stream))
    assert least_s <= time.monotonic() - started_s <= most_s
    assert answer.startswith(b"HTTP/1.1 200")


async def test_settings_break_every_answer_that_does_not_ask_otherwise() -> None:
    async with EmbeddedSimulator(Settings(cut_after_events=0)) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(request_of("POST", CHAT, body_of(CHAT)))
        assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()
