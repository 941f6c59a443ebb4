"""Counts the attempt against the rates before it costs any work, and the concurrency until it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from onevault.core.faults import Fault
from onevault.core.identity import Principal
from onevault.core.ports import Admission, Rates, Watcher
from onevault.core.sending import Plan
from onevault.pipeline.caller import CallerRequest
from onevault.pipeline.closing import Closing
from onevault.policy.target_limits import counting, rates_at
from onevault.policy.told import tightest

_AT_TARGET: Final = ":target"
"""What is put behind a call's id where it is admitted a second time."""


@dataclass(frozen=True, slots=True)
class Admit:
    rates: Rates
    watcher: Watcher

    @asynccontextmanager
    async def __call__(
        self, principal: Principal, request: CallerRequest, closing: Closing
    ) -> AsyncGenerator[Admission]:
        try:
            admission = await self.rates.admit(principal, call_id=request.call_id, now_ns=request.started_ns)
        except Fault as refusal:
            if refusal.limit is not None:
                self.watcher.ended(principal, at_ns=request.started_ns, refused_by=refusal.limit)
            raise
        try:
            yield admission
        finally:
            closing.begin(self.rates.leave(admission))

    @asynccontextmanager
    async def at_target(
        self, admitted: Admission, plan: Plan, request: CallerRequest, closing: Closing
    ) -> AsyncGenerator[Admission]:
        """Counts it against the rates of its provider and model alone, which only the plan tells. What comes back tells of the tightest
        limits of both. Raises as the ledger of rates does."""
        principal = admitted.principal
        caller = rates_at(principal, counting(principal, plan.targets[0])) if principal.at_targets else None
        if caller is None:
            yield admitted
            return
        call_id = f"{request.call_id}{_AT_TARGET}"
        admission = await self.rates.admit(caller, call_id=call_id, now_ns=request.started_ns)
        try:
            yield tightest(admitted, admission)
        finally:
            closing.begin(self.rates.leave(admission))
