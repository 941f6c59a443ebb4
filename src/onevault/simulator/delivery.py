"""Sends a reply as its behaviour asks: late, slowly, in pieces, or not to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final, Protocol

from onevault.simulator.behaviour import Behaviour
from onevault.simulator.calls import Outcome
from onevault.simulator.reply import Reply
from onevault.simulator.spoil import soundness

LAST_CHUNK: Final = b"0\r\n\r\n"
_BAD_CHUNK: Final = b"zz\r\nnot a chunk\r\n"
_MISSING_BYTES: Final = 512
_TURN_EVENTS: Final = 64
_DELIVERED_S: Final = 0.02  # a reset overtakes bytes on their way: let those that were asked for arrive first
_GARBAGE: Final = {
    "bytes": b"\x00\xff\xfe these bytes belong to no answer \r\n\r\n",
    "answer": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n"
    + b'{"not":"your answer"}',
}
_STATUS: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


class Sink(Protocol):
    """The connection that an answer is written to."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None:
        """Waits while the client does not read."""

    def close(self, *, reset: bool = False) -> None: ...


def head_of(reply: Reply, *, keep_alive: bool, length: int | None, padding: int = 0) -> bytes:
    """Status line and headers; without a length the body is chunked."""
    status = _STATUS.get(reply.status) or b"HTTP/1.1 %d Error\r\n" % reply.status
    framing = b"transfer-encoding: chunked\r\n" if length is None else b"content-length: %d\r\n" % length
    close = b"" if keep_alive else b"connection: close\r\n"
    padded = b"x-padding: %b\r\n" % (b"x" * padding) if padding else b""
    return b"%bcontent-type: %b\r\n%b%b%b%b\r\n" % (status, reply.content_type, framing, close, padded, reply.headers)


def chunk_of(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


class Delivery:
    """One reply on its way. `events_sent` counts whole events; a body that is no stream counts as one."""

    def __init__(self, sink: Sink, reply: Reply, behaviour: Behaviour, *, keep_alive: bool) -> None:
        self._sink = sink
        self._reply = reply
        self._behaviour = behaviour
        self._keep_alive = keep_alive
        self.events_sent = 0

    async def run(self) -> Outcome:
        """How the answer ended. After `cut` and `reset` the connection is closed."""
        behaviour, reply = self._behaviour, self._reply
        wait_s = behaviour.latency_ms / 1000
        if reply.events is None:
            wait_s += behaviour.ttft_ms / 1000
            if behaviour.tokens_per_s:
                wait_s += reply.output_tokens / behaviour.tokens_per_s
        if wait_s:
            await asyncio.sleep(wait_s)
        if outcome := await self._fate(0):
            return outcome
        outcome = await (self._whole() if reply.events is None else self._stream(reply.events))
        if outcome == "completed" and behaviour.garbage:
            self._sink.write(_GARBAGE[behaviour.garbage])
        return outcome

    async def _fate(self, events: int) -> Outcome | None:
        """What the behaviour has in store after so many events."""
        behaviour = self._behaviour
        if behaviour.stall_after_events == events:
            await asyncio.sleep(behaviour.stall_s)
        if behaviour.reset_after_events == events:
            await asyncio.sleep(_DELIVERED_S)
            self._sink.close(reset=True)
            return "reset"
        if behaviour.cut_after_events == events:
            self._sink.close()
            return "cut"
        return None

    async def _head(self, length: int | None) -> None:
        behaviour = self._behaviour
        for _ in range(behaviour.interim):
            self._sink.write(b"HTTP/1.1 103 Early Hints\r\nlink: </v1/models>; rel=preload\r\n\r\n")
        head = head_of(self._reply, keep_alive=self._keep_alive, length=length, padding=behaviour.header_bytes)
        await self._pour(head, behaviour.slow_headers_bytes_s)

    async def _whole(self) -> Outcome:
        behaviour, body = self._behaviour, self._reply.body
        if behaviour.malformed == "chunk":
            await self._head(None)
            self._sink.write(chunk_of(body[: len(body) // 2]) + _BAD_CHUNK)
            self._sink.close()
            return "cut"
        await self._head(len(body) + (_MISSING_BYTES if behaviour.truncate else 0))
        middle = (behaviour.stall_after_events, behaviour.reset_after_events, behaviour.cut_after_events)
        sent = 0
        if any(middle):
            sent = len(body) // 2
            await self._pour(body[:sent], behaviour.slow_body_bytes_s)
            for at in sorted({events for events in middle if events}):
                if outcome := await self._fate(at):
                    return outcome
        await self._pour(body[sent:], behaviour.slow_body_bytes_s)
        if behaviour.truncate:
            self._sink.close()
            return "cut"
        self.events_sent = 1
        return "completed"

    async def _stream(self, events: Iterator[bytes]) -> Outcome:
        behaviour = self._behaviour
        await self._head(None)
        clock = asyncio.get_running_loop().time
        start_s = clock() + behaviour.ttft_ms / 1000
        step_s = 1 / behaviour.tokens_per_s if behaviour.tokens_per_s else 0.0
        timed = bool(behaviour.ttft_ms or step_s)
        sound = -1
        if behaviour.truncate or behaviour.malformed == "chunk":
            events, sound = soundness(events)
        for number, event in enumerate(events, start=1):
            if timed and (wait_s := start_s + (number - 1) * step_s - clock()) > 0:
                await asyncio.sleep(wait_s)
            elif number % _TURN_EVENTS == 0:
                await asyncio.sleep(0)
            if number > sound >= 0:
                promised = b"%x\r\n%b" % (len(event) + _MISSING_BYTES, event)
                self._sink.write(promised if behaviour.truncate else _BAD_CHUNK)
                self._sink.close()
                return "cut"
            await self._pour(chunk_of(event), behaviour.slow_body_bytes_s)
            self.events_sent = number
            if number == behaviour.end_after_events:
                break
            if outcome := await self._fate(number):
                return outcome
        self._sink.write(LAST_CHUNK)
        return "completed"

    async def _pour(self, data: bytes, bytes_per_s: float) -> None:
        """Writes at the pace asked for, at most fifty times a second."""
        if not bytes_per_s:
            self._sink.write(data)
            await self._sink.drain()
            return
        slice_bytes = max(1, int(bytes_per_s / 50))
        for at in range(0, len(data), slice_bytes):
            self._sink.write(data[at : at + slice_bytes])
            await self._sink.drain()
            await asyncio.sleep(slice_bytes / bytes_per_s)
