"""Delivers notices to webhooks: signed, again and again for hours, then given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from onevault.core.delivery import Delivery, DeliveryState, Outbox, Posted, Poster
from onevault.core.identity import Organization
from onevault.core.ports import Clock
from onevault.core.windows import NS_PER_S
from onevault.policy.webhooks import event_document, own_subscription, retry_after_s, signed_headers

INTERVAL_S: Final = 0.5
IN_FLIGHT_MAX: Final = 8
OF_ONE_WEBHOOK_MAX: Final = 2
"""A receiver that hangs holds up no other's deliveries."""
LEASE_S: Final = 60
"""Longer than a try lasts: a process that dies in between is followed by another."""
TRIES_MAX: Final = 9
FIRST_RETRY_S: Final = 5.0
"""With `RETRY_FACTOR` and its bound the ninth try is about sixteen hours after the first."""


@dataclass(slots=True)
class Courier:
    """`secrets_of` derives the secrets of a webhook, the newest first; `chance` is a number from 0 to 1."""

    outbox: Outbox
    poster: Poster
    organization: Callable[[str], Organization | None]
    secrets_of: Callable[[str], list[bytes]]
    clock: Clock
    chance: Callable[[], float]

    async def run(self) -> None:
        while True:
            await self.deliver()
            await self.clock.sleep(INTERVAL_S)

    async def deliver(self) -> None:
        """Tries what is due now."""
        now_ns = self.clock.wall_ns()
        until_ns = now_ns + LEASE_S * NS_PER_S
        taken = await self.outbox.take(
            now_ns=now_ns, until_ns=until_ns, limit=IN_FLIGHT_MAX, each_max=OF_ONE_WEBHOOK_MAX
        )
        async with asyncio.TaskGroup() as trying:
            for delivery in taken:
                trying.create_task(self._try(delivery))

    async def _try(self, delivery: Delivery) -> None:
        own = own_subscription(self.organization(delivery.webhook_id))
        posted = Posted(None, "there is no such webhook any more")
        if own is not None:
            body = msgspec.json.encode(event_document(delivery.kept))
            headers = signed_headers(
                self.secrets_of(own.webhook_id),
                message_id=delivery.kept.notice_id,
                at_s=self.clock.wall_ns() // NS_PER_S,
                body=body,
            )
            posted = await self.poster.post(own.url, headers=headers, body=body)
        await self.outbox.put_back(self._after(delivery, posted, is_over=own is None))

    def _after(self, delivery: Delivery, posted: Posted, *, is_over: bool) -> Delivery:
        attempts = delivery.attempts + 1
        now_ns = self.clock.wall_ns()
        state, due_ns, ended_ns = DeliveryState.PENDING, delivery.due_ns, None
        if posted.is_taken:
            state, ended_ns = DeliveryState.DELIVERED, now_ns
        elif is_over or attempts >= TRIES_MAX:
            state, ended_ns = DeliveryState.DEAD, now_ns
        else:
            wait_s = retry_after_s(attempts, first_s=FIRST_RETRY_S, chance=self.chance())
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
