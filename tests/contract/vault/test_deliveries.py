"""Deliveries are with one process at a time on every engine, come back when their lease is over, and end once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from tests.contract.vault.calls import NOON_NS, both, write_segment

from onevault.core.delivery import DeliveryState, Standing, Told
from onevault.core.identity import Window
from onevault.core.notices import Notice, NoticeKind
from onevault.stores.sql.deliveries import VaultDeliveries
from onevault.stores.sql.engine import Vault, open_vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.notices import VaultNotices
from onevault.stores.sql.standings import VaultStandings

LEASE_NS = 60_000_000_000


def told(number: int, *webhook_ids: str) -> Told:
    notice = Notice(kind=NoticeKind.WEBHOOK_TEST, tenant_id="default", at_ns=NOON_NS + number)
    return Told(f"ntc_{number}", notice, webhook_ids)


async def kept(vault: Vault, *notices: Told) -> VaultDeliveries:
    await VaultNotices(vault).keep(notices, now_ns=NOON_NS)
    return VaultDeliveries(vault)


async def test_processes_that_take_at_the_same_time_never_take_the_same(
    vault: Vault, tmp_path: Path, database_url: str
) -> None:
    await kept(vault, *(told(number, "whk_1", "whk_2") for number in range(25)))
    async with open_vault(tmp_path, database_url=database_url) as another:
        takers = [VaultDeliveries(vault), VaultDeliveries(another)]

        async def all_of(taker: VaultDeliveries) -> list[int]:
            mine: list[int] = []
            while some := await taker.take(
                now_ns=NOON_NS, until_ns=NOON_NS + LEASE_NS, limit=5, each_max=5, under_way={}
            ):
                mine += [delivery.number for delivery in some]
            return mine

        first, second = await asyncio.gather(*map(all_of, takers))
    assert sorted(first + second) == sorted({*first, *second})
    assert len(first + second) == 50


async def test_what_was_not_put_back_is_anybodys_once_the_lease_is_over(vault: Vault) -> None:
    deliveries = await kept(vault, told(1, "whk_1"))
    lease = {"limit": 5, "each_max": 5, "under_way": {}, "until_ns": NOON_NS + LEASE_NS}
    (delivery,) = await deliveries.take(now_ns=NOON_NS, **lease)  # type: ignore[arg-type]
    assert await deliveries.take(now_ns=NOON_NS + LEASE_NS - 1, **lease) == []  # type: ignore[arg-type]
    (again,) = await deliveries.take(now_ns=NOON_NS + LEASE_NS, **lease)  # type: ignore[arg-type]
    assert again == delivery
    await deliveries.put_back(msgspec.structs.replace(again, state=DeliveryState.DELIVERED, attempts=1))
    assert await deliveries.take(now_ns=NOON_NS + 9 * LEASE_NS, **lease) == []  # type: ignore[arg-type]


async def test_a_webhook_at_its_bound_hides_nobody_elses_deliveries(vault: Vault) -> None:
    deliveries = await kept(vault, *(told(number, "whk_1") for number in range(250)), told(999, "whk_2"))
    until_ns = NOON_NS + LEASE_NS
    some = await deliveries.take(now_ns=NOON_NS, until_ns=until_ns, limit=10, each_max=2, under_way={})
    assert [delivery.webhook_id for delivery in some] == ["whk_1"] * 2
    rest = await deliveries.take(now_ns=NOON_NS, until_ns=until_ns, limit=10, each_max=2, under_way={"whk_1": 2})
    assert [delivery.webhook_id for delivery in rest] == ["whk_2"]


async def test_deliveries_are_listed_page_by_page_and_only_dead_ones_begin_again(vault: Vault) -> None:
    deliveries = await kept(vault, *(told(number, "whk_1", "whk_2") for number in range(5)))
    first = await deliveries.page("whk_1", state=None, after=None, limit=3)
    rest = await deliveries.page("whk_1", state=None, after=first[-1].number, limit=3)
    assert [each.kept.notice_id for each in first + rest] == [f"ntc_{number}" for number in (4, 3, 2, 1, 0)]
    one = first[0]
    assert not await deliveries.again("whk_1", one.number, now_ns=NOON_NS)
    await deliveries.put_back(msgspec.structs.replace(one, state=DeliveryState.DEAD, attempts=9, ended_ns=NOON_NS))
    (dead,) = await deliveries.page("whk_1", state=DeliveryState.DEAD, after=None, limit=3)
    assert dead.attempts == 9
    assert not await deliveries.again("whk_2", one.number, now_ns=NOON_NS)
    assert await deliveries.again("whk_1", one.number, now_ns=NOON_NS + 5)
    assert not await deliveries.again("whk_1", one.number, now_ns=NOON_NS + 5)
    begun = await deliveries.find("whk_1", one.number)
    assert begun is not None
    assert (begun.state, begun.attempts, begun.due_ns, begun.ended_ns) == (DeliveryState.PENDING, 0, NOON_NS + 5, None)
    assert await deliveries.find("whk_2", one.number) is None


async def test_what_scopes_have_used_and_what_was_told_of_it_is_read_page_by_page(vault: Vault, tmp_path: Path) -> None:
    write_segment(tmp_path / "journal", 1, both(range(20)))
    await Loader(vault, tmp_path / "journal").flush()
    standings = VaultStandings(vault)
    found: list[Standing] = []
    while some := await standings.page(Window.MONTH, "2026-11", after=found[-1].scope if found else "", limit=2):
        found += some
    scopes = [each.scope for each in found]
    assert scopes == sorted(set(scopes))
    used = found[0]
    assert used.requests > 0
    assert used.spent > 0
    assert used.tokens > 0
    assert await standings.page(Window.MONTH, "2026-10", after="", limit=2) == []
    await VaultNotices(vault).keep([Told("ntc_1", msgspec.structs.replace(told(1).notice, once="one"))], now_ns=NOON_NS)
    assert await standings.told("default", ["one", "two", *map(str, range(1_200))]) == {"one"}
    assert await standings.told("another", ["one"]) == set()
