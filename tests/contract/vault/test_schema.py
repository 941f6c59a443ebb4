"""The vault's tables are those that were promised, cannot be rewritten, and are not misread by an older version."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from tests.contract.vault.calls import both, write_segment
from tests.contract.vault.conftest import Ask
from tests.support.processes import free_port
from tests.support.vaults import ENGINES, place

from onevault.stores.sql.engine import Vault, VaultUnusable, open_vault, vault_directory
from onevault.stores.sql.hashing import GHOST_KEY, hash_diff, hash_key
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.schema import INSERT_ONLY, SCHEMA_VERSION, metadata

HUB = "load_date record_source"
SATELLITE = "load_date load_end_date hash_diff record_source"
NAMED_TABLES = {
    "auth.tenant_h": f"tenant_hk tenant_bk {HUB}",
    "gateway.customer_h": f"customer_hk customer_bk tenant_hk {HUB}",
    "gateway.customer_config_s": f"customer_hk {SATELLITE} api_key_encrypted preferred_providers cost_budget_monthly "
    "cost_budget_daily compliance_level rate_limit_requests_per_minute priority_tier webhook_url",
    "gateway.ai_provider_h": f"provider_hk provider_bk {HUB}",
    "gateway.ai_provider_s": f"provider_hk {SATELLITE} provider_name api_endpoint models_available cost_per_1k_tokens "
    "max_tokens_per_request requests_per_minute_limit current_latency_ms current_availability_percent quality_score is_active",
    "gateway.customer_provider_keys_h": f"customer_provider_key_hk customer_provider_key_bk customer_hk provider_hk {HUB}",
    "gateway.customer_provider_keys_s": f"customer_provider_key_hk {SATELLITE} api_key_encrypted encryption_key_id key_status "
    "daily_spending_limit monthly_spending_limit allowed_models last_validated",
    "gateway.api_request_h": f"api_request_hk api_request_bk customer_hk provider_hk {HUB}",
    "gateway.api_request_s": f"api_request_hk {SATELLITE} request_timestamp request_type model_used prompt_tokens "
    "completion_tokens total_tokens request_latency_ms provider_cost gateway_markup customer_cost route_reason request_ip "
    "user_agent response_status error_message compliance_flags",
}


@pytest.mark.parametrize("table", NAMED_TABLES)
async def test_a_promised_table_has_exactly_the_promised_columns(vault: Vault, table: str) -> None:
    schema, name = table.split(".")
    columns = await vault.read(lambda connection: inspect(connection).get_columns(name, schema=schema))
    assert {column["name"] for column in columns} == set(NAMED_TABLES[table].split())


@pytest.mark.parametrize("table", [table for table in NAMED_TABLES if table.endswith("_s")])
async def test_a_satellite_is_keyed_by_hash_key_and_load_date(vault: Vault, table: str) -> None:
    schema, name = table.split(".")
    keys = await vault.read(lambda connection: inspect(connection).get_pk_constraint(name, schema=schema))
    assert set(keys["constrained_columns"]) == {NAMED_TABLES[table].split()[0], "load_date"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_columns_have_the_promised_types_on_postgresql(ask: Ask) -> None:
    rows = await ask(
        "SELECT table_name || '.' || column_name, data_type || coalesce('(' || character_maximum_length || ')', ''), column_default "
        "FROM information_schema.columns WHERE table_schema IN ('auth', 'gateway')"
    )
    types, defaults = {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}
    promised = {
        "tenant_h.tenant_hk": "bytea",
        "tenant_h.tenant_bk": "character varying(255)",
        "customer_config_s.preferred_providers": "ARRAY",
        "customer_config_s.cost_budget_monthly": "numeric",
        "customer_config_s.priority_tier": "character varying(20)",
        "api_request_s.request_ip": "inet",
        "api_request_s.load_date": "timestamp with time zone",
        "api_request_s.hash_diff": "bytea",
        "api_request_s.compliance_flags": "ARRAY",
        "ai_provider_s.is_active": "boolean",
        "change_s.after": "jsonb",
    }
    assert {name: types[name] for name in promised} == promised
    dated = [name for name in defaults if name.endswith("_h.load_date")]
    assert len(dated) > 5
    assert {defaults[name] for name in dated} == {"util.current_load_date()"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET record_source = 'forged'"]
)
async def test_no_program_can_change_delete_or_empty_what_was_recorded_on_postgresql(
    vault: Vault, statement: str
) -> None:
    for table in INSERT_ONLY:
        with pytest.raises(IntegrityError, match="insert-only"):
            await vault.write(
                lambda connection, table=table: connection.exec_driver_sql(statement.format(table.fullname))  # type: ignore[misc]
            )


@pytest.mark.parametrize(
    "table", [table for table in INSERT_ONLY if table.name != "tenant_h"], ids=lambda table: table.name
)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_no_program_can_change_or_delete_what_was_recorded(loaded_file: Path, table: object, verb: str) -> None:
    name = table.name  # type: ignore[attr-defined]
    with sqlite3.connect(loaded_file) as connection:
        if not connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            connection.execute(f"INSERT INTO {name} VALUES ({','.join('?' * len(columns))})", [1] * len(columns))
        statement = f"DELETE FROM {name}" if verb == "delete" else f"UPDATE {name} SET record_source = 'forged'"
        with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
            connection.execute(statement)
    connection.close()


@pytest.fixture
async def loaded_file(tmp_path: Path) -> Path:
    async with open_vault(tmp_path) as vault:
        write_segment(tmp_path / "journal", 1, both(range(3)))
        await Loader(vault, tmp_path / "journal").flush()
    return tmp_path / "gateway.db"


async def test_each_file_can_be_opened_alone_with_its_views(loaded_file: Path) -> None:
    connection = sqlite3.connect(loaded_file)
    assert connection.execute("SELECT COUNT(*), SUM(cost_nanos) FROM v_api_request_current").fetchone() == (
        3,
        3_000_003,
    )
    connection.close()


async def test_the_ghost_provider_is_there_from_the_start(ask: Ask) -> None:
    rows = await ask("SELECT provider_hk, provider_bk, is_active FROM gateway.v_ai_provider_current")
    assert rows == [(GHOST_KEY, "(none)", False)]


async def test_a_vault_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with open_vault(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(VaultUnusable, match=rf"schema version {SCHEMA_VERSION + 1}.*knows {SCHEMA_VERSION}"):
        async with open_vault(tmp_path):
            pass


async def test_a_database_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with place("postgresql") as url:
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO util.schema_version (version) VALUES (%s)", (SCHEMA_VERSION + 1,))
        with pytest.raises(VaultUnusable, match=rf"schema version {SCHEMA_VERSION + 1}.*knows {SCHEMA_VERSION}"):
            async with open_vault(tmp_path, database_url=url):
                pass


async def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://u:secret@127.0.0.1:{free_port()}/x"
    with pytest.raises(VaultUnusable, match=r"postgresql://127\.0\.0\.1:\d+/x: .*refused") as refusal:
        async with open_vault(tmp_path, database_url=url):
            pass
    assert "secret" not in str(refusal.value)


async def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(VaultUnusable, match="cannot be opened"):
        async with open_vault(tmp_path):
            pass


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:secret@db", "must be postgresql://user:password@host:5432/database"),
        ("postgresql://u:secret@db:port/x", "must be postgresql://"),
        ("postgresql+asyncpg://u:secret@db/x", "must be postgresql://"),
        ("mysql://u:secret@db/x", "sqlite:///directory"),
        ("nonsense", "sqlite:///directory"),
    ],
)
def test_a_database_url_that_cannot_be_served_is_refused_without_showing_its_secret(
    tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(VaultUnusable, match=message) as refusal:
        Vault(tmp_path, database_url=url)
    assert "secret" not in str(refusal.value)


def test_a_sqlite_url_names_the_directory(tmp_path: Path) -> None:
    assert vault_directory(tmp_path, "") == tmp_path
    assert vault_directory(tmp_path, "sqlite:////var/lib/onevault") == Path("/var/lib/onevault")


@pytest.mark.parametrize("engine", ENGINES)
async def test_processes_that_create_the_vault_at_the_same_moment_do_not_disturb_each_other(
    tmp_path: Path, engine: str
) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from onevault.stores.sql.engine import open_vault\n"
        "async def main():\n"
        "    async with open_vault(pathlib.Path(sys.argv[1]), database_url=sys.argv[2]): pass\n"
        "asyncio.run(main())\n"
    )
    with place(engine, empty=True) as url:
        started = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, str(tmp_path), url, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(4)
        ]
        outcomes = [await process.communicate() for process in started]
        assert [process.returncode for process in started] == [0, 0, 0, 0], outcomes
        async with open_vault(tmp_path, database_url=url) as vault:
            names = await vault.read(lambda connection: inspect(connection).get_table_names(schema="gateway"))
    assert set(names) == {table.name for table in metadata.tables.values() if table.schema == "gateway"}


def test_hash_keys_tell_apart_what_only_looks_alike() -> None:
    assert hash_key("ab", "c") != hash_key("a", "bc")
    assert hash_key("a") != hash_key("a", "")
    assert hash_key("Key") != hash_key("key")
    assert hash_key("caf\u00e9") == hash_key("cafe\u0301")
    assert hash_key("key_1") == sha256(b"\x00\x00\x00\x05key_1").digest()
    assert hash_diff(None) != hash_diff("")
    assert hash_diff("a", None) != hash_diff(None, "a")


async def test_nobody_else_on_the_machine_can_read_the_vault(tmp_path: Path) -> None:
    async with open_vault(tmp_path / "new") as vault:
        write_segment(tmp_path / "journal", 1, both([1]))
        await Loader(vault, tmp_path / "journal").flush()
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert len(modes) >= 6
    assert set(modes.values()) == {0o600}


async def test_a_role_without_the_right_to_create_serves_a_database_that_was_migrated(tmp_path: Path) -> None:
    with place("postgresql") as url:
        role = f"serves_{url.rpartition('_')[2]}"
        with psycopg.connect(url) as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN")
            for schema in ("auth", "util", "gateway"):
                connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
                connection.execute(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {role}")
        async with open_vault(tmp_path, database_url=url.replace("onevault@", f"{role}@")) as vault:
            write_segment(tmp_path / "journal", 1, both(range(3)))
            await Loader(vault, tmp_path / "journal").flush()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM gateway.api_request_s").fetchone() == (3,)
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")
