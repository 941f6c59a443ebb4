"""Jobs beside the calls go on, whatever happens to their store."""

from __future__ import annotations

import asyncio

from onevault.core.faults import Fault
from onevault.core.identity import Tenant
from onevault.core.ports import Changes, Snapshot
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


class MovingDirectory:
    """A directory that fails at its second question and has changed after that."""

    def __init__(self) -> None:
        self.asked = 0

    async def changes(self, since: int) -> Changes:
        self.asked += 1
        if self.asked == 2:
            raise OSError("the store is away")
        return Changes(1, ()) if self.asked < 5 else Changes(2, (Tenant(tenant_id="default"),))

    async def snapshot(self) -> Snapshot:
        raise AssertionError("the whole is never read again")

    async def put(self, change: object) -> None:
        raise AssertionError("nothing is changed here")

    async def put_each(self, changes: object) -> list[Fault | None]:
        raise AssertionError("nothing is changed here")


async def test_identities_are_followed_again_after_their_store_was_away() -> None:
    applied = asyncio.Event()
    directory = MovingDirectory()

    async def job() -> None:
        await follow(directory, lambda _: applied.set(), QuickClock(), version=1)

    running = asyncio.create_task(kept_going("identities", job, QuickClock()))
    await asyncio.wait_for(applied.wait(), 5)
    running.cancel()
    await asyncio.wait((running,))
    assert directory.asked >= 5
