"""The way of a call, in the order of the specification; everything else in this room is one stage of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onevault.pipeline.admit import Admit
from onevault.pipeline.answer import Answer
from onevault.pipeline.authenticate import Authenticate
from onevault.pipeline.call import Call
from onevault.pipeline.caller import CallerRequest
from onevault.pipeline.closing import Closing
from onevault.pipeline.record import Record
from onevault.pipeline.reserve import Reserve
from onevault.pipeline.route import Route


@dataclass(frozen=True, slots=True)
class Exchange:
    """Opens a call: entering gives an answer that has begun, or raises the Fault to tell the caller.

    Leaving, for whatever reason, closes the provider's connection, settles the money, records the call and gives back its
    place, begun in this order; after that all of it is done, and the answer's `receipt` says what it cost.
    """

    authenticate: Authenticate
    admit: Admit
    record: Record
    route: Route
    reserve: Reserve
    call: Call

    @asynccontextmanager
    async def open(self, request: CallerRequest) -> AsyncGenerator[Answer]:
        principal = await self.authenticate(request.credential, request.address)
        async with Closing() as closing, self.admit(principal, request, closing) as admission:
            incoming = await request.read()
            async with self.record(principal, request, incoming) as receipt:
                plan = self.route(principal, incoming)
                async with (
                    self.admit.at_target(admission, plan, request, closing) as told,
                    self.reserve(principal, plan, receipt, closing) as tab,
                    self.call(tab.plan, tab, receipt) as events,
                ):
                    yield Answer(incoming, principal, told, tab.plan, receipt, events)
