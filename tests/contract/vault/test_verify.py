"""`verdict` on real vaults of every engine, with real journals and a real Redis: what agrees, what goes on meanwhile, what was changed."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from redis import Redis
from sqlalchemy import Connection
from tests.contract.vault.calls import NOON_NS, SECOND_NS, both, held_call, reset_of, settled_call, write_segment
from tests.support.redis_server import shared_redis

from onevault.bootstrap.system import SystemClock
from onevault.bootstrap.verify import SharedBooks
from onevault.core.records import Held, Settled
from onevault.stores.journal.frame import framed
from onevault.stores.journal.segment import segments
from onevault.stores.reconcile import count_grace, filled, filling_of
from onevault.stores.redis.engine import RedisEngine, open_redis
from onevault.stores.sql.dialects import POSTGRESQL
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import Loader
from onevault.stores.verify.journal import RetainedJournal
from onevault.stores.verify.shared import SharedLedger
from onevault.stores.verify.verdict import verdict
from onevault.stores.verify.words import Kind, Verdict

TENANT = "default"
CALLS = 60
Verify = Callable[..., Awaitable[Verdict]]


@pytest.fixture
def journal(tmp_path: Path) -> RetainedJournal:
    """The journal of this process: what stands in a segment of its own is held by one that runs."""
    return RetainedJournal("journal", tmp_path / "journal", os.getpid())


@pytest.fixture
def loader(vault: Vault, journal: RetainedJournal) -> Loader:
    return Loader(vault, journal.directory, batch_records_max=7)


def running(journal: RetainedJournal, *records: Held | Settled) -> None:
    """Records of a process that runs: this one."""
    journal.directory.mkdir(exist_ok=True)
    with (journal.directory / f"{9:020d}-{os.getpid()}.journal").open("ab") as file:
        for record in records:
            file.write(framed(record))


def kinds(found: Verdict) -> set[Kind]:
    return {difference.kind for difference in found.differences}


async def test_a_vault_at_rest_agrees_and_each_call_and_record_is_counted(
    vault: Vault, loader: Loader, journal: RetainedJournal
) -> None:
    write_segment(
        journal.directory, 1, [*both(range(CALLS)), reset_of("key:key_0", NOON_NS + SECOND_NS), held_call(CALLS)]
    )
    await loader.flush()
    write_segment(journal.directory, 2, both(range(CALLS + 1, CALLS + 3)))
    found = await verdict(vault, [journal])
    assert found.differences == ()
    assert (found.calls, found.waiting_calls, found.held_calls) == (CALLS, 2, 1)
    assert found.settled_nanos == sum(settled_call(number).cost for number in range(CALLS))
    assert found.records == 2 * CALLS + 2 + 4
    assert found.sums > 0
    assert (found.shared_scopes, found.shared_held_calls) == (None, None)


async def test_a_vault_that_is_being_written_agrees_at_every_moment(
    vault: Vault, loader: Loader, journal: RetainedJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Steps so small that many batches are loaded between two of them.
    monkeypatch.setattr("onevault.stores.verify.vault.CALLS_AT_ONCE", 5)

    async def write() -> None:
        for number in range(40):
            write_segment(journal.directory, 1, both(range(10 * number, 10 * number + 10)))
            await loader.flush(timeout_s=30)

    writing = asyncio.create_task(write())
    calls = [0]
    while not writing.done():
        found = await verdict(vault, [journal])
        assert found.differences == ()
        calls.append(found.calls)
        await asyncio.sleep(0)
    await writing
    assert calls == sorted(calls)
    assert (await verdict(vault, [journal])).calls == 400


async def test_a_text_that_postgresql_cannot_hold_is_no_difference(
    vault: Vault, loader: Loader, journal: RetainedJournal
) -> None:
    write_segment(journal.directory, 1, [settled_call(1, model="odd\0name"), settled_call(2)])
    await loader.flush()
    found = await verdict(vault, [journal])
    assert (found.calls, found.differences) == (2, ())


ONE = "(SELECT api_request_hk FROM gateway.api_request_h WHERE api_request_bk = '00000000000000000000000000000007')"
CHANGED = {
    "UPDATE gateway.scope_usage SET money_nanos = money_nanos + 1 WHERE time_window = 'total'": {Kind.SCOPE_SUM},
    "DELETE FROM gateway.scope_usage WHERE time_window = 'day'": {Kind.SCOPE_SUM},
    "UPDATE gateway.model_usage SET output_tokens = output_tokens + 1": {Kind.MODEL_SUM},
    f"UPDATE gateway.api_request_detail_s SET cost_nanos = 1 WHERE api_request_hk = {ONE}": {
        Kind.ALTERED,
        Kind.SCOPE_SUM,
        Kind.MODEL_SUM,
    },
    f"DELETE FROM gateway.api_request_detail_s WHERE api_request_hk = {ONE}": {
        Kind.LOST,
        Kind.SCOPE_SUM,
        Kind.MODEL_SUM,
    },
    "UPDATE gateway.api_request_h SET api_request_bk = 'x' WHERE api_request_bk = '00000000000000000000000000000007'": {
        Kind.ALTERED,
        Kind.LOST,
    },
    "DELETE FROM gateway.quota_reset_s": {Kind.LOST, Kind.SCOPE_SUM},
}


@pytest.mark.parametrize("statement", CHANGED)
async def test_what_was_changed_in_the_vault_is_told(
    vault: Vault, loader: Loader, journal: RetainedJournal, statement: str
) -> None:
    write_segment(journal.directory, 1, [*both(range(20)), reset_of("key:key_0", NOON_NS + 5 * SECOND_NS)])
    await loader.flush()
    assert (await verdict(vault, [journal])).agrees

    def change(connection: Connection) -> None:
        if connection.dialect.name == POSTGRESQL:
            connection.exec_driver_sql("SET session_replication_role = replica")
        else:
            for (name,) in connection.exec_driver_sql(
                "SELECT name FROM gateway.sqlite_master WHERE type = 'trigger'"
            ).all():
                connection.exec_driver_sql(f"DROP TRIGGER gateway.{name}")
        assert connection.exec_driver_sql(statement).rowcount > 0

    await vault.write(change)
    found = await verdict(vault, [journal])
    assert kinds(found) == CHANGED[statement], found.differences


async def test_a_settlement_that_was_cut_out_of_the_journal_is_missed(
    vault: Vault, loader: Loader, journal: RetainedJournal
) -> None:
    write_segment(journal.directory, 1, both(range(3)))
    await loader.flush()
    (segment,) = segments(journal.directory)
    segment.path.unlink()
    write_segment(journal.directory, 1, [held_call(0), *both(range(1, 3))])
    found = await verdict(vault, [journal])
    assert Kind.RECORD_MISSING in kinds(found)
    assert any(difference.call_id == held_call(0).call_id for difference in found.differences)


# ---- with a ledger that processes share ---------------------------------------------------------------------------------


@pytest.fixture
async def redis() -> AsyncIterator[RedisEngine]:
    server = shared_redis()
    server.empty()
    async with open_redis(server.url, tenant_of=lambda _: TENANT) as engine:
        yield engine


@pytest.fixture
async def shared(redis: RedisEngine, vault: Vault, journal: RetainedJournal) -> SharedLedger:
    await filled(redis.restore, vault, SystemClock(), tenant_id=TENANT, settle_down_s=0)
    return SharedBooks(redis, TENANT, [journal])


def now(number: int, **changes: object) -> tuple[Held, Settled]:
    """A call of this moment, for the ledger's windows are those that run."""
    at_ns = SystemClock().wall_ns()
    held, settled = held_call(number, started_ns=at_ns), settled_call(number, started_ns=at_ns)
    return msgspec.structs.replace(held, **changes), msgspec.structs.replace(settled, **changes)


async def test_what_is_held_and_counted_is_that_of_the_journals_while_calls_go_on_and_at_rest(
    vault: Vault, loader: Loader, journal: RetainedJournal, redis: RedisEngine, shared: SharedLedger
) -> None:
    looked = asyncio.Event()

    async def lane(first: int) -> int:
        """Calls, one after the other, for as long as it is looked at; how many."""
        for number in itertools.count(first):
            if looked.is_set():
                return number - first
            held, settled = now(number)
            await redis.ledger.reserve(held, ())
            running(journal, held)
            await asyncio.sleep(0.001)
            running(journal, settled)
            await redis.ledger.settle(settled)
        raise AssertionError("numbers have no end")

    loading = asyncio.create_task(loader.run())
    calling = asyncio.gather(*(lane(1_000_000 * number) for number in range(1, 5)))
    seen: list[int] = []
    while len(seen) < 3 or not any(seen):
        found = await verdict(vault, [journal], shared=shared)
        assert found.differences == ()
        seen.append(found.shared_held_calls)
    looked.set()
    calls = sum(await calling)
    await loader.flush()
    loading.cancel()
    at_rest = await verdict(vault, [journal], shared=shared)
    assert (at_rest.differences, at_rest.calls, at_rest.shared_held_calls) == ((), calls, 0)
    assert at_rest.shared_scopes is not None
    assert at_rest.shared_scopes > 0


async def test_a_hold_that_the_ledger_has_otherwise_or_not_at_all_is_told(
    vault: Vault, loader: Loader, journal: RetainedJournal, redis: RedisEngine, shared: SharedLedger
) -> None:
    (one, _), (other, _), (third, _) = now(1), now(2), now(3)
    for held in (one, other, third):
        await redis.ledger.reserve(held, ())
    running(journal, one, other, third)
    found = await verdict(vault, [journal], shared=shared)
    assert (found.differences, found.shared_held_calls) == ((), 3)

    prefix = "{onevault:default}:"
    with Redis(port=shared_redis().port) as client:
        assert client.exists(f"{prefix}call:{other.call_id}", f"{prefix}scope:{third.scopes[0]}") == 2
        client.copy(f"{prefix}scope:{third.scopes[0]}", f"{prefix}scope:{one.scopes[0]}", replace=True)
        client.delete(f"{prefix}scope:{third.scopes[0]}", f"{prefix}call:{other.call_id}")
    changed = await verdict(vault, [journal], shared=shared)
    assert kinds(changed) == {Kind.SHARED_HELD}
    scopes = {difference.scope for difference in changed.differences}
    assert {third.scopes[0], other.scopes[0]} <= scopes
    assert other.call_id in {difference.call_id for difference in changed.differences}
    assert one.scopes[0] not in scopes, "the copy has the same figures"


async def test_grace_that_is_not_counted_yet_is_no_difference_and_what_is_missing_beside_it_is(
    vault: Vault, loader: Loader, journal: RetainedJournal, redis: RedisEngine, shared: SharedLedger
) -> None:
    _, ordinary = now(1)
    held, granted = now(2, grace=True)
    await redis.ledger.settle(ordinary)
    running(journal, ordinary, held, granted)
    await loader.flush()
    found = await verdict(vault, [journal], shared=shared)
    assert (found.differences, found.grace_calls) == ((), 1)

    async def count() -> None:
        standing = filling_of(await redis.restore.standing(TENANT) or "")
        await count_grace(
            redis.ledger,
            redis.restore,
            journal.directory,
            name=journal.name,
            tenant_id=TENANT,
            filling=standing,
            owed=lambda: 0,
        )

    counting = asyncio.gather(*(verdict(vault, [journal], shared=shared) for _ in range(3)), count())
    for each in (await counting)[:3]:
        assert each is not None
        assert each.differences == ()
    counted = await verdict(vault, [journal], shared=shared)
    assert (counted.differences, counted.grace_calls) == ((), 0)


@pytest.mark.parametrize("by", [1, -1])
async def test_a_ledger_that_counts_too_much_or_too_little_is_told_with_both_figures(
    vault: Vault,
    loader: Loader,
    journal: RetainedJournal,
    redis: RedisEngine,
    shared: SharedLedger,
    monkeypatch: pytest.MonkeyPatch,
    by: int,
) -> None:
    monkeypatch.setattr("onevault.stores.verify.shared.LOOK_AGAIN_S", 0.01)
    _, one = now(1)
    _, other = now(2)
    counted_falsely = msgspec.structs.replace(one, cost=one.cost + by)
    await redis.ledger.settle(counted_falsely)
    await redis.ledger.settle(other)
    running(journal, one, other)
    await loader.flush()
    found = await verdict(vault, [journal], shared=shared)
    assert kinds(found) == {Kind.SHARED_SUM}
    assert {difference.scope for difference in found.differences} == set(one.scopes)
    total = next(difference for difference in found.differences if difference.window == "total")
    assert total.stored["money_nanos"] - total.recomputed["money_nanos"] == by
