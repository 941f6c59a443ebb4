"""The loader brings the journal into the vault exactly once and in order, whatever the vault and the journal do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.contract.vault.calls import (
    NOON_NS,
    SECOND_NS,
    both,
    held_call,
    reset_of,
    settled_call,
    write_segment,
)
from tests.contract.vault.conftest import Ask

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ScopeId, Window
from onevault.core.money import Nanos
from onevault.core.records import Record, Settled
from onevault.stores.journal.frame import framed
from onevault.stores.journal.segment import segments
from onevault.stores.journal.writer import JournalWriter
from onevault.stores.rollup import JournalPosition, ScopeUsage
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.schema import metadata


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def loader(vault: Vault, journal: Path) -> Loader:
    return Loader(vault, journal, batch_records_max=7, interval_ms=5)


async def contents(vault: Vault) -> dict[str, list[Any]]:
    """Every row of every table but the journal's position."""

    def read(connection: Any) -> dict[str, list[Any]]:
        return {
            table.fullname: sorted(map(repr, connection.exec_driver_sql(f"SELECT * FROM {table.fullname}").all()))
            for table in metadata.sorted_tables
            if table.name != "journal_position"
        }

    return await vault.read(read)


async def usage(loader: Loader, scope: str, window: Window) -> tuple[int, int, int, int]:
    """Money, tokens, requests, overshoot of a scope's running window."""
    rows = [row for row in await loader.rollups(NOON_NS) if row.scope == scope and row.window is window]
    assert len(rows) <= 1
    return (rows[0].money, rows[0].tokens, rows[0].requests, rows[0].overshoot) if rows else (0, 0, 0, 0)


async def test_a_settled_call_has_one_row_in_each_of_its_tables_and_one_per_attempt(
    loader: Loader, journal: Path, ask: Ask
) -> None:
    attempt = settled_call(1).attempts[0]
    write_segment(journal, 1, [held_call(1), settled_call(1, attempts=(attempt, attempt, attempt)), held_call(2)])
    await loader.flush()
    counts = [
        (await ask(f"SELECT COUNT(*) FROM gateway.{table}"))[0][0]
        for table in (
            "api_request_h",
            "api_request_s",
            "api_request_detail_s",
            "api_request_attempt_s",
            "api_request_l",
        )
    ]
    assert counts == [1, 1, 1, 3, 1]
    assert await ask("SELECT tenant_bk FROM auth.tenant_h") == [("default",)]
    row = await ask(
        "SELECT c.customer_bk, p.provider_bk, u.user_bk, k.api_key_bk, h.load_date, r.request_timestamp, r.customer_cost "
        "FROM gateway.v_api_request_current AS r JOIN gateway.api_request_h AS h USING (api_request_hk) "
        "JOIN gateway.customer_h AS c ON c.customer_hk = h.customer_hk "
        "JOIN gateway.ai_provider_h AS p ON p.provider_hk = h.provider_hk "
        "JOIN gateway.user_h AS u ON u.user_hk = r.user_hk JOIN gateway.api_key_h AS k ON k.api_key_hk = r.api_key_hk"
    )
    assert row == [
        ("org_1", "openai", "user_1", "key_1", "2026-11-21 12:00:00.501000", "2026-11-21 12:00:00.001000", 0.001000001)
    ]


async def test_a_call_that_reached_no_provider_points_to_the_ghost(loader: Loader, journal: Path, ask: Ask) -> None:
    write_segment(journal, 1, [settled_call(1, provider="", model="", held=False, cost=Nanos(0), attempts=())])
    await loader.flush()
    assert await ask(
        "SELECT provider_bk FROM gateway.api_request_h JOIN gateway.ai_provider_h USING (provider_hk)"
    ) == [("(none)",)]
    assert await loader.rollups(NOON_NS) == []


@pytest.mark.parametrize("batch_records_max", [1, 2, 7, 1000])
async def test_loading_the_same_journal_again_from_its_beginning_changes_nothing(
    vault: Vault, journal: Path, batch_records_max: int
) -> None:
    write_segment(journal, 1, [*both(range(20)), reset_of("key:key_1", NOON_NS + SECOND_NS // 2 + 6_000_000)])
    write_segment(journal, 2, both(range(20, 30)))
    await Loader(vault, journal).flush()
    before = await contents(vault)
    await vault.write(lambda connection: connection.exec_driver_sql("DELETE FROM gateway.journal_position"))
    again = Loader(vault, journal, batch_records_max=batch_records_max)
    await again.flush()
    assert await contents(vault) == before
    assert (await again.position()).segment == segments(journal)[-1].name


async def test_a_journal_in_which_some_calls_are_new_adds_only_those(
    vault: Vault, journal: Path, tmp_path: Path
) -> None:
    write_segment(tmp_path / "whole", 1, both(range(20)))
    write_segment(journal, 1, both(range(0, 20, 2)))
    await Loader(vault, journal).flush()
    await vault.write(lambda connection: connection.exec_driver_sql("DELETE FROM gateway.journal_position"))
    loader = Loader(vault, tmp_path / "whole")
    await loader.flush()
    money, _, requests, _ = await usage(loader, "org:org_0", Window.TOTAL)
    expected = [settled_call(number).cost for number in range(20) if settled_call(number).caller.org_id == "org_0"]
    assert (money, requests) == (sum(expected), len(expected))


@pytest.mark.parametrize("batch_records_max", [1, 2, 1000])
async def test_a_second_settlement_of_a_call_changes_nothing(
    vault: Vault, journal: Path, ask: Ask, batch_records_max: int
) -> None:
    second = settled_call(1, cost=Nanos(99), settled_ns=NOON_NS + 9 * SECOND_NS)
    write_segment(journal, 1, [held_call(1), settled_call(1), second])
    loader = Loader(vault, journal, batch_records_max=batch_records_max)
    await loader.flush()
    assert await ask("SELECT cost_nanos FROM gateway.api_request_detail_s") == [(1_000_001,)]
    assert (await usage(loader, "key:key_1", Window.TOTAL))[0] == 1_000_001


async def test_rollups_are_the_sums_of_the_calls_by_scope_and_window(vault: Vault, journal: Path) -> None:
    records = [
        settled_call(
            number, started_ns=NOON_NS - number * 6 * 3600 * SECOND_NS, time_zone=zone, amount_held=Nanos(1_000_005)
        )
        for number, zone in enumerate(["UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kolkata"] * 5)
    ]
    write_segment(journal, 1, records)
    loader = Loader(vault, journal, batch_records_max=3)
    await loader.flush()
    totals: Counter[ScopeId] = Counter()
    overshoots: Counter[ScopeId] = Counter()
    for record in records:
        for scope in record.scopes:
            totals[scope] += record.cost
            overshoots[scope] += max(0, record.cost - record.amount_held)
    found = {row.scope: row for row in await loader.rollups(NOON_NS) if row.window is Window.TOTAL}
    assert {scope: row.money for scope, row in found.items()} == dict(totals)
    assert {scope: row.overshoot for scope, row in found.items() if row.overshoot} == {
        scope: excess for scope, excess in overshoots.items() if excess
    }


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "2026-11-21"), ("Pacific/Kiritimati", "2026-11-22"), ("America/Adak", "2026-11-21")]
)
async def test_rollups_of_every_day_that_is_running_somewhere_are_told(
    loader: Loader, journal: Path, zone: str, day: str
) -> None:
    write_segment(
        journal, 1, [settled_call(1, time_zone=zone), settled_call(2, started_ns=NOON_NS - 50 * 24 * 3600 * SECOND_NS)]
    )
    await loader.flush()
    labels = {(row.window, row.label) for row in await loader.rollups(NOON_NS) if row.scope == "key:key_1"}
    assert labels == {(Window.DAY, day), (Window.MONTH, "2026-11"), (Window.TOTAL, "")}
    old = {row.window for row in await loader.rollups(NOON_NS) if row.scope == "key:key_2"}
    assert old == {Window.TOTAL}


RESET_NS = NOON_NS + 10 * SECOND_NS
RESET_STORY: tuple[Record, ...] = (
    settled_call(0, settled_ns=RESET_NS - SECOND_NS),
    reset_of("key:key_0", RESET_NS),
    settled_call(5, settled_ns=RESET_NS + 1),
    settled_call(10, settled_ns=RESET_NS),
)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=lambda order: "".join(map(str, order)))
@pytest.mark.parametrize("batch_records_max", [1, 2, 4])
async def test_a_reset_sets_day_and_month_back_in_whichever_order_the_records_come(
    vault: Vault, journal: Path, ask: Ask, order: tuple[int, ...], batch_records_max: int
) -> None:
    write_segment(journal, 1, [RESET_STORY[index] for index in order])
    loader = Loader(vault, journal, batch_records_max=batch_records_max)
    await loader.flush()
    after = (1_000_005, 105, 1, 0)
    assert await usage(loader, "key:key_0", Window.DAY) == after
    assert await usage(loader, "key:key_0", Window.MONTH) == after
    assert await usage(loader, "key:key_0", Window.TOTAL) == (3_000_015, 315, 3, 0)
    assert await usage(loader, "user:user_0", Window.DAY) == (3_000_015, 315, 3, 0)
    assert await ask("SELECT COUNT(*) FROM gateway.api_request_s") == [(3,)]
    assert await ask("SELECT scope, reset_ns FROM gateway.quota_reset_s") == [("key:key_0", RESET_NS)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_resets_the_later_one_counts(loader: Loader, journal: Path, order: tuple[int, int]) -> None:
    resets = [reset_of("key:key_0", RESET_NS, reset_id="early"), reset_of("key:key_0", RESET_NS + 5, reset_id="late")]
    write_segment(journal, 1, [settled_call(0, settled_ns=RESET_NS + 3), *(resets[index] for index in order)])
    await loader.flush()
    assert await usage(loader, "key:key_0", Window.DAY) == (0, 0, 0, 0)


async def test_a_torn_tail_of_a_finished_segment_is_stepped_over(loader: Loader, journal: Path) -> None:
    whole = framed(settled_call(2))
    write_segment(journal, 1, both([1]), tail=whole[: len(whole) // 2])
    write_segment(journal, 2, both([3]))
    await loader.flush()
    assert loader.last_error == ""
    assert (await usage(loader, "org:org_1", Window.TOTAL))[2] == 2


async def test_a_record_that_is_still_being_written_is_loaded_when_it_is_whole(loader: Loader, journal: Path) -> None:
    whole = framed(settled_call(1))
    path = write_segment(journal, 1, [held_call(1)], tail=whole[:20])
    await loader.flush()
    assert await usage(loader, "key:key_1", Window.TOTAL) == (0, 0, 0, 0)
    with path.open("ab") as file:
        file.write(whole[20:])
    await loader.flush()
    assert (await usage(loader, "key:key_1", Window.TOTAL))[0] == 1_000_001


async def test_damage_before_whole_records_is_told_and_not_stepped_over(loader: Loader, journal: Path) -> None:
    damaged = bytearray(framed(settled_call(2)))
    damaged[-1] ^= 0xFF
    path = write_segment(journal, 1, both([1]), tail=bytes(damaged))
    sound = path.stat().st_size - len(damaged)
    write_segment(journal, 1, both([3]))
    with pytest.raises(Fault) as refusal:
        await loader.flush(timeout_s=0.3)
    assert refusal.value.kind is FaultKind.STORE_UNAVAILABLE
    assert f"damaged from byte {sound}" in loader.last_error
    assert await loader.position() == JournalPosition(path.name, sound)
    assert (await usage(loader, "key:key_1", Window.TOTAL))[0] == 1_000_001
    assert await usage(loader, "key:key_3", Window.TOTAL) == (0, 0, 0, 0)


async def test_a_vault_locked_by_another_program_delays_loading_and_loses_nothing(
    loader: Loader, journal: Path, tmp_path: Path, database_url: str
) -> None:
    running = asyncio.create_task(loader.run())
    intruder: Any = (
        psycopg.connect(database_url, autocommit=True)
        if database_url
        else sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    )
    intruder.execute("BEGIN" if database_url else "BEGIN IMMEDIATE")
    if database_url:
        intruder.execute("LOCK TABLE gateway.journal_position IN EXCLUSIVE MODE")
    write_segment(journal, 1, both(range(40)))
    await asyncio.sleep(1.5)
    assert "lock" in loader.last_error
    assert loader.lag_s > 1
    assert (await usage(loader, "org:org_0", Window.TOTAL))[2] == 0
    intruder.execute("ROLLBACK")
    intruder.close()
    await loader.flush()
    assert loader.last_error == ""
    assert loader.lag_s == 0
    requests = [(await usage(loader, f"org:org_{number}", Window.TOTAL))[2] for number in (0, 1)]
    assert sum(requests) == 40
    running.cancel()
    await asyncio.wait((running,))


async def test_two_loaders_of_one_vault_load_each_call_once(vault: Vault, journal: Path, ask: Ask) -> None:
    write_segment(journal, 1, both(range(200)))
    loaders = [Loader(vault, journal, batch_records_max=10, interval_ms=1) for _ in range(2)]
    await asyncio.gather(*(loader.flush() for loader in loaders))
    await asyncio.gather(*(loader.flush() for loader in loaders))
    assert await ask("SELECT COUNT(*), SUM(cost_nanos) FROM gateway.api_request_detail_s") == [
        (200, sum(settled_call(number).cost for number in range(200)))
    ]
    assert sum([(await usage(loaders[0], f"org:org_{number}", Window.TOTAL))[2] for number in (0, 1)]) == 200


async def test_a_running_loader_follows_the_writer_and_retires_what_is_loaded(
    vault: Vault, journal: Path, ask: Ask
) -> None:
    writer = JournalWriter(journal, durability="os", segment_bytes_max=4096)
    loader = Loader(vault, journal, interval_ms=5)
    running = asyncio.create_task(loader.run())
    for number in range(100):
        await writer.append(held_call(number))
        await writer.append(settled_call(number))
    await loader.flush()
    assert await ask("SELECT COUNT(*) FROM gateway.api_request_s") == [(100,)]
    running.cancel()
    await asyncio.wait((running,))
    for number in range(100, 200):
        await writer.append(settled_call(number))
    await writer.close()
    assert len(segments(journal)) > 2
    at_start = Loader(vault, journal, interval_ms=5)
    running = asyncio.create_task(at_start.run())
    async with asyncio.timeout(5):
        while len(segments(journal)) > 1:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait((running,))
    assert at_start.last_error == ""


async def test_a_segment_with_a_call_in_flight_is_not_retired(vault: Vault, journal: Path) -> None:
    write_segment(journal, 1, [held_call(1)])
    write_segment(journal, 2, both([2]))
    write_segment(journal, 3, both([3]))
    loader = Loader(vault, journal, interval_ms=5)
    running = asyncio.create_task(loader.run())
    async with asyncio.timeout(5):
        while len(segments(journal)) == 3:
            await asyncio.sleep(0.01)
    assert [segment.sequence for segment in segments(journal)] == [1, 3]
    running.cancel()
    await asyncio.wait((running,))


async def test_what_stands_at_a_moment_is_told_with_the_position_it_belongs_to(loader: Loader, journal: Path) -> None:
    path = write_segment(journal, 1, both([1]))
    await loader.flush()
    rows, position = await loader.standing(NOON_NS)
    assert ScopeUsage(ScopeId("key:key_1"), Window.TOTAL, "", 1_000_001, 101, 1, 0) in rows
    assert position == JournalPosition(path.name, path.stat().st_size)


async def test_an_empty_journal_is_loaded_at_once(loader: Loader) -> None:
    await loader.flush()
    assert await loader.position() == JournalPosition()


async def test_names_longer_than_their_columns_are_cut_there_and_kept_whole_beside(
    loader: Loader, journal: Path, ask: Ask
) -> None:
    record: Settled = settled_call(1, model="m" * 300, route_reason="r" * 300)
    write_segment(journal, 1, [record])
    await loader.flush()
    assert await ask("SELECT LENGTH(model_used), LENGTH(route_reason) FROM gateway.api_request_s") == [(100, 100)]
    assert await ask("SELECT model, route_reason FROM gateway.api_request_detail_s") == [("m" * 300, "r" * 300)]
