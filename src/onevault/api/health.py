"""Whether the process lives, and whether it should be sent calls; unauthenticated, so it says little."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from onevault.api.answering import respond
from onevault.api.asgi import JSON, Receive, Scope, Send
from onevault.api.errors import fault_body, status_of
from onevault.core.faults import Fault, FaultKind

_METRICS_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Health:
    """`ready` tells whether the gateway takes calls now; `metrics` renders the Prometheus text, None where it is switched off."""

    ready: Callable[[], bool]
    metrics: Callable[[], Awaitable[bytes]] | None
    version: str

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, [JSON], b'{"status":"ok"}')

    async def readiness(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.ready():
            await respond(send, 200, [JSON], b'{"status":"ok"}')
        else:
            await respond(send, 503, [JSON, (b"retry-after", b"1")], b'{"status":"draining"}')

    async def scrape(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.metrics is None:
            fault = Fault(FaultKind.NOT_FOUND, "Metrics are switched off (monitoring.prometheus).")
            await respond(send, status_of(fault.kind), [JSON], fault_body(fault))
            return
        await respond(send, 200, [_METRICS_TYPE], await self.metrics())
