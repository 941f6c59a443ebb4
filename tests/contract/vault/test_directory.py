"""Organizations, users and keys are kept with their history, by any number of processes, without overwriting each other."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from tests.contract.vault.conftest import Ask, MovedClock

from onevault.core.directory import Change, Changes, Snapshot
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import AdminKey, ApiKey, Organization, Role, Status, Team, Tenant, User
from onevault.stores.sql.directory import CHANGES_MAX, VaultDirectory
from onevault.stores.sql.engine import Vault, open_vault
from onevault.stores.sql.entities import Entity
from onevault.stores.sql.hashing import hash_key

ORG = Organization(
    org_id="org_1",
    tenant_id="default",
    name="Größe & Co",
    monthly_budget=500_000_000_001,
    time_zone="Europe/Berlin",
    webhook_url="https://user:pass@hooks.example/T0/SECRET?token=SECRET",
)
ANN = User(user_id="user_1", org_id="org_1", email="Ann@x.org", monthly_limit=7, requests_per_minute=60)
KEY = ApiKey(
    key_id="key_1",
    user_id="user_1",
    sha256=sha256(b"gw_live_1").digest(),
    prefix="gw_live_abc",
    name="ci",
    test=True,
    expires_at_ms=1_800_000_000_000,
    allowed_models=("gpt-4o", "claude-sonnet-5"),
    daily_limit=3,
)


TEAM = Team(team_id="team_1", org_id="org_1", name="Research", monthly_limit=5, tokens_per_minute=6)
TENANT = Tenant(tenant_id="default", monthly_budget=1, daily_budget=2, requests_per_minute=3, concurrent_requests=4)
ADMIN_KEY = AdminKey(
    admin_key_id="adk_1",
    tenant_id="default",
    sha256=sha256(b"gw_admin_1").digest(),
    prefix="gw_admin_abc",
    name="dashboard",
    role=Role.AUDITOR,
    org_id="org_1",
    expires_at_ms=7,
)


@pytest.fixture
def directory(vault: Vault, clock: MovedClock) -> VaultDirectory:
    return VaultDirectory(vault, clock)


async def put(directory: VaultDirectory, *entities: Entity) -> None:
    for entity in entities:
        await directory.put(Change(actor="admin", address="192.0.2.1", entity=entity))


def changed(entity: Entity, **changes: object) -> Entity:
    values = {name: getattr(entity, name) for name in entity.__struct_fields__}
    return type(entity)(**values | {"version": entity.version + 1} | changes)


async def test_what_is_put_comes_back_whole(directory: VaultDirectory, vault: Vault, clock: MovedClock) -> None:
    assert await directory.snapshot() == Snapshot(0, {}, {}, {})
    await put(directory, ORG, ANN, KEY)
    whole = Snapshot(3, {"org_1": ORG}, {"user_1": ANN}, {"key_1": KEY})
    assert await directory.snapshot() == whole
    assert await VaultDirectory(vault, clock).snapshot() == whole
    assert await directory.changes(3) == Changes(3, ())


async def test_teams_tenants_and_admin_keys_come_back_whole_also_where_only_they_changed(
    directory: VaultDirectory, vault: Vault, clock: MovedClock
) -> None:
    bob = User(user_id="user_2", org_id="org_1", email="bob@x.org", team_id="team_1")
    narrow = changed(KEY, allowed_providers=("openai",), allowed_addresses=("192.0.2.0/24",), counts_as="key_0")
    await put(directory, TENANT, ADMIN_KEY, ORG, TEAM, ANN, bob, KEY)
    await directory.snapshot()
    newer = [changed(TENANT, daily_budget=None), changed(TEAM, name="Sales"), changed(bob, team_id=None), narrow]
    await put(directory, *newer, changed(ADMIN_KEY, status=Status.REVOKED))
    tenant, team, bob, narrow = newer
    whole = Snapshot(
        12,
        {"org_1": ORG},
        {"user_1": ANN, "user_2": bob},
        {"key_1": narrow},
        {"team_1": team},
        {"default": tenant},
        {"adk_1": changed(ADMIN_KEY, status=Status.REVOKED)},
    )
    assert await directory.snapshot() == whole
    assert await VaultDirectory(vault, clock).snapshot() == whole


async def test_the_newest_state_counts_and_the_older_ones_stay(
    directory: VaultDirectory, ask: Ask, clock: MovedClock
) -> None:
    await put(directory, ORG, ANN)
    for version in (2, 3):
        clock.now_ns += 1_000_000_000
        await put(directory, changed(ANN, version=version, email=f"ann{version}@x.org"))
    assert (await directory.snapshot()).users["user_1"].email == "ann3@x.org"
    history = await ask("SELECT email, load_date, load_end_date FROM gateway.v_user_history ORDER BY load_date")
    assert history == [
        ("Ann@x.org", "2026-11-21 12:00:00.000000", "2026-11-21 12:00:01.000000"),
        ("ann2@x.org", "2026-11-21 12:00:01.000000", "2026-11-21 12:00:02.000000"),
        ("ann3@x.org", "2026-11-21 12:00:02.000000", None),
    ]
    assert await ask("SELECT email, version, load_end_date FROM gateway.v_user_current") == [("ann3@x.org", 3, None)]
    assert await ask("SELECT COUNT(*) FROM gateway.user_s WHERE load_end_date IS NOT NULL") == [(0,)]


@pytest.mark.parametrize("back_ns", [0, 3_600_000_000_000])
async def test_a_clock_that_stands_or_goes_back_does_not_bring_back_an_older_state(
    directory: VaultDirectory, clock: MovedClock, back_ns: int
) -> None:
    await put(directory, ORG)
    clock.now_ns -= back_ns
    await put(directory, changed(ORG, name="Newer"))
    assert (await directory.snapshot()).organizations["org_1"].name == "Newer"


@pytest.mark.parametrize(
    ("entity", "kind", "param"),
    [
        (changed(ANN, version=1, email="a2@x.org"), FaultKind.CONFLICT, "version"),
        (changed(ANN, version=3, email="a2@x.org"), FaultKind.CONFLICT, "version"),
        (changed(ANN, org_id="org_2"), FaultKind.CONFLICT, "org_id"),
        (User(user_id="user_9", org_id="org_1", email="x@x.org", version=2), FaultKind.CONFLICT, "version"),
        (User(user_id="user_9", org_id="org_1", email="ann@X.org"), FaultKind.CONFLICT, "email"),
        (User(user_id="user_9", org_id="nowhere", email="x@x.org"), FaultKind.NOT_FOUND, "org_id"),
        (Organization(org_id="org_9", tenant_id="default", name="GRÖSSE & CO"), FaultKind.CONFLICT, "name"),
        (User(user_id="user_9", org_id="org_2", email="x@x.org", team_id="team_1"), FaultKind.NOT_FOUND, "team_id"),
        (changed(ANN, team_id="team_none"), FaultKind.NOT_FOUND, "team_id"),
        (Team(team_id="team_9", org_id="org_1", name="RESEARCH"), FaultKind.CONFLICT, "name"),
        (Team(team_id="team_9", org_id="nowhere", name="x"), FaultKind.NOT_FOUND, "org_id"),
        (changed(TEAM, org_id="org_2"), FaultKind.CONFLICT, "org_id"),
        (changed(ADMIN_KEY, version=1, admin_key_id="adk_9"), FaultKind.CONFLICT, "sha256"),
        (ApiKey(key_id="key_9", user_id="user_1", sha256=KEY.sha256, prefix="p"), FaultKind.CONFLICT, "sha256"),
        (ApiKey(key_id="key_9", user_id="nobody", sha256=b"n" * 32, prefix="p"), FaultKind.NOT_FOUND, "user_id"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_with_the_field_and_leaves_no_trace(
    directory: VaultDirectory, ask: Ask, entity: Entity, kind: FaultKind, param: str
) -> None:
    await put(directory, ORG, changed(ORG, version=1, org_id="org_2", name="Other"), TEAM, ANN, KEY, ADMIN_KEY)
    before = await directory.snapshot()
    with pytest.raises(Fault) as refusal:
        await put(directory, entity)
    assert (refusal.value.kind, refusal.value.param) == (kind, param)
    assert await directory.snapshot() == before
    assert await ask("SELECT COUNT(*) FROM gateway.change_s") == [(6,)]


@pytest.mark.parametrize(
    "entity",
    [
        User(user_id="user_9", org_id="org_2", email="ann@x.org"),
        Organization(org_id="org_9", tenant_id="other", name="Größe & Co"),
    ],
)
async def test_a_name_is_free_under_another_parent(directory: VaultDirectory, entity: Entity) -> None:
    await put(directory, ORG, changed(ORG, version=1, org_id="org_2", name="Other"), ANN)
    await put(directory, entity)


async def test_a_name_is_free_again_when_its_holder_is_deleted_or_renamed(directory: VaultDirectory) -> None:
    await put(directory, ORG, ANN, changed(ANN, status=Status.DELETED))
    bob = User(user_id="user_2", org_id="org_1", email="ann@x.org")
    await put(directory, bob, changed(bob, email="bob@x.org"))
    await put(directory, User(user_id="user_3", org_id="org_1", email="ann@x.org"))
    with pytest.raises(Fault) as refusal:
        await put(directory, changed(ANN, version=3, status=Status.ACTIVE))
    assert refusal.value.param == "email"
    assert set((await directory.snapshot()).users) == {"user_1", "user_2", "user_3"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_text_that_postgresql_cannot_keep_is_refused(directory: VaultDirectory) -> None:
    with pytest.raises(Fault) as refusal:
        await put(directory, Organization(org_id="org_9", tenant_id="default", name="\x00"))
    assert refusal.value.kind is FaultKind.INVALID_REQUEST
    assert (await directory.changes(0)).version == 0


@pytest.mark.parametrize("text", ["x' OR '1'='1", "x'; DROP TABLE user_s; --", '"', "\\", "%", "%s", "🗝"])
async def test_text_is_never_taken_for_sql(directory: VaultDirectory, text: str) -> None:
    org = Organization(org_id=text, tenant_id=text, name=text)
    await put(directory, org, User(user_id=text, org_id=text, email=text))
    snapshot = await directory.snapshot()
    assert (snapshot.organizations[text].name, snapshot.users[text].email) == (text, text)


async def test_every_change_is_audited_with_who_and_where_and_without_secrets(
    directory: VaultDirectory, ask: Ask
) -> None:
    await put(directory, ORG, ANN, KEY, changed(KEY, status=Status.REVOKED))
    rows = await ask("SELECT actor, address, entity, entity_bk, before, after FROM gateway.change_s ORDER BY change_id")
    assert [row[:4] for row in rows] == [
        ("admin", "192.0.2.1", "customer", "org_1"),
        ("admin", "192.0.2.1", "user", "user_1"),
        ("admin", "192.0.2.1", "api_key", "key_1"),
        ("admin", "192.0.2.1", "api_key", "key_1"),
    ]
    assert [row[4] is None for row in rows] == [True, True, True, False]
    before, after = json.loads(rows[3][4]), json.loads(rows[3][5])
    assert {name for name in after if after[name] != before[name]} == {"status", "version"}
    everything = repr(rows)
    assert "SECRET" not in everything
    assert "pass" not in everything
    assert "sha256" not in everything
    assert json.loads(rows[0][5])["webhook_url"] == "https://hooks.example/…"


async def test_budgets_are_shown_in_dollars_and_counted_in_nanos(directory: VaultDirectory, ask: Ask) -> None:
    await put(directory, ORG)
    assert await ask("SELECT cost_budget_monthly, cost_budget_daily FROM gateway.v_customer_config_current") == [
        (500.000000001, None)
    ]
    assert await ask("SELECT monthly_budget_nanos FROM gateway.v_customer_current") == [(500_000_000_001,)]


async def test_what_has_changed_since_is_told_once_as_it_is_now_and_parents_first(directory: VaultDirectory) -> None:
    await put(directory, ORG)
    renamed, suspended = changed(ORG, name="Renamed"), changed(ANN, status=Status.SUSPENDED)
    await put(directory, ANN, KEY, renamed, suspended)
    assert await directory.changes(1) == Changes(5, (renamed, suspended, KEY))
    assert await directory.changes(3) == Changes(5, (renamed, suspended))
    assert await directory.changes(0) == await directory.changes(1)


async def test_many_changes_are_taken_or_refused_each_for_itself(directory: VaultDirectory, ask: Ask) -> None:
    """Each is checked against what those before it made of the directory."""
    bob = User(user_id="user_2", org_id="org_1", email="bob@x.org", team_id="team_1")
    offered: list[tuple[Entity, FaultKind | None]] = [
        (ANN, FaultKind.NOT_FOUND),
        (ORG, None),
        (ANN, None),
        (changed(ANN, email="ann.b@x.org"), None),
        (bob, FaultKind.NOT_FOUND),
        (TEAM, None),
        (bob, None),
        (User(user_id="user_3", org_id="org_1", email="Ann@x.org"), None),
        (User(user_id="user_4", org_id="org_1", email="ann@X.org"), FaultKind.CONFLICT),
        (changed(ANN), FaultKind.CONFLICT),
        (KEY, None),
        (changed(KEY, user_id="user_2"), FaultKind.CONFLICT),
        (changed(KEY, key_id="key_2", version=1), FaultKind.CONFLICT),
    ]
    outcomes = await directory.put_each([Change("admin", "192.0.2.1", entity) for entity, _ in offered])
    assert [None if outcome is None else outcome.kind for outcome in outcomes] == [kind for _, kind in offered]
    there = await directory.snapshot()
    assert there.users["user_1"].email == "ann.b@x.org"
    assert (set(there.users), set(there.keys)) == ({"user_1", "user_2", "user_3"}, {"key_1"})
    taken = ["customer", "user", "user", "team", "user", "user", "api_key"]
    assert [row[0] for row in await ask("SELECT entity FROM gateway.change_s ORDER BY change_id")] == taken
    assert await ask("SELECT COUNT(DISTINCT load_date) FROM gateway.user_s WHERE email_folded LIKE 'ann%'") == [(2,)]


async def test_the_version_grows_with_a_change_by_another_process(
    directory: VaultDirectory, tmp_path: Path, database_url: str
) -> None:
    await put(directory, ORG, ANN)
    seen = (await directory.snapshot()).version
    async with open_vault(tmp_path, database_url=database_url) as other:
        await put(VaultDirectory(other, MovedClock()), KEY)
    assert (await directory.changes(seen)).entities == (KEY,)
    assert set((await directory.snapshot()).keys) == {"key_1"}


WRITER = """
import asyncio, pathlib, sys, time
from onevault.core.faults import Fault
from onevault.core.identity import Organization, User
from onevault.core.directory import Change
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import open_vault

class Clock:
    def wall_ns(self): return time.time_ns()

async def main():
    mark = sys.argv[2]
    async with open_vault(pathlib.Path(sys.argv[1]), database_url=sys.argv[3]) as vault:
        directory = VaultDirectory(vault, Clock())
        for number in range(40):
            await directory.put(Change(mark, "", User(user_id=f"{mark}{number}", org_id="org_1", email=f"{mark}{number}@x.org")))
            while True:
                org = (await directory.snapshot()).organizations["org_1"]
                values = {name: getattr(org, name) for name in org.__struct_fields__}
                values |= {"version": org.version + 1, "daily_budget": (org.daily_budget or 0) + 1}
                try:
                    await directory.put(Change(mark, "", Organization(**values)))
                    break
                except Fault as fault:
                    assert fault.param == "version", fault
asyncio.run(main())
"""


async def test_two_processes_that_write_at_once_lose_no_change_of_each_other(
    directory: VaultDirectory, tmp_path: Path, database_url: str
) -> None:
    await put(directory, ORG)
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WRITER,
            str(tmp_path),
            mark,
            database_url,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for mark in "ab"
    ]
    outcomes = [await writer.communicate() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], outcomes
    snapshot = await directory.snapshot()
    assert len(snapshot.users) == 80
    assert snapshot.organizations["org_1"].daily_budget == 80
    assert snapshot.organizations["org_1"].version == 81
    assert snapshot.version == 161


async def test_many_users_and_keys_are_read_back_as_they_were_put(directory: VaultDirectory) -> None:
    """By their changes where these are few, and with the whole where they are not: the same."""
    await put(directory, ORG)
    count = CHANGES_MAX // 2 + 1
    users = [User(user_id=f"u{number}", org_id="org_1", email=f"{number}@x.org") for number in range(count)]
    keys = [
        ApiKey(key_id=f"k{number}", user_id=f"u{number}", sha256=hash_key(str(number)), prefix="gw_live_abc")
        for number in range(count)
    ]
    for entities in (users, keys):
        outcomes = await directory.put_each([Change("admin", "", entity) for entity in entities])
        assert outcomes == [None] * count
    snapshot = await directory.snapshot()
    assert snapshot.users == {user.user_id: user for user in users}
    assert snapshot.keys == {key.key_id: key for key in keys}
    for since, there in ((1, 2 * count + 1), (3, 2 * count - 2)):
        changes = await directory.changes(since)
        assert len(changes.entities) == there
        assert {each.key_id: each for each in changes.entities if isinstance(each, ApiKey)} == snapshot.keys
