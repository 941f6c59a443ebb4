"""Delivers notices to webhooks: signed, again and again for hours, then given up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from onevault.core.delivery import Delivery, DeliveryState, Outbox, Posted, Poster
from onevault.core.faults import Fault
from onevault.core.ports import Clock
from onevault.core.windows import NS_PER_S
from onevault.policy.subscriptions import Subscription
from onevault.policy.webhooks import event_document, retry_after_s, signed_headers

INTERVAL_S: Final = 0.5
IN_FLIGHT_MAX: Final = 16
OF_ONE_WEBHOOK_MAX: Final = 4
"""A receiver that hangs holds up no other's deliveries."""
LEASE_S: Final = 90
"""Longer than a try lasts and clocks are apart: a process that dies in between is followed by another."""
LAST_S: Final = 2.0
"""How long tries that are under way may go on at the end."""


class Retries(msgspec.Struct, frozen=True):
    """How often a delivery is tried, and how long after the first try comes the second."""

    first_s: float
    tries_max: int


@dataclass(slots=True)
class Courier:
    """`find` tells where a webhook leads now, `secrets_of` what is signed with, the newest first; `chance` is a number from 0 to 1.

    What became of a delivery is written down before anything else is taken. While the vault is away it waits here; a process that dies
    meanwhile leaves its deliveries to another once their lease is over, and then they are sent again.
    """

    outbox: Outbox
    poster: Poster
    find: Callable[[str], Subscription | None]
    secrets_of: Callable[[Subscription], Awaitable[list[bytes]]]
    clock: Clock
    chance: Callable[[], float]
    retries: Retries
    _under_way: dict[int, tuple[Delivery, asyncio.Task[None]]] = field(default_factory=dict)
    _ended: list[Delivery] = field(default_factory=list)
    _has_ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Goes on forever; begun again, it goes on where it was."""
        while True:
            self._has_ended.clear()
            await self.deliver()
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await self._has_ended.wait()

    async def deliver(self) -> None:
        """Writes down what has ended, and begins to try what is due now. Raises what the store raises."""
        await self._put_back()
        room = IN_FLIGHT_MAX - len(self._under_way)
        if room <= 0:
            return
        now_ns = self.clock.wall_ns()
        taken = await self.outbox.take(
            now_ns=now_ns,
            until_ns=now_ns + LEASE_S * NS_PER_S,
            limit=room,
            each_max=OF_ONE_WEBHOOK_MAX,
            under_way=Counter(delivery.webhook_id for delivery, _ in self._under_way.values()),
        )
        for delivery in taken:
            self._under_way[delivery.number] = delivery, asyncio.create_task(self._try(delivery))

    async def stop(self) -> None:
        """Lets what is under way end for a moment, and gives the rest back. Raises what the store raises."""
        trying = [task for _, task in self._under_way.values()]
        if trying:
            _, late = await asyncio.wait(trying, timeout=LAST_S)
            for task in late:
                task.cancel()
            await asyncio.wait(trying)
        self._ended += [delivery for delivery, _ in self._under_way.values()]
        self._under_way.clear()
        await self._put_back()

    async def _put_back(self) -> None:
        while self._ended:
            await self.outbox.put_back(self._ended[0])
            del self._ended[0]

    async def _try(self, delivery: Delivery) -> None:
        there = self.find(delivery.webhook_id)
        posted = Posted(None, "there is no such webhook any more, or it is switched off")
        if there is not None:
            body = msgspec.json.encode(event_document(delivery.kept))
            try:
                secrets = await self.secrets_of(there)
            except Fault:
                posted = Posted(None, "what it is signed with does not open")
            else:
                headers = signed_headers(
                    secrets, message_id=delivery.kept.notice_id, at_s=self.clock.wall_ns() // NS_PER_S, body=body
                )
                posted = await self.poster.post(there.url, headers=headers, body=body)
        self._ended.append(self._after(delivery, posted, is_over=there is None))
        del self._under_way[delivery.number]
        self._has_ended.set()

    def _after(self, delivery: Delivery, posted: Posted, *, is_over: bool) -> Delivery:
        attempts = delivery.attempts + 1
        now_ns = self.clock.wall_ns()
        state, due_ns, ended_ns = DeliveryState.PENDING, delivery.due_ns, None
        if posted.is_taken:
            state, ended_ns = DeliveryState.DELIVERED, now_ns
        elif is_over or attempts >= self.retries.tries_max:
            state, ended_ns = DeliveryState.DEAD, now_ns
        else:
            wait_s = retry_after_s(attempts, first_s=self.retries.first_s, chance=self.chance())
            due_ns = now_ns + int(wait_s * NS_PER_S)
        return msgspec.structs.replace(
            delivery,
            state=state,
            attempts=attempts,
            due_ns=due_ns,
            last_status=posted.status,
            last_error=posted.error,
            ended_ns=ended_ns,
        )
