"""What the vault's schema is made with on SQLite: each file has its own version."""

from __future__ import annotations

from sqlalchemy import Connection, Table

from onevault.stores.sql.schema.change_organizations import insert_only_trigger


def version_of(connection: Connection, schema: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {schema}.user_version").scalar_one())


def set_version(connection: Connection, schema: str, version: int) -> None:
    connection.exec_driver_sql(f"PRAGMA {schema}.user_version = {version}")


def before(connection: Connection) -> None:
    """The files are attached already."""


def refuse_changes(connection: Connection, table: Table) -> None:
    for verb in ("UPDATE", "DELETE"):
        connection.exec_driver_sql(insert_only_trigger(table, verb))


def create_view(connection: Connection, name: str, text: str) -> None:
    connection.exec_driver_sql(f"CREATE VIEW gateway.{name} AS {text}")
