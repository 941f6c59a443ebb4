"""Walks the plan until a target answers: attempts, retries with backoff, and the next target, all before the first event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from onevault.core.codec import Incoming
from onevault.core.events import Event
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Operation
from onevault.core.ports import Clock
from onevault.core.records import AttemptRecord
from onevault.core.relay import RelayedIncoming
from onevault.core.sending import AttemptAnswer, Dispatch, Plan, Sender, Target
from onevault.pipeline.caller import CallerGone, Presence
from onevault.pipeline.drain import Drains
from onevault.pipeline.receipt import CLIENT_CLOSED, Receipt
from onevault.pipeline.tab import Tab
from onevault.policy.routing.retry import Next, after, told_to_caller

Sending = AbstractAsyncContextManager[AttemptAnswer]


@dataclass(frozen=True, slots=True)
class Call:
    """`chance` gives a number in [0, 1) for the jitter; `redact` takes secrets, and what the request said, out of a provider's
    error text."""

    sender: Sender
    clock: Clock
    chance: Callable[[], float]
    redact: Callable[[str, bytes], str]
    drains: Drains

    @asynccontextmanager
    async def __call__(self, plan: Plan, tab: Tab, receipt: Receipt) -> AsyncGenerator[AsyncIterator[Sequence[Event]]]:
        """Entering waits for the first events of the first target that answers; leaving closes its connection.

        Raises the one Fault that stands for all attempts when none answered. Where the caller hangs up and its provider bills on,
        the answer is read to its end for its usage, and then CallerGone raised.
        """
        presence = receipt.request.presence
        try:
            sending, answer = await self._first_answer(plan, tab, receipt)
            try:
                events = _counted(answer, tab, presence)
                if presence.gone:
                    await anext(events)  # to its end, at which it raises CallerGone
                yield events
            finally:
                await sending.__aexit__(None, None, None)
        finally:
            presence.attempt_ended()

    async def _first_answer(self, plan: Plan, tab: Tab, receipt: Receipt) -> tuple[Sending, AttemptAnswer]:
        faults: list[Fault] = []
        started_s = self.clock.monotonic_s()
        for target in plan.targets:
            tries = 0
            while True:
                tries += 1
                try:
                    return await self._attempt(target, plan, tab, receipt)
                except Fault as fault:
                    receipt.request.presence.attempt_ended()
                    if receipt.request.presence.gone:
                        raise CallerGone from None
                    faults.append(fault)
                    step = after(fault, tries=tries, retries_max=target.retries_max, chance=self.chance())
                if step.next is Next.GIVE_UP:
                    raise faults[-1]
                elapsed_s = self.clock.monotonic_s() - started_s
                if step.next is Next.NEXT_TARGET or elapsed_s + step.wait_s > target.timeouts.total_s:
                    break
                await self.clock.sleep(step.wait_s)
                receipt.waited_s += step.wait_s
        raise told_to_caller(faults, targets=len(plan.targets))

    async def _attempt(self, target: Target, plan: Plan, tab: Tab, receipt: Receipt) -> tuple[Sending, AttemptAnswer]:
        tab.begin(target)
        receipt.target = target
        request = receipt.request
        request.presence.drain = self.drains.of(target, tab, stream=_streams(receipt.incoming))
        dispatch = Dispatch(
            target, receipt.incoming, request.call_id, plan.output_tokens_max, request.passed_headers, tab.set_reached
        )
        started_ns, started_s = self.clock.wall_ns(), self.clock.monotonic_s()
        status, error, text = None, "", ""
        try:
            sending = self.sender.send(dispatch)
            answer = await sending.__aenter__()
            status, receipt.dropped, receipt.content_type = answer.status, answer.dropped, answer.content_type
            receipt.status = answer.caller_status
            if receipt.status >= 400:
                tab.refused()  # a relayed refusal is passed on, and owes nothing
        except Fault as fault:
            tab.refused()
            status, error = fault.provider_status, fault.kind.value
            text = self.redact(fault.provider_text, receipt.incoming.body)
            raise
        except asyncio.CancelledError:
            error = CLIENT_CLOSED
            raise
        finally:
            waited_s = self.clock.monotonic_s() - started_s
            waited_ms = int(waited_s * 1000)
            receipt.waited_s += waited_s
            receipt.attempts.append(
                AttemptRecord(
                    target.provider,
                    target.deployment,
                    target.model,
                    started_ns,
                    waited_ms,
                    None if error else waited_ms,
                    status,
                    error,
                    text,
                )
            )
        return sending, answer


def _streams(incoming: Incoming) -> bool:
    """Whether it is a stream to its provider: of what is relayed the caller's own request says so."""
    if isinstance(incoming, RelayedIncoming):
        return incoming.understood is not None and incoming.understood.stream
    return incoming.stream and incoming.operation is Operation.CHAT


async def _counted(answer: AttemptAnswer, tab: Tab, presence: Presence) -> AsyncIterator[Sequence[Event]]:
    """The answer's batches, each noted on the tab before anybody sees it. What comes after the caller has gone nobody sees.

    Raises CallerGone at the end of an answer that was read on for its usage.
    """
    try:
        async for events in answer:
            tab.note(events)
            if not presence.gone:
                if tab.output_bytes > tab.bytes_covered and tab.is_exhausted:
                    await _covered_further(tab)
                yield events
            elif presence.drain is None or presence.drain.is_full:
                break
    except Fault:
        if not presence.gone:
            raise
    if presence.gone:
        raise CallerGone


async def _covered_further(tab: Tab) -> None:
    """Raises Fault BUDGET_EXCEEDED where what is held for a stream is used up and no more is to be had: it ends here."""
    if tab.enlarge is None or not await tab.enlarge():
        raise Fault(
            FaultKind.BUDGET_EXCEEDED,
            "The answer was cut: its provider went on beyond the output limit, and what is held for this call is used up.",
        )
