"""Moves one exchange at a time over one HTTP/1.1 connection: writes a request, parses its answer, watches the deadlines."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from time import monotonic
from typing import Final, cast

import httptools

from onevault.core.transport import HttpRequest, Phase, TransportError
from onevault.upstream.http1_answer import CHUNKED, UNTIL_EOF, Refused, answer_headers, body_framing
from onevault.upstream.http1_deadlines import FOREVER, Deadlines
from onevault.upstream.transport_settings import TransportSettings

IDLE: Final = 0
SENDING: Final = 1
AWAITING_HEAD: Final = 2
IN_BODY: Final = 3
COMPLETE: Final = 4
BROKEN: Final = 5

_NOTHING: Final = 0
_SENT: Final = 1
_HEAD: Final = 2
_DATA: Final = 3
_END: Final = 4

_SLICE_BYTES: Final = 65_536
"""How much of a body is handed to the socket at once; a smaller body goes out in one piece with the head."""

_PHASES: Final = {SENDING: Phase.SEND, AWAITING_HEAD: Phase.HEADERS}


class Connection(Deadlines):
    """A connection and the state of the exchange on it; `Exchange` and `Pool` are its only users.

    `state` goes IDLE, SENDING, AWAITING_HEAD, IN_BODY, COMPLETE and back to IDLE; BROKEN is final.
    """

    __slots__ = (
        "_buffered_bytes",
        "_buffered_bytes_max",
        "_fields",
        "_first_byte_at",
        "_framing",
        "_head_bytes",
        "_informational",
        "_message",
        "_method_is_head",
        "_on_gone",
        "_overhead_bytes",
        "_parser",
        "_parts",
        "_reading_paused",
        "_settings",
        "_stall_s",
        "_timed_out",
        "_total_at",
        "_transport",
        "_unread",
        "_wanted",
        "_writing_paused",
        "answered",
        "headers",
        "lost",
        "phase",
        "reusable",
        "state",
        "status",
        "used",
    )

    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser
    _unread: select.poll | None

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: TransportSettings,
        *,
        on_gone: Callable[[Connection], None],
    ) -> None:
        """`on_gone` is told once, as soon as the connection can no longer be used; `lost` is True once its socket is closed."""
        super().__init__(loop)
        self._settings = settings
        self._on_gone = on_gone
        self._wanted = _NOTHING
        self._writing_paused = False
        self._reading_paused = False
        self._message = ""
        self._timed_out = False
        self._parts: list[bytes] = []
        self.state = IDLE
        self.phase = Phase.CONNECT
        self.used = False
        self.lost = False

    # ---- the exchange ------------------------------------------------------------------------------------------------

    def begin(self, request: HttpRequest, head: bytes, *, now: float, total_at: float) -> bool:
        """Writes the request, or what can be written of it at once: True if all of it is out."""
        self.state = SENDING
        self.answered = False
        self.reusable = True
        self.status = 0
        self.headers: dict[str, str] = {}
        self._method_is_head = request.method == "HEAD"
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._informational = 0
        self._framing = 0
        self._overhead_bytes = 0
        self._parts = []
        self._buffered_bytes = 0
        self._buffered_bytes_max = self._settings.read_buffer_bytes_max
        self._total_at = total_at
        self._stall_s = request.stall_s
        self._deadline = total_at
        self._first_byte_at = now + request.first_byte_s
        if len(request.body) > _SLICE_BYTES:
            self._transport.write(head)
            return False
        self._transport.write(head + request.body)
        if self._writing_paused:
            return False
        self.state = AWAITING_HEAD if self.state == SENDING else self.state
        return True

    async def finish_sending(self, request: HttpRequest) -> None:
        """Writes the rest of the request as fast as the server takes it; an answer that comes early ends the sending."""
        body = memoryview(request.body)
        sent = 0 if len(body) > _SLICE_BYTES else len(body)
        while self.state == SENDING and (self._writing_paused or sent < len(body)):
            if self._writing_paused:
                await self._wait(_SENT, monotonic() + self._stall_s)
            else:
                self._transport.write(body[sent : sent + _SLICE_BYTES])
                sent += _SLICE_BYTES
        if self.state == SENDING:
            self.state = AWAITING_HEAD
            self._first_byte_at = monotonic() + request.first_byte_s

    async def wait_for_head(self) -> None:
        """Returns when the head is there or the connection is broken."""
        if self.state == AWAITING_HEAD:
            await self._wait(_HEAD, self._first_byte_at)

    async def next_part(self) -> bytes:
        """What has arrived of the body since last time, waiting for the first of it; b"" at its end."""
        parts = self._parts
        if not parts and self.state == IN_BODY:
            await self._wait(_DATA, self._stall_at())
            parts = self._parts
        if not parts:
            if self.state != COMPLETE:
                raise self.error()
            return b""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._buffered_bytes = 0
        if self._reading_paused:
            self._resume_reading()
        return data

    async def whole_body(self, bytes_max: int) -> bytes:
        """What is left of the body. One wake-up, however many pieces it comes in."""
        if self._framing > bytes_max or self._buffered_bytes > bytes_max:
            self.fail(f"the answer is longer than {bytes_max} bytes")
        if self.state == IN_BODY:
            self._buffered_bytes_max = bytes_max
            if self._reading_paused:
                self._resume_reading()
            await self._wait(_END, self._stall_at())
        if self.state != COMPLETE:
            raise self.error()
        if self._buffered_bytes > bytes_max:
            # It was complete in the same piece that went past the limit.
            self.reusable = False
            raise TransportError(f"the answer is longer than {bytes_max} bytes", phase=Phase.BODY)
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._buffered_bytes = 0
        return data

    def rest(self, now: float) -> None:
        """After a complete exchange: the connection waits for the next one, for `idle_s` at most."""
        self.state = IDLE
        self.used = True
        self._parts = []
        self._set_deadline(now + self._settings.idle_s, now=now)
        if self._reading_paused:
            self._resume_reading()

    def may_begin(self) -> bool:
        """Whether an idle connection is still fit for an exchange.

        What the server sent after its last answer, or its FIN, may lie in the socket while the event loop has not come to read
        it. Once a request is out, such bytes could not be told from the answer to it. (Over TLS they may be a session ticket.)
        """
        if self._unread is not None and self._unread.poll(0):
            self.fail("the server sent bytes that nobody had asked for, or closed the connection")
        return self.state == IDLE

    def error(self) -> TransportError:
        """Why the exchange broke."""
        return TransportError(self._message, phase=self.phase, timeout=self._timed_out)

    @property
    def timed_out(self) -> bool:
        return self._timed_out

    # ---- ends --------------------------------------------------------------------------------------------------------

    def fail(self, message: str, *, timed_out: bool = False) -> None:
        """Breaks the exchange and closes the socket at once, whatever is still unsent."""
        if self.state != BROKEN:
            self._message = message
            self._timed_out = timed_out
            self.phase = _PHASES.get(self.state, Phase.BODY)
            self.state = BROKEN
            self._gone()

    def _gone(self) -> None:
        self._disarm()
        if not self.lost:
            self._transport.abort()
        self._on_gone(self)
        self._wake()

    def _ended(self, error: Exception | None) -> None:
        """The server will send no more: the end of an answer that has no other, or the end of the exchange."""
        state = self.state
        if state == IN_BODY and self._framing == UNTIL_EOF and error is None:
            self.reusable = False
            self.state = COMPLETE
            self._wake()
        elif state == COMPLETE:
            self.reusable = False
        elif error is None:
            self.fail("the server closed the connection before the end of its answer")
        elif isinstance(error, ssl.SSLError):
            self.fail("the TLS connection broke")
        else:
            self.fail("the connection was reset")

    # ---- deadlines ---------------------------------------------------------------------------------------------------

    def _stall_at(self) -> float:
        """Before the first byte of the body its own deadline holds, after it that between two reads."""
        return self._first_byte_at if self._first_byte_at != FOREVER else monotonic() + self._stall_s

    async def _wait(self, wanted: int, until: float) -> None:
        self._wanted = wanted
        try:
            await self._woken(until if until < self._total_at else self._total_at)
        except BaseException:
            self.fail("the exchange was cancelled")
            raise

    def _wake(self) -> None:
        self._wanted = _NOTHING
        self._wake_waiter()

    def _expired(self) -> None:
        if self.state == COMPLETE:
            return
        if self.state == IDLE:
            self.fail("the connection was idle for too long")
        elif self._deadline >= self._total_at:
            self.fail("the exchange took longer than it may in all", timed_out=True)
        elif self.state == SENDING:
            self.fail("the server took no more of the request", timed_out=True)
        elif self._first_byte_at != FOREVER:
            self.fail("the first byte of the answer did not come in time", timed_out=True)
        else:
            self.fail("the answer stalled", timed_out=True)

    # ---- what the event loop calls -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = self._transport = cast("asyncio.Transport", transport)  # uvloop's own are no subclasses
        # Paused means: something is unsent. TLS transports of asyncio compare with >=, so 0 would pause them for good.
        is_tls = stream.get_extra_info("ssl_object") is not None
        stream.set_write_buffer_limits(high=1 if is_tls else 0, low=0)
        self._unread = None if is_tls else select.poll()
        if self._unread is not None:
            self._unread.register(stream.get_extra_info("socket").fileno(), select.POLLIN)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        came_from = self.state
        if came_from == COMPLETE:
            self.reusable = False
            return
        if came_from in (IDLE, BROKEN):
            self.fail("the server sent bytes that nobody had asked for")
            return
        self.answered = True
        before_bytes = self._buffered_bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.state != COMPLETE:
                self.fail(
                    str(error.__context__) if isinstance(error.__context__, Refused) else "the answer is not HTTP"
                )
            self.reusable = False
        except httptools.HttpParserUpgrade:
            self.fail("the server switched to another protocol")
        state = self.state
        gained_bytes = self._buffered_bytes - before_bytes
        if state < IN_BODY:
            self._head_bytes += len(data)
            if self._head_bytes > self._settings.head_bytes_max:
                self.fail(f"the answer's head is longer than {self._settings.head_bytes_max} bytes")
            return
        if state == IN_BODY:
            if self._framing == CHUNKED and came_from == IN_BODY:
                self._count_overhead(len(data) - 17 * gained_bytes)
            if gained_bytes:
                self._first_byte_at = FOREVER
                if self._buffered_bytes > self._buffered_bytes_max:
                    self._hold_back()
        wanted = self._wanted
        if wanted == _NOTHING:
            if gained_bytes and self.state == IN_BODY:
                self._deadline = self._total_at
        elif wanted == _END and self.state == IN_BODY:
            if gained_bytes:
                self._deadline = min(monotonic() + self._stall_s, self._total_at)
        elif wanted != _DATA or gained_bytes or self.state != IN_BODY:
            self._deadline = self._first_byte_at if self._first_byte_at < self._total_at else self._total_at
            self._wake()

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._ended(exc)
        if self.state == COMPLETE:
            self._gone()
        else:
            self._on_gone(self)
        del self._parser  # it holds this connection's methods, and so a cycle

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._wanted == _SENT:
            self._wake()

    # ---- what the parser calls ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.state == COMPLETE:
            raise Refused("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.state < IN_BODY:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._pass_over(status)
            return
        headers = self.headers = answer_headers(self._fields, self._settings)
        self._framing = body_framing(status, headers)
        self.status = status
        if self.state == SENDING:
            self.reusable = False  # the answer came before the request's end, which the server may never read
        self.state = IN_BODY
        if self._method_is_head:
            # The parser does not know what was asked and waits for a body, so it serves no further answer.
            self.reusable = False
            self.state = COMPLETE

    def _pass_over(self, status: int) -> None:
        """An informational answer: the one that was asked for is still to come."""
        self._informational += 1
        if status <= 101 and status != 100:
            raise Refused("the answer's status is none that was asked for")
        if self._informational > self._settings.informational_max:
            raise Refused(f"more than {self._settings.informational_max} informational answers came")
        self._fields.clear()

    def on_body(self, data: bytes) -> None:
        if self.state == IN_BODY:
            self._parts.append(data)
            self._buffered_bytes += len(data)

    def on_message_complete(self) -> None:
        if self.state == IN_BODY:
            self.state = COMPLETE
            self._deadline = FOREVER
            if not self._parser.should_keep_alive():
                self.reusable = False

    # ---- limits ------------------------------------------------------------------------------------------------------

    def _count_overhead(self, bytes_beyond: int) -> None:
        self._overhead_bytes = max(0, self._overhead_bytes + bytes_beyond)
        if self._overhead_bytes > self._settings.chunk_overhead_bytes_max:
            self.fail("the answer's chunks hold more framing than content")

    def _hold_back(self) -> None:
        if self._wanted == _END:
            self.fail(f"the answer is longer than {self._buffered_bytes_max} bytes")
        elif not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._reading_paused = False
        if self.state != BROKEN:
            self._transport.resume_reading()
