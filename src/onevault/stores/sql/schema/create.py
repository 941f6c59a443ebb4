"""Brings a vault to this version of the schema, or refuses one that a newer version has written."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from sqlalchemy import Column, Connection, Table, inspect
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from onevault.stores.sql import locks
from onevault.stores.sql.dialects import POSTGRESQL
from onevault.stores.sql.hashing import GHOST_KEY, hash_diff
from onevault.stores.sql.schema import (
    INSERT_ONLY,
    SCHEMA_VERSION,
    SCHEMAS,
    calls,
    metadata,
    postgresql,
    providers,
    sqlite,
    who,
)
from onevault.stores.sql.schema.change_organizations import add_organizations_of_changes
from onevault.stores.sql.schema.derived import schema_version
from onevault.stores.sql.schema.views import VIEWS

GHOST_PROVIDER = "(none)"
"""The business key of the ghost provider: calls that reached none point to it."""


class SchemaTooNew(Exception):
    """The vault was written by a newer version of the product, whose tables this one would misread."""


def bring_up(connection: Connection) -> tuple[int, int]:
    """Creates what is missing, and tells from which version to which (0: there was nothing).

    Runs inside one write transaction; of several processes one does it and the others find it done. On SQLite each file is brought up
    for itself: a crash between two files leaves each at its version or untouched. Raises SchemaTooNew.
    """
    made = _made_with(connection)
    locks.alone(connection, locks.SCHEMA)
    versions = {schema: made.version_of(connection, schema) for schema in SCHEMAS}
    newest = max(versions.values())
    if newest > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the vault has schema version {newest}, this version of OneVault knows {SCHEMA_VERSION}: "
            "start the newer version again, or restore the backup made before it"
        )
    if min(versions.values()) < SCHEMA_VERSION:
        made.before(connection)
    for schema, version in versions.items():
        if version == 0:
            _create(connection, schema)
        elif version < SCHEMA_VERSION:
            _bring_on(connection, schema, version)
        else:
            continue
        made.set_version(connection, schema, SCHEMA_VERSION)
    return min(versions.values()), SCHEMA_VERSION


def version_of(connection: Connection) -> int:
    """The version of the tables of the calls; 0 where there are none."""
    return int(_made_with(connection).version_of(connection, "gateway"))


def _made_with(connection: Connection) -> ModuleType:
    return postgresql if connection.dialect.name == POSTGRESQL else sqlite


def _create(connection: Connection, schema: str) -> None:
    _create_tables(connection, schema)
    if schema == "util":
        connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
    if schema == "gateway":
        _create_views(connection)
        _add_ghost_provider(connection)


def _create_tables(connection: Connection, schema: str) -> None:
    """The tables that the file has not, with their indexes and what keeps them insert-only."""
    existing = set(inspect(connection).get_table_names(schema=schema))
    for table in metadata.sorted_tables:
        if table.schema != schema or table.name in existing:
            continue
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))
        if table in INSERT_ONLY:
            _made_with(connection).refuse_changes(connection, table)


def _create_views(connection: Connection) -> None:
    for name, text in VIEWS.items():
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS gateway.{name}")
        _made_with(connection).create_view(connection, name, text)


def _bring_on(connection: Connection, schema: str, version: int) -> None:
    """A file of an older version, step by step. Version 2: what is used beside tokens of text. Version 3: teams, admin keys,
    limits of tenants, what keys may use. Version 4: data keys and providers' keys, whose key a call was made with, whether it was
    granted as grace, further limits and those for one provider or model. Version 5: webhooks, thresholds.
    On PostgreSQL there was none before version 4."""
    if schema == "gateway":
        if version < 2:
            _add_columns(connection, calls.api_request_detail_s, calls.usage_added())
        if version < 3:
            _create_tables(connection, schema)
            for table, columns in who.tenancy_added().items():
                _add_columns(connection, table, columns)
        if version < 4:
            _create_tables(connection, schema)
            _add_columns(connection, calls.api_request_detail_s, calls.provider_keys_added())
            _add_columns(connection, calls.api_request_detail_s, calls.grace_added())
            _add_columns(connection, who.customer_s, (who.customer_s.c.byok,))
            for table, columns in who.limits_added().items():
                _add_columns(connection, table, columns)
            add_organizations_of_changes(connection)
        if version < 5:
            _create_tables(connection, schema)
            _add_columns(connection, who.customer_s, who.thresholds_added())
        _create_views(connection)
    if schema == "util":
        connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def _add_columns(connection: Connection, table: Table, columns: Iterable[Column[Any]]) -> None:
    """Columns that a table lacks; a row that was there before has their defaults, or nothing, in them."""
    existing = {column["name"] for column in inspect(connection).get_columns(table.name, schema=table.schema)}
    for column in columns:
        if column.name not in existing:
            definition = CreateColumn(column).compile(connection)
            connection.exec_driver_sql(f"ALTER TABLE {table.fullname} ADD COLUMN {definition}")


def _add_ghost_provider(connection: Connection) -> None:
    connection.execute(
        providers.ai_provider_h.insert().values(
            provider_hk=GHOST_KEY, provider_bk=GHOST_PROVIDER, record_source="system"
        )
    )
    connection.execute(
        providers.ai_provider_s.insert().values(
            provider_hk=GHOST_KEY,
            hash_diff=hash_diff(GHOST_PROVIDER),
            provider_name=GHOST_PROVIDER,
            api_endpoint="",
            models_available=[],
            is_active=False,
            record_source="system",
        )
    )
