"""Counts the attempt against the rates before it costs any work, and the concurrency until it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onevault.core.identity import Principal
from onevault.core.ports import Admission, Rates
from onevault.pipeline.caller import CallerRequest
from onevault.pipeline.uncancelled import uncancelled


@dataclass(frozen=True, slots=True)
class Admit:
    rates: Rates

    @asynccontextmanager
    async def __call__(self, principal: Principal, request: CallerRequest) -> AsyncGenerator[Admission]:
        admission = await self.rates.admit(principal, call_id=request.call_id, now_ns=request.started_ns)
        try:
            yield admission
        finally:
            await uncancelled(self.rates.leave(admission))
