"""Jobs beside the calls go on, whatever happens to their store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from onevault.core.notices import Notice, NoticeKind
from onevault.jobs.notices import WAITING_MAX, NoticeQueue
from onevault.jobs.refresh import follow
from onevault.jobs.supervise import kept_going
from onevault.telemetry.metrics import Metrics


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


def test_notices_beyond_what_may_wait_are_dropped_and_counted_where_it_is_scraped() -> None:
    queue = NoticeQueue(lambda: "1")
    metrics = Metrics()
    nothing: Callable[[], float] = float
    metrics.watch(
        in_flight=nothing,
        loader_lag_s=nothing,
        drains_running=nothing,
        drains=dict,
        drained_tokens=nothing,
        ledger_mode=lambda: "local",
        notices_dropped=lambda: queue.dropped,
        notices_waiting=lambda: len(queue.waiting),
    )
    for number in range(WAITING_MAX + 3):
        queue.tell(Notice(kind=NoticeKind.KEY_CREATED, tenant_id="default", at_ns=number))
    scraped = metrics.render().decode().splitlines()
    assert "onevault_notices_dropped_total 3.0" in scraped
    assert f"onevault_notices_waiting {WAITING_MAX:.1f}" in scraped
