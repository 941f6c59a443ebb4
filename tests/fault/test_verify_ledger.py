"""`onevault verify ledger` on the data directories of real gateways: at work, killed, stopped, and tampered with."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onevault.core.records import Held, Settled
from onevault.stores.journal.frame import framed
from onevault.stores.journal.reader import read
from onevault.stores.journal.segment import Segment, segments
from tests.support.commands import Done, Shell
from tests.support.killing import Lane
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess
from tests.support.raw_client import CHAT, begin, call, question


def verified(directory: Path) -> dict[str, Any]:
    """What the command says of `directory/data`; its exit code tells the same."""
    done = Shell(directory)("verify", "ledger", "--json")
    found: dict[str, Any] = done.json
    assert done.code == (0 if found["agrees"] else 1), done
    assert done.err == ""
    return found


def kinds(found: dict[str, Any]) -> set[str]:
    return {difference["kind"] for difference in found["differences"]}


async def spend(gateway: GatewayProcess, key: NewKey, calls: int) -> None:
    answers = await asyncio.gather(
        *(call(gateway.port, CHAT, question(stream=number % 2 == 0), key=key.api_key) for number in range(calls))
    )
    assert {answer.status for answer in answers} <= {200, 402}


# ---- at work, and killed ------------------------------------------------------------------------------------------------


async def test_a_gateway_at_work_is_verified_without_disturbing_it(own_gateway: GatewayProcess, tmp_path: Path) -> None:
    lane = Lane(own_gateway, random.Random(1))
    keys = [
        own_gateway.new_key(),
        own_gateway.new_key(organization={"monthly_budget_usd": 0.005}),
        own_gateway.new_key(organization={"time_zone": "Pacific/Auckland"}),
    ]
    traffic = asyncio.create_task(lane.traffic(keys, callers=20))
    seen = []
    for _ in range(6):
        await asyncio.sleep(0.5)
        seen.append(await asyncio.to_thread(verified, tmp_path))
        own_gateway.admin(f"/users/{keys[0].user_id}/reset-quota", method="POST")
    assert not traffic.done(), traffic.exception()
    traffic.cancel()
    await asyncio.wait((traffic,))
    for found in seen:
        assert found["differences"] == []
        assert found["gateway_process"] == own_gateway.process.popen.pid
    assert any(found["held_calls"] for found in seen)
    assert [found["calls"] for found in seen] == sorted(found["calls"] for found in seen)
    assert lane.account.broken == 0
    assert lane.account.refused > 0
    assert own_gateway.stop() == 0
    rest = verified(tmp_path)
    assert (rest["held_calls"], rest["waiting_calls"], rest["gateway_process"]) == (0, 0, None)
    assert rest["calls"] >= len(lane.account.costs) > 100
    assert rest["settled_nanos"] >= sum(lane.account.costs.values())


async def test_what_is_held_and_not_settled_is_told_scope_by_scope_as_the_ledger_has_it(
    own_gateway: GatewayProcess, tmp_path: Path
) -> None:
    key = own_gateway.new_key(organization={"monthly_budget_usd": 1})
    await spend(own_gateway, key, 3)
    body = question(simulate="latency_ms=20000")
    waiting = [await begin(own_gateway.port, CHAT, body, key=key.api_key) for _ in range(5)]
    while True:
        usage = own_gateway.admin(f"/organizations/{key.org_id}/usage")
        found = await asyncio.to_thread(verified, tmp_path)
        if found["held_calls"] == 5:
            break
    told = {one["scope"]: one for one in found["not_settled"]}
    for scope in (f"org:{key.org_id}", f"user:{key.user_id}", f"key:{key.key_id}"):
        assert told[scope]["held_calls"] == 5
        assert told[scope]["held_nanos"] == usage["held_nanos"] == found["held_nanos"] > 0

    own_gateway.kill()
    for answer in waiting:
        await answer.wait()
    dead = verified(tmp_path)
    assert dead["agrees"]
    assert (dead["held_calls"], dead["held_nanos"], dead["gateway_process"]) == (5, usage["held_nanos"], None)
    text = Shell(tmp_path)("verify", "ledger")
    assert text.code == 0
    assert "5 calls hold $" in text.out
    assert "the next start settles them at that" in text.out

    own_gateway.start()
    assert own_gateway.stop() == 0
    again = verified(tmp_path)
    assert (again["agrees"], again["held_calls"]) == (True, 0)
    assert again["settled_nanos"] >= usage["held_nanos"] + usage["total_usage_nanos"]


async def test_after_each_of_many_kills_the_books_agree(own_gateway: GatewayProcess, tmp_path: Path) -> None:
    lane = Lane(own_gateway, random.Random(2))
    keys = [own_gateway.new_key(), own_gateway.new_key(organization={"monthly_budget_usd": 0.01})]
    held = 0
    for _ in range(4):
        await lane.kill_in_traffic(keys, callers=20, after_s=lane.dice.uniform(0.1, 0.6))
        dead = await asyncio.to_thread(verified, tmp_path)
        assert dead["differences"] == []
        held += dead["held_calls"]
        await lane.start()
    assert held > 8
    alive = await asyncio.to_thread(verified, tmp_path)
    assert (alive["differences"], alive["held_calls"]) == ([], 0)
    assert own_gateway.stop() == 0


async def test_a_hold_of_a_dead_process_that_a_later_start_did_not_settle_is_lost(
    own_gateway: GatewayProcess, tmp_path: Path
) -> None:
    key = own_gateway.new_key()
    await spend(own_gateway, key, 2)
    own_gateway.kill()
    dead = own_gateway.process.popen.pid
    held = next(record for record in records(tmp_path / "data") if isinstance(record, Held))
    own_gateway.start()
    forgotten = tmp_path / "data" / "journal" / f"{1:020d}-{dead}.journal"
    forgotten.write_bytes(framed(msgspec.structs.replace(held, call_id="f" * 32)))
    assert (await asyncio.to_thread(verified, tmp_path))["agrees"], "it may still be recovering"
    await spend(own_gateway, key, 1)
    found = await asyncio.to_thread(verified, tmp_path)
    assert [(one["kind"], one["call_id"]) for one in found["differences"]] == [("lost", "f" * 32)]


# ---- tampered with ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> tuple[Path, NewKey]:
    """A data directory after traffic, everything loaded, the journal still there; to be copied."""
    directory = tmp_path_factory.mktemp("stopped")
    gateway = GatewayProcess(directory, environment=simulator.as_provider)
    gateway.start()
    key = gateway.new_key(organization={"monthly_budget_usd": 1})
    asyncio.run(spend(gateway, key, 10))
    gateway.admin(f"/users/{key.user_id}/reset-quota", method="POST")
    asyncio.run(spend(gateway, key, 10))
    assert gateway.stop() == 0
    return directory, key


@pytest.fixture
def copied(stopped: tuple[Path, NewKey], tmp_path: Path) -> Path:
    shutil.copytree(stopped[0] / "data", tmp_path / "data")
    return tmp_path / "data"


def newest(data: Path) -> Segment:
    return segments(data / "journal")[-1]


def records(data: Path) -> list[Any]:
    return [record for segment in segments(data / "journal") for record, _ in read(segment)]


def without(data: Path, kind: type[Any], *, of: type[Any] = Settled) -> str:
    """Cuts the third record of a kind out of the journal, as if it had never been written; its call."""
    segment = newest(data)
    begin, found = 0, []
    for record, end in read(segment):
        if isinstance(record, kind):
            found.append((record.call_id, begin, end))
        begin = end
    call_id, begin, end = found[2]
    content = segment.path.read_bytes()
    segment.path.write_bytes(content[:begin] + content[end:])
    return str(call_id)


def appended(data: Path, record: Held | Settled) -> None:
    with newest(data).path.open("ab") as file:
        file.write(framed(record))


def in_vault(data: Path, *statements: str) -> None:
    """As somebody would who can write to the file, triggers or not."""
    with closing(sqlite3.connect(data / "gateway.db")) as vault:
        for (name,) in vault.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            vault.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert vault.execute(statement).rowcount > 0, statement
        vault.commit()


def some_settled(data: Path) -> Settled:
    return next(record for record in records(data) if isinstance(record, Settled) and record.cost)


def altered(cost: int) -> Callable[[Path], None]:
    def tamper(data: Path) -> None:
        settled = some_settled(data)
        appended(data, msgspec.structs.replace(settled, cost=settled.cost + cost, usage_source=settled.usage_source))

    return tamper


def _flip(data: Path) -> None:
    path = newest(data).path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


_ONE_CALL = "(SELECT api_request_hk FROM api_request_detail_s WHERE cost_nanos > 0 LIMIT 1)"
_DETAIL_COLUMNS = "PRAGMA table_info(api_request_detail_s)"


def _second_detail(data: Path) -> None:
    with closing(sqlite3.connect(data / "gateway.db")) as vault:
        columns = [row[1] for row in vault.execute(_DETAIL_COLUMNS)]
    values = ", ".join("'2026-01-01 00:00:00.000000'" if name == "load_date" else name for name in columns)
    in_vault(
        data,
        f"INSERT INTO api_request_detail_s ({', '.join(columns)}) SELECT {values} FROM api_request_detail_s "
        f"WHERE api_request_hk = {_ONE_CALL}",
    )


Tamper = Callable[[Path], object]
TAMPERED: dict[str, tuple[Tamper, set[str]]] = {
    "a sum of a scope": (
        lambda data: in_vault(data, "UPDATE scope_usage SET money_nanos = money_nanos + 1 WHERE time_window = 'total'"),
        {"scope_sum"},
    ),
    "requests of a month": (
        lambda data: in_vault(data, "UPDATE scope_usage SET requests = requests - 1 WHERE time_window = 'month'"),
        {"scope_sum"},
    ),
    "a sum that is gone": (
        lambda data: in_vault(data, "DELETE FROM scope_usage WHERE time_window = 'day' AND money_nanos > 0"),
        {"scope_sum"},
    ),
    "a sum of nobody": (
        lambda data: in_vault(data, "INSERT INTO scope_usage VALUES ('total', '', 'org:nobody', 1, 1, 1, 0, NULL)"),
        {"scope_sum"},
    ),
    "a sum of a model": (
        lambda data: in_vault(data, "UPDATE model_usage SET output_tokens = output_tokens + 1"),
        {"model_sum"},
    ),
    "a call's cost": (
        lambda data: in_vault(data, f"UPDATE api_request_detail_s SET cost_nanos = 1 WHERE api_request_hk = {_ONE_CALL}"),
        {"altered", "scope_sum", "model_sum"},
    ),
    "a call's whole row": (
        lambda data: in_vault(data, f"DELETE FROM api_request_detail_s WHERE api_request_hk = {_ONE_CALL}"),
        {"lost", "scope_sum", "model_sum"},
    ),
    "a call that is gone": (
        lambda data: in_vault(data, f"DELETE FROM api_request_h WHERE api_request_hk = {_ONE_CALL}"),
        {"lost", "scope_sum", "model_sum"},
    ),
    "a call under another's key": (
        lambda data: in_vault(data, f"UPDATE api_request_h SET api_request_bk = 'x' WHERE api_request_hk = {_ONE_CALL}"),
        {"altered", "lost"},
    ),
    "a second settlement in the vault": (_second_detail, {"settled_twice"}),
    "a second settlement in the journal": (altered(1), {"settled_twice"}),
    "a settlement cut out of the journal": (lambda data: without(data, Settled), {"record_missing"}),
    "a hold cut out of the journal": (lambda data: without(data, Held), {"record_missing"}),
    "a byte of the journal": (_flip, {"damaged"}),
    "the journal": (lambda data: shutil.rmtree(data / "journal"), {"record_missing"}),
    "a reset that is gone": (
        lambda data: in_vault(data, "DELETE FROM quota_reset_s"),
        {"lost", "scope_sum"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_tampered_with_is_named(copied: Path, what: str) -> None:
    assert verified(copied.parent)["agrees"]
    tamper, expected = TAMPERED[what]
    tamper(copied)
    found = verified(copied.parent)
    assert kinds(found) >= expected, found["differences"]
    assert expected != {"scope_sum"} or kinds(found) == expected
    text = Shell(copied.parent)("verify", "ledger")
    assert text.code == 1
    for difference in found["differences"]:
        assert difference["message"] in text.out


def test_a_sum_that_differs_is_told_with_both_figures(copied: Path, stopped: tuple[Path, NewKey]) -> None:
    scope = f"org:{stopped[1].org_id}"
    in_vault(
        copied,
        f"UPDATE scope_usage SET money_nanos = money_nanos + 7 WHERE scope = '{scope}' AND time_window = 'total'",
    )
    (difference,) = verified(copied.parent)["differences"]
    assert (difference["scope"], difference["window"]) == (scope, "total")
    stored, recomputed = difference["stored"], difference["recomputed"]
    assert stored.pop("money_nanos") == recomputed.pop("money_nanos") + 7
    assert stored == recomputed
    assert recomputed["requests"] == 20


def test_a_record_that_stands_in_the_journal_twice_word_for_word_counts_once(copied: Path) -> None:
    before = verified(copied.parent)
    appended(copied, some_settled(copied))
    after = verified(copied.parent)
    assert (after["agrees"], after["repeated"]) == (True, before["repeated"] + 1)
    assert after["settled_nanos"] == before["settled_nanos"]


def test_verifying_changes_nothing(copied: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes() for path in sorted(copied.rglob("*")) if path.suffix in (".db", ".journal")
        }

    before = contents()
    verified(copied.parent)
    assert contents() == before


def test_a_directory_without_a_ledger_is_a_misuse_and_one_that_cannot_be_read_a_failure(tmp_path: Path) -> None:
    shell = Shell(tmp_path)

    def said(done: Done) -> tuple[int | None, str]:
        return done.code, done.json["error"]["code"]

    assert said(shell("verify", "ledger", "--json")) == (2, "INVALID_REQUEST")
    assert not (tmp_path / "data").exists(), "it was made"
    assert shell("verify", "nothing").code == 2
    assert shell("verify", "ledger", "--config", "missing.yaml").code == 1
    (tmp_path / "data").mkdir()
    for name in ("auth", "util", "gateway"):
        (tmp_path / "data" / f"{name}.db").write_bytes(os.urandom(4096))
    assert said(shell("verify", "ledger", "--json")) == (1, "REFUSED")


def test_a_vault_of_another_version_is_left_to_that_version(copied: Path) -> None:
    with closing(sqlite3.connect(copied / "gateway.db")) as vault:
        vault.execute("PRAGMA user_version = 1")
    done = Shell(copied.parent)("verify", "ledger", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "INVALID_REQUEST")
    assert "schema version 1" in done.err
