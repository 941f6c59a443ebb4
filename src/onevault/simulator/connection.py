"""One client's connection: reads requests with llhttp, answers them in order, and notices at once when the client leaves."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from typing import Final, cast

import httptools

from onevault.simulator.calls import Call
from onevault.simulator.delivery import LAST_CHUNK, Delivery, chunk_of, head_of
from onevault.simulator.directives import DIRECTIVES
from onevault.simulator.faults import Refused, fault_for, invalid
from onevault.simulator.provider import Provider
from onevault.simulator.reply import Reply
from onevault.simulator.request import Request
from onevault.simulator.routes import format_of
from onevault.simulator.settings import Settings
from onevault.simulator.spoil import spoil

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_AT_ONCE_TOKENS_MAX: Final = 4096
_EARLY: Final = next(row.name for row in DIRECTIVES.values() if row.field == "early_error").encode()


class Connection(asyncio.Protocol):
    """Also the sink of a delivery: `write`, `drain`, `close`."""

    def __init__(self, provider: Provider, open_connections: set[Connection], loop: asyncio.AbstractEventLoop) -> None:
        self._provider = provider
        self._open = open_connections
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._request = Request()
        self._body: list[bytes] = []
        self._received = 0
        self._discarding = False
        self._call: Call | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._idle_close: asyncio.TimerHandle | None = None
        self._number = 0

    # Asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(self._provider.settings.limits.write_buffer_bytes_max)
        self._open.add(self)
        stats = self._provider.log.stats
        stats.connections_open += 1
        stats.connections += 1
        self._number = stats.connections

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._provider.log.stats.connections_open -= 1
        self._client_left()

    def eof_received(self) -> bool:
        self._client_left()
        return False

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        if self._idle_close is not None:
            self._idle_close.cancel()
            self._idle_close = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered as if no upgrade had been asked for
        except httptools.HttpParserError:
            if not self._discarding:
                self._refuse(invalid("This is not HTTP/1.1."))

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _client_left(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            self._provider.log.end(call, "cancelled_by_client")
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._waiting.clear()

    # The parser's side

    def on_message_begin(self) -> None:
        self._request = Request()
        self._body = []
        self._received = 0

    def on_url(self, url: bytes) -> None:
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._request.headers[name] = value
        self._request.listed.append((name, value))
        self._received += len(name) + len(value)
        if self._received > self._provider.settings.limits.header_bytes_max:
            self._refuse(invalid("The request's headers are too large.", status=431))

    def on_headers_complete(self) -> None:
        request = self._request
        request.method = self._parser.get_method().decode()
        self._received = 0
        if self._provider.settings.early_error or _EARLY in request.headers.get(b"x-simulate", b""):
            self._answer_early()
        elif request.headers.get(b"expect", b"").lower() == b"100-continue" and not self._waiting:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        if self._discarding:
            return
        self._received += len(body)
        if self._received > self._provider.settings.limits.body_bytes_max:
            self._refuse(Refused(fault_for("too_large")))
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._discarding:
            return
        request = self._request
        request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request.keep_alive = self._parser.should_keep_alive()
        self._waiting.append(request)
        if len(self._waiting) > self._provider.settings.limits.pipelined_requests_max:
            self._transport.pause_reading()
        if self._call is None:
            self._answer_waiting()

    # Answers

    def _answer_waiting(self) -> None:
        """Answers at once what can be answered at once, up to the first request that takes time."""
        while self._waiting and self._call is None and not self._transport.is_closing():
            request = self._waiting.popleft()
            provider = self._provider
            self._call = call = provider.begin(request, self._number)
            reply, behaviour = provider.answer(request, call)
            if behaviour.malformed:
                reply = spoil(reply, behaviour, format_of(request))
            call.status = reply.status
            if behaviour.plain and (reply.events is None or reply.output_tokens <= _AT_ONCE_TOKENS_MAX):
                self._answer_at_once(call, reply, keep_alive=request.keep_alive)
            else:
                self._task = self._loop.create_task(self._deliver(call, reply, behaviour, request.keep_alive))
        if not self._waiting:
            self._transport.resume_reading()

    def _answer_at_once(self, call: Call, reply: Reply, *, keep_alive: bool) -> None:
        if reply.events is None:
            self._transport.write(head_of(reply, keep_alive=keep_alive, length=len(reply.body)) + reply.body)
            call.events_sent = 1
        else:
            chunks = [chunk_of(event) for event in reply.events]
            call.events_sent = len(chunks)
            head = head_of(reply, keep_alive=keep_alive, length=None)
            self._transport.write(b"".join((head, *chunks, LAST_CHUNK)))
        self._ended(call, keep_alive=keep_alive)

    async def _deliver(self, call: Call, reply: Reply, behaviour: Settings, keep_alive: bool) -> None:
        delivery = Delivery(self, reply, behaviour, keep_alive=keep_alive)
        try:
            outcome = await delivery.run()
        finally:
            call.events_sent = delivery.events_sent
        self._task = None
        if outcome != "completed":
            self._provider.log.end(call, outcome)
            self._call = None
            return
        self._ended(call, keep_alive=keep_alive)
        if behaviour.idle_close_ms is not None and not self._transport.is_closing():
            self._idle_close = self._loop.call_later(behaviour.idle_close_ms / 1000, self.close)
        self._answer_waiting()

    def _ended(self, call: Call, *, keep_alive: bool) -> None:
        self._provider.log.end(call, "error" if call.status >= 400 else "completed")
        self._call = None
        if not keep_alive:
            self._transport.close()

    def _answer_early(self) -> None:
        """Answers before the body came, reads on for a moment so that the answer arrives, then closes."""
        provider, request = self._provider, self._request
        try:
            behaviour = provider.header_behaviour(request)
        except Refused:
            return  # answered when the whole request is there
        if behaviour.early_error:
            self._refuse(Refused(fault_for(behaviour.early_error)), behaviour)

    def _refuse(self, refused: Refused, behaviour: Settings | None = None) -> None:
        provider, request = self._provider, self._request
        if self._discarding or self._call is not None:
            self.close()
            return
        self._discarding = True
        call = provider.begin(request, self._number)
        reply = provider.refusal(refused, format_of(request), behaviour or provider.settings)
        call.status = reply.status
        self._transport.write(head_of(reply, keep_alive=False, length=len(reply.body)) + reply.body)
        provider.log.end(call, "error")
        self._loop.call_later(provider.settings.limits.linger_s, self.close)

    # The sink of a delivery

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    async def drain(self) -> None:
        if self._writable is not None:
            await self._writable

    def close(self, *, reset: bool = False) -> None:
        if reset:
            descriptor = self._transport.get_extra_info("socket").fileno()
            with socket.socket(fileno=os.dup(descriptor)) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection without waiting for what is still to be written."""
        self._transport.abort()
