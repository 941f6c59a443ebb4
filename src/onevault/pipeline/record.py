"""Writes down how every admitted call ended, whatever ended it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onevault.core.codec import Incoming
from onevault.core.faults import Fault
from onevault.core.identity import Principal
from onevault.core.ports import Clock, Journal, Observer, Watcher
from onevault.pipeline.caller import CallerRequest
from onevault.pipeline.receipt import Receipt
from onevault.pipeline.uncancelled import uncancelled


@dataclass(frozen=True, slots=True)
class Record:
    """The settlement is in the journal before the surface can write the end of the answer."""

    journal: Journal
    observer: Observer
    clock: Clock
    watcher: Watcher

    @asynccontextmanager
    async def __call__(
        self, principal: Principal, request: CallerRequest, incoming: Incoming
    ) -> AsyncGenerator[Receipt]:
        receipt = Receipt(request, principal, incoming)
        try:
            yield receipt
        except BaseException as ending:
            receipt.ending = ending
            if isinstance(ending, Fault):
                ending.attempts = len(receipt.attempts)
            raise
        finally:
            settled = receipt.settle(self.clock.wall_ns())
            await uncancelled(self.journal.append(settled))
            self.observer.settled(settled)
            refused_by = receipt.ending.limit if isinstance(receipt.ending, Fault) else None
            self.watcher.ended(principal, at_ns=settled.started_ns, refused_by=refused_by)
