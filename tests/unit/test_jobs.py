"""Jobs beside the calls go on, whatever happens to their store."""

from __future__ import annotations

import asyncio

from onevault.jobs.refresh import follow
from onevault.jobs.supervise import kept_going


class QuickClock:
    """Waits for nothing but the next turn of the loop."""

    def wall_ns(self) -> int:
        return 0

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def test_identities_are_followed_again_after_their_store_was_away() -> None:
    asked = 0
    caught_up = asyncio.Event()

    async def catch_up() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError("the store is away")
        if asked == 5:
            caught_up.set()

    async def job() -> None:
        await follow(catch_up, QuickClock())

    running = asyncio.create_task(kept_going("identities", job, QuickClock()))
    await asyncio.wait_for(caught_up.wait(), 5)
    running.cancel()
    await asyncio.wait((running,))
