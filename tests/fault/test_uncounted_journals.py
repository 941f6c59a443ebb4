"""A journal whose settlements the shared ledger has not taken stays where it is, however far the vault has loaded it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onevault.bootstrap import shared
from onevault.bootstrap.stores import Stores
from onevault.bootstrap.system import SystemClock
from onevault.config.load import load
from onevault.core.faults import Fault
from onevault.core.identity import ScopeId
from onevault.core.notices import Notice
from onevault.stores.journal.places import worker_place
from onevault.stores.journal.segment import segments
from onevault.stores.sql import loader
from tests.contract.vault.calls import held_call, settled_call, write_segment
from tests.support.patience import PATIENCE_S
from tests.support.redis_server import RedisServer

WITHIN_S = PATIENCE_S
ORG = ScopeId("org:org_1")


class NobodyAsks:
    """Implements `ports.Notices` for a test that is about something else."""

    def tell(self, notice: Notice) -> None:
        pass


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer(keep=True)
    try:
        yield server.start()
    finally:
        server.remove()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.02)


async def spent(stores: Stores, now_ns: int) -> int:
    """As soon as the shared ledger answers with something."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                figures = await stores.ledger.figures(ORG, time_zone="UTC", now_ns=now_ns)
            except Fault:
                await asyncio.sleep(0.05)
                continue
            if figures.spent_total:
                return figures.spent_total
            await asyncio.sleep(0.05)


async def test_what_a_killed_worker_left_is_not_deleted_before_the_shared_ledger_has_it(
    tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_FIRST_TRY_S", 0.2)
    monkeypatch.setattr(loader, "RETIRE_INTERVAL_S", 0.1)
    settings = load(None, {"ONEVAULT_DATA_DIR": str(tmp_path), "ONEVAULT_REDIS_URL": redis.url})
    journal = worker_place(tmp_path, 1).directory
    now_ns = time.time_ns()
    async with shared.open_shared(settings, SystemClock(), NobodyAsks(), worker=1):
        pass  # the store is filled, and this journal counted for it
    redis.kill()
    left = settled_call(1, started_ns=now_ns)
    open_hold = held_call(3, started_ns=now_ns)
    killed = write_segment(
        journal, segments(journal)[-1].sequence + 1, [held_call(1, started_ns=now_ns), left, open_hold]
    )
    async with shared.open_shared(settings, SystemClock(), NobodyAsks(), worker=1) as stores:
        await until(lambda: stores.loader.records_loaded == 2)
        await stores.journal.append(settled_call(5, started_ns=now_ns, held=False, cost=0))
        # The loader goes round: by now it has once looked for what may be deleted.
        await until(lambda: stores.loader.records_loaded == 3)
        assert killed.exists()
        redis.start()
        assert await spent(stores, now_ns) == left.cost + open_hold.amount
        await until(lambda: not killed.exists())
