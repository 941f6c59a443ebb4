"""The endpoints through which models answer: read the request, open the exchange, write what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from onevault.api.answering import respond
from onevault.api.asgi import JSON, Headers, Receive, Scope, Send, address, credential, query
from onevault.api.errors import fault_headers, status_of, where
from onevault.api.header_extensions import header_extensions
from onevault.api.headers import id_headers, money_headers, overhead_header, route_headers
from onevault.api.incoming import HangUp, read_body
from onevault.api.stream import Stream
from onevault.core.codec import AnswerFacts, AnswerWriter, Incoming, Ingress, RequestLine
from onevault.core.events import Event
from onevault.core.faults import Fault, FaultKind
from onevault.core.money import format_usd
from onevault.core.ports import Clock, IdSource, Observer
from onevault.pipeline.answer import Answer
from onevault.pipeline.caller import CallerGone, CallerRequest
from onevault.pipeline.exchange import Exchange

_PASSED_HEADERS = frozenset(
    {
        b"anthropic-beta",
        b"cf-aig-backoff",
        b"cf-aig-byok-alias",
        b"cf-aig-cache-key",
        b"cf-aig-cache-ttl",
        b"cf-aig-collect-log",
        b"cf-aig-event-id",
        b"cf-aig-max-attempts",
        b"cf-aig-metadata",
        b"cf-aig-request-timeout",
        b"cf-aig-retry-delay",
        b"cf-aig-skip-cache",
        b"openai-beta",
        b"x-simulate",
    }
)
_NO_QUERY: dict[str, str] = {}
_log = structlog.get_logger("onevault.api")


@dataclass(slots=True)
class InFlight:
    """How many calls are being worked on, and whether new ones are taken."""

    calls_max: int
    calls: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    body_bytes_max: int
    body_timeout_s: float
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class Generate:
    """One dialect's endpoint. Every way out of a call writes an answer in this dialect, or nothing to a client that is gone."""

    ingress: Ingress
    exchange: Exchange
    observer: Observer
    clock: Clock
    ids: IdSource
    bounds: Bounds
    in_flight: InFlight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        hang_up = HangUp(scope)
        request = CallerRequest(
            call_id=self.ids(),
            started_ns=self.clock.wall_ns(),
            credential=credential(scope, headers),
            read=partial(self._read, scope, receive, headers, hang_up),
            address=address(scope),
            user_agent=headers.get(b"user-agent", b"")[:200].decode("latin-1"),
            passed_headers=_passed(headers),
            presence=hang_up.presence,
        )
        stream: Stream | None = None
        self.in_flight.calls += 1
        try:
            self._take_on()
            async with self.exchange.open(request) as answer:
                if answer.incoming.stream:
                    stream = await self._open_stream(answer, request, send)
                    await stream.relay(answer.events)
                else:
                    events = [event async for batch in answer.events for event in batch]
            hang_up.answered()
            if stream is not None:
                await stream.finish(_facts(answer))
            else:
                await self._whole(answer, events, request, send)
        except Fault as fault:
            self.observer.fault(fault.kind.value)
            hang_up.answered()
            await self._refuse(fault, request, stream, hang_up, send)
        except CallerGone:
            pass
        except asyncio.CancelledError:
            # A client that hung up is nobody's failure; any other cancellation is the server's, and goes on.
            current = asyncio.current_task()
            hung_up = hang_up.happened
            if current is None or current.uncancel() > 0 or not (hung_up or self.in_flight.draining):
                raise
            hang_up.answered()
            if not hung_up:
                await self._refuse(_shutting_down(), request, stream, hang_up, send)
        except Exception as error:  # noqa: BLE001  # the edge: whatever it was, the caller gets a clean fault
            _log.error("internal fault", request_id=request.call_id, error=type(error).__name__, where=where(error))
            self.observer.fault(FaultKind.INTERNAL.value)
            hang_up.answered()
            await self._refuse(Fault(FaultKind.INTERNAL, "The gateway failed."), request, stream, hang_up, send)
        finally:
            self.in_flight.calls -= 1
            hang_up.answered()

    def _take_on(self) -> None:
        if self.in_flight.draining:
            raise _shutting_down()
        if self.in_flight.calls > self.in_flight.calls_max:
            raise Fault(FaultKind.OVERLOADED, "The gateway is working on as many calls as it may.", retry_after_s=1.0)

    async def _read(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], hang_up: HangUp) -> Incoming:
        takes = self.ingress.takes
        body = await read_body(
            receive, headers, takes=takes, bytes_max=self.bounds.body_bytes_max, timeout_s=self.bounds.body_timeout_s
        )
        content_type = headers.get(b"content-type", b"").decode("latin-1") or takes or ""
        line = RequestLine(
            scope["path"],
            query(scope) if scope["query_string"] else _NO_QUERY,
            content_type,
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            scope["headers"],
        )
        incoming = self.ingress.read(body, line)
        extensions = header_extensions(headers)
        if extensions is not None:
            incoming = incoming.with_header_extensions(extensions)
        hang_up.watch()
        return incoming

    def _headers(self, answer: Answer) -> Headers:
        now_ns = self.clock.wall_ns()
        headers = route_headers(answer, now_ns=now_ns)
        headers += money_headers(answer.receipt.standing)
        headers.append(overhead_header(answer, now_ns=now_ns))
        return headers

    async def _open_stream(self, answer: Answer, request: CallerRequest, send: Send) -> Stream:
        writer = self._writer(answer, request)
        headers = self._headers(answer)
        headers.append(_content_type(writer.stream_type, answer))
        status = answer.receipt.status
        return await Stream.open(send, writer, headers, status=status, heartbeat_s=self.bounds.heartbeat_s)

    async def _whole(self, answer: Answer, events: Sequence[Event], request: CallerRequest, send: Send) -> None:
        writer = self._writer(answer, request)
        headers = self._headers(answer)
        headers.append((b"x-gateway-cost-usd", format_usd(answer.receipt.cost).encode()))
        headers.append(_content_type(writer.whole_type, answer))
        await respond(send, 200, headers, writer.whole(events, _facts(answer)))

    def _writer(self, answer: Answer, request: CallerRequest) -> AnswerWriter:
        created_s = request.started_ns // 1_000_000_000
        return self.ingress.writer(answer.incoming, request_id=request.call_id, created_s=created_s)

    async def _refuse(
        self, fault: Fault, request: CallerRequest, stream: Stream | None, hang_up: HangUp, send: Send
    ) -> None:
        if stream is not None:
            frame = stream.error_frame(fault)
            if frame is None:
                frame = self.ingress.error_frame(fault, request_id=request.call_id)
            if frame:
                await stream.fail(frame)
            else:
                hang_up.break_off()  # bytes that are the provider's own have no way of saying it
            return
        headers = fault_headers(fault)
        headers += id_headers(request.call_id, self.ingress.dialect)
        headers.append(JSON)
        body = self.ingress.error_body(fault, request_id=request.call_id)
        await respond(send, status_of(fault.kind), headers, body)


def _facts(answer: Answer) -> AnswerFacts:
    receipt = answer.receipt
    target = receipt.target
    return AnswerFacts(
        request_id=receipt.request.call_id,
        provider=target.provider if target else "",
        model=target.model if target else "",
        cost=receipt.cost,
        usage=receipt.usage,
        route_reason=answer.plan.reason,
    )


def _content_type(written: str | None, answer: Answer) -> tuple[bytes, bytes]:
    """The writer's content type, or the provider's own where its bytes pass; a value that HTTP does not allow is none."""
    if written is None:
        written = answer.receipt.content_type
        if not (written and written.isascii() and written.isprintable()):
            written = "application/octet-stream"
    return (b"content-type", written.encode())


def _passed(headers: dict[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """What of the caller's headers may go on to a provider; a value that HTTP does not allow goes nowhere."""
    names = _PASSED_HEADERS & headers.keys()
    if not names:
        return ()
    values = ((name.decode(), headers[name].decode("latin-1")) for name in sorted(names))
    return tuple((name, value) for name, value in values if value.isascii() and value.isprintable())


def _shutting_down() -> Fault:
    return Fault(FaultKind.OVERLOADED, "This gateway is shutting down.", retry_after_s=1.0)
