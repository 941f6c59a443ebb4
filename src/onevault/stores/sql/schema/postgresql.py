"""What the vault's schema is made with on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Connection, Table

from onevault.stores.sql.schema.derived import schema_version

_BEFORE = (
    "CREATE SCHEMA IF NOT EXISTS auth",
    "CREATE SCHEMA IF NOT EXISTS util",
    "CREATE SCHEMA IF NOT EXISTS gateway",
    "CREATE OR REPLACE FUNCTION util.current_load_date() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()'",
    "CREATE OR REPLACE FUNCTION util.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION '%% is insert-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$",
)


def version_of(connection: Connection, schema: str) -> int:
    """All schemas are in one database and change together, so one version holds for them all."""
    if connection.exec_driver_sql("SELECT to_regclass('util.schema_version')").scalar_one() is None:
        return 0
    query = f"SELECT coalesce(max(version), 0) FROM {schema_version.fullname}"  # noqa: S608 (a table's name)
    return int(connection.exec_driver_sql(query).scalar_one())


def set_version(connection: Connection, schema: str, version: int) -> None:
    """Kept in `util.schema_version`, where `create` has put it."""


def before(connection: Connection) -> None:
    """What tables need to be there first."""
    for statement in _BEFORE:
        connection.exec_driver_sql(statement)


def refuse_changes(connection: Connection, table: Table) -> None:
    connection.exec_driver_sql(
        f"CREATE TRIGGER {table.name}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.fullname} "
        "FOR EACH STATEMENT EXECUTE FUNCTION util.refuse_change()"
    )


def create_view(connection: Connection, name: str, text: str) -> None:
    connection.exec_driver_sql("SET LOCAL search_path TO gateway")  # its text names no schema, as SQLite wants it
    connection.exec_driver_sql(f"CREATE VIEW gateway.{name} AS {text}")
    connection.exec_driver_sql("SET LOCAL search_path TO DEFAULT")
