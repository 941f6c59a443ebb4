"""Takes notices at once, and brings them into the vault in batches."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from onevault.core.delivery import NoticeStore, Told
from onevault.core.notices import Notice
from onevault.core.ports import Clock, IdSource
from onevault.policy.subscriptions import Subscriptions

WAITING_MAX: Final = 10_000
BATCH_MAX: Final = 200
INTERVAL_S: Final = 0.2
FORGET_EVERY_S: Final = 3_600.0
KEPT_S: Final = 90 * 24 * 3600


@dataclass(slots=True)
class NoticeQueue:
    """Implements `ports.Notices`.

    While the vault is away notices wait in this process's memory, `WAITING_MAX` of them at most; those beyond are dropped and counted
    in `dropped`. A process that is killed loses what waits, which is a fifth of a second's while the vault answers.
    """

    ids: IdSource
    dropped: int = 0
    waiting: deque[tuple[str, Notice]] = field(default_factory=deque)

    def tell(self, notice: Notice) -> None:
        """As `ports.Notices.tell`."""
        if len(self.waiting) >= WAITING_MAX:
            self.dropped += 1
        else:
            self.waiting.append((f"ntc_{self.ids()}", notice))


@dataclass(frozen=True, slots=True)
class NoticeKeeper:
    """Brings what waits into the vault; `subscriptions` says which webhooks want which."""

    queue: NoticeQueue
    store: NoticeStore
    subscriptions: Subscriptions
    clock: Clock

    async def flush(self) -> None:
        """Raises what the vault's driver raises; then all that is not there yet still waits."""
        waiting = self.queue.waiting
        while waiting:
            batch = [
                Told(each, notice, self.subscriptions.wanting(notice)) for each, notice in islice(waiting, BATCH_MAX)
            ]
            await self.store.keep(batch, now_ns=self.clock.wall_ns())
            for _ in batch:
                waiting.popleft()

    async def run(self) -> None:
        """Goes on forever; begun again, it goes on where it was."""
        forget_at_s = self.clock.monotonic_s()
        while True:
            await self.flush()
            if self.clock.monotonic_s() >= forget_at_s:
                forget_at_s = self.clock.monotonic_s() + FORGET_EVERY_S
                await self.store.forget(before_ns=self.clock.wall_ns() - KEPT_S * 1_000_000_000)
            await self.clock.sleep(INTERVAL_S)
