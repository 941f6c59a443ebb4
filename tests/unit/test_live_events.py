"""Who listens too slowly is told so, and costs no more memory than its bound; nobody's events are handed to another."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from onevault.bootstrap.system import SystemClock
from onevault.core.delivery import Told
from onevault.core.faults import Fault, FaultKind
from onevault.core.notices import Notice, NoticeKind
from onevault.jobs.live_events import OF_ONE_ORGANIZATION_MAX, WAITING_MAX, LiveEvents
from onevault.stores.sql.engine import open_vault
from onevault.stores.sql.notices import VaultNotices


def told(number: int, org_id: str | None) -> Told:
    notice = Notice(kind=NoticeKind.BUDGET_THRESHOLD, tenant_id="default", org_id=org_id, at_ns=number)
    return Told(f"ntc_{org_id}_{number}", notice)


async def test_a_slow_listener_is_behind_and_one_of_another_organization_hears_nothing(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as vault:
        notices = VaultNotices(vault)
        live = LiveEvents(notices, SystemClock(), "default")
        async with (
            live.listening("org_1", kinds=None, after=None) as slow,
            live.listening("org_2", kinds=None, after=None) as other,
            live.listening("org_1", kinds={"key.created"}, after=None) as choosy,
        ):
            await notices.keep([told(n, "org_1") for n in range(WAITING_MAX + 1)] + [told(0, None)], now_ns=1)
            while await live.look():
                pass
            assert slow.is_behind
            got = await slow.next(timeout_s=5)
            assert [kept.notice_id for kept in got] == [f"ntc_org_1_{n}" for n in range(WAITING_MAX)]
            for idle in (other, choosy):
                assert not idle.is_behind
                assert await idle.next(timeout_s=0.01) == []
        async with live.listening("org_1", kinds=None, after=f"ntc_org_1_{WAITING_MAX - 1}") as again:
            assert [kept.notice_id for kept in await again.next(timeout_s=5)] == [f"ntc_org_1_{WAITING_MAX}"]


async def test_what_happens_between_the_backlog_and_now_is_heard_once_and_in_order(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as vault:
        notices = VaultNotices(vault)
        live = LiveEvents(notices, SystemClock(), "default")
        await notices.keep([told(n, "org_1") for n in range(250)], now_ns=1)
        heard: list[str] = []
        async with live.listening("org_1", kinds=None, after="ntc_org_1_9") as listener:
            for number in range(250, 300):
                await notices.keep([told(number, "org_1")], now_ns=1)
                await live.look()
                heard += [kept.notice_id for kept in await listener.next(timeout_s=0.01)]
            while got := await listener.next(timeout_s=0.05):
                heard += [kept.notice_id for kept in got]
        assert heard == [f"ntc_org_1_{n}" for n in range(10, 300)]


async def test_an_organization_that_listens_too_often_is_refused_until_one_ends(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as vault, AsyncExitStack() as stack:
        live = LiveEvents(VaultNotices(vault), SystemClock(), "default")
        async with live.listening("org_1", kinds=None, after=None):
            for _ in range(OF_ONE_ORGANIZATION_MAX - 1):
                await stack.enter_async_context(live.listening("org_1", kinds=None, after=None))
            with pytest.raises(Fault) as refusal:
                await stack.enter_async_context(live.listening("org_1", kinds=None, after=None))
            assert refusal.value.kind is FaultKind.RATE_LIMITED
            await stack.enter_async_context(live.listening("org_2", kinds=None, after=None))
        await stack.enter_async_context(live.listening("org_1", kinds=None, after=None))
