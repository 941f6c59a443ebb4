"""A vault and a journal of an older version are read on by this one: nothing is lost, and what was not counted then is none."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection
from tests.contract.vault.calls import settled_call, write_segment
from tests.contract.vault.conftest import MovedClock

from onevault.core.changes import ChangeQuery
from onevault.core.directory import Change
from onevault.core.identity import ApiKey, Organization, Team, Tenant, User, Webhook, of_tenant
from onevault.core.records import Record
from onevault.core.usage import Usage
from onevault.stores.sql.change_log import VaultChangeLog
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault, open_vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.requests import VaultRequests
from onevault.stores.sql.schema import SCHEMA_VERSION, SCHEMAS, calls, who
from onevault.stores.sql.schema.views import VIEWS

ADDED = [column.name for column in calls.usage_added()]
MORE = Usage(
    input_tokens=9, output_tokens=8, input_image_tokens=7, output_image_tokens=6, characters=5, audio_ms=4, images=3, searches=2,
    tier="flex", cache_read_audio_tokens=1, input_video_tokens=1,
)  # fmt: skip


def made_older(directory: Path, version: int = 1) -> None:
    """Takes the files back to version 2, in which there were no teams and no admin keys, or to 1, in which usage told only of tokens."""
    for file in sorted(directory.glob("*.sqlite*")) or sorted(directory.glob("*.db")):
        if file.suffix.endswith(("-wal", "-shm")):
            continue
        with sqlite3.connect(file) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "api_request_detail_s" in tables:
                for name in VIEWS:
                    connection.execute(f"DROP VIEW {name}")
                for table in who.TENANCY_TABLES:
                    connection.execute(f"DROP TABLE {table.name}")
                for table, columns in who.tenancy_added().items():
                    for column in columns:
                        connection.execute(f"ALTER TABLE {table.name} DROP COLUMN {column.name}")
                for index in who.CHANGE_INDEXES:
                    connection.execute(f"DROP INDEX {index.name}")
                connection.execute("ALTER TABLE change_s DROP COLUMN org_bk")
                for name in ADDED if version == 1 else ():
                    connection.execute(f"ALTER TABLE api_request_detail_s DROP COLUMN {name}")
            connection.execute(f"PRAGMA user_version = {version}")
            if "schema_version" in tables:
                connection.execute("UPDATE schema_version SET version = ?", (version,))
        connection.close()


async def in_vault(directory: Path, call_id: str) -> Any:
    vault = Vault(directory)
    vault.bring_up()
    try:
        return await VaultRequests(vault, Loader(vault, directory / "journal")).find(call_id)
    finally:
        await vault.close()


async def test_a_vault_of_version_1_is_brought_on_with_what_it_holds(tmp_path: Path) -> None:
    old, new = settled_call(1), settled_call(2, usage=MORE)
    write_segment(tmp_path / "journal", 1, [old])
    assert await in_vault(tmp_path, old.call_id) == old
    made_older(tmp_path)
    assert await in_vault(tmp_path, old.call_id) == old
    write_segment(tmp_path / "journal", 1, [new])
    assert await in_vault(tmp_path, new.call_id) == new
    vault = Vault(tmp_path)
    vault.bring_up()  # a second time there is nothing left to do
    shown = await vault.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT images, service_tier FROM gateway.v_api_request_current ORDER BY images"
        ).all()
    )
    versions = await vault.read(
        lambda connection: connection.exec_driver_sql("SELECT version FROM util.schema_version ORDER BY version").all()
    )
    await vault.close()
    assert [tuple(row) for row in shown] == [(0, ""), (3, "flex")]
    assert [row[0] for row in versions] == [1, SCHEMA_VERSION]


async def test_rows_stay_insert_only_after_the_upgrade(tmp_path: Path) -> None:
    old = settled_call(1)
    write_segment(tmp_path / "journal", 1, [old])
    await in_vault(tmp_path, old.call_id)
    made_older(tmp_path)
    await in_vault(tmp_path, old.call_id)
    vault = Vault(tmp_path)
    with pytest.raises(Exception, match="insert-only"):
        await vault.write(
            lambda connection: connection.exec_driver_sql("UPDATE gateway.api_request_detail_s SET images = 9")
        )
    await vault.close()


ORG = Organization(org_id="org_1", tenant_id="default", name="One")
ANN = User(user_id="user_1", org_id="org_1", email="ann@x.org")
KEY = ApiKey(key_id="key_1", user_id="user_1", sha256=b"k" * 32, prefix="gw_live_abcd", allowed_models=("m",))


@pytest.mark.parametrize("version", [1, 2])
async def test_who_was_known_in_an_older_vault_is_known_in_this_one_and_can_be_in_a_team(
    tmp_path: Path, version: int
) -> None:
    vault = Vault(tmp_path)
    vault.bring_up()
    for entity in (ORG, ANN, KEY):
        await VaultDirectory(vault, MovedClock()).put(Change("admin", "", entity))
    await vault.close()
    made_older(tmp_path, version)
    vault = Vault(tmp_path)
    vault.bring_up()
    directory = VaultDirectory(vault, MovedClock())
    known = await directory.snapshot()
    assert (known.users["user_1"], known.keys["key_1"]) == (ANN, KEY)
    recorded = await VaultChangeLog(vault).newest(ChangeQuery(limit=9, org_id="org_1"))
    assert [change.entity for change in recorded] == ["api_key", "user", "organization"]
    with pytest.raises(Exception, match="insert-only"):
        await vault.write(lambda connection: connection.exec_driver_sql("UPDATE gateway.change_s SET actor = ''"))
    team = Team(team_id="team_1", org_id="org_1", name="Research")
    moved = msgspec.structs.replace(ANN, team_id="team_1", version=2)
    for change in (team, moved, Tenant(tenant_id="default", monthly_budget=1)):
        await directory.put(Change("admin", "", change))
    known = await directory.snapshot()
    with pytest.raises(Exception, match="insert-only"):
        await vault.write(lambda connection: connection.exec_driver_sql("DELETE FROM gateway.team_s"))
    await vault.close()
    assert (known.teams, known.users) == ({"team_1": team}, {"user_1": moved})


def test_a_journal_of_an_older_version_is_read_with_nothing_where_nothing_was_counted() -> None:
    record = settled_call(1, usage=MORE)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(record))
    at = fields.index(msgspec.to_builtins(MORE))
    fields[at] = {"input_tokens": 9, "output_tokens": 8, "cache_read_tokens": 0, "reasoning_tokens": 2}
    read: Any = msgspec.msgpack.decode(msgspec.msgpack.encode(fields), type=Record)
    assert read == msgspec.structs.replace(record, usage=Usage(input_tokens=9, output_tokens=8, reasoning_tokens=2))


HOOK = Webhook(
    webhook_id="whk_1", org_id="org_1", url="https://hooks.example.com/", sealed=b"s", kinds=("key.created",)
)


async def test_a_vault_of_version_4_gets_webhooks_and_thresholds_on_every_engine(
    tmp_path: Path, database_url: str
) -> None:
    async with open_vault(tmp_path, database_url=database_url) as vault:
        await VaultDirectory(vault, MovedClock()).put(Change("admin", "", ORG))
        is_sqlite = not database_url

        def made_older_still(connection: Connection) -> None:
            for name in VIEWS:
                connection.exec_driver_sql(f"DROP VIEW gateway.{name}")
            for name in ("webhook_s", "webhook_h"):
                connection.exec_driver_sql(f"DROP TABLE gateway.{name}")
            connection.exec_driver_sql("ALTER TABLE gateway.customer_s DROP COLUMN thresholds")
            connection.exec_driver_sql("UPDATE util.schema_version SET version = 4")
            for schema in SCHEMAS if is_sqlite else ():
                connection.exec_driver_sql(f"PRAGMA {schema}.user_version = 4")

        await vault.write(made_older_still)
    async with open_vault(tmp_path, database_url=database_url) as vault:
        directory = VaultDirectory(vault, MovedClock())
        assert (await directory.snapshot()).organizations["org_1"] == ORG
        wanted = msgspec.structs.replace(ORG, thresholds=(30, 60), version=2)
        whole = msgspec.structs.replace(HOOK, webhook_id="whk_2", org_id=of_tenant("default"), kinds=None)
        for entity in (wanted, HOOK, whole):
            await directory.put(Change("admin", "", entity))
        snapshot = await directory.snapshot()
        assert snapshot.organizations["org_1"] == wanted
        assert snapshot.webhooks == {"whk_1": HOOK, "whk_2": whole}
        assert set((await directory.changes(1)).entities) == {wanted, HOOK, whole}
