"""Tells of every change which organization it belongs to, also of those that were recorded before this was kept."""

from __future__ import annotations

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.schema import CreateColumn, CreateIndex

from onevault.stores.sql.hashing import hash_key
from onevault.stores.sql.schema.who import CHANGE_INDEXES, change_s


def insert_only_trigger(table: Table, verb: str) -> str:
    """What keeps anybody from doing this (`UPDATE`, `DELETE`) to the table's rows."""
    return (
        f"CREATE TRIGGER {table.schema}.{table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} "
        f"BEGIN SELECT RAISE(ABORT, '{table.name} is insert-only'); END"
    )


def add_organizations_of_changes(connection: Connection) -> None:
    """Adds the column to a vault of version 3 or older, and fills it in from what each change says. The one time that a
    change's row is touched: nothing that was recorded is altered."""
    if any(column["name"] == "org_bk" for column in inspect(connection).get_columns("change_s", schema="gateway")):
        return
    definition = CreateColumn(change_s.c.org_bk).compile(connection)
    connection.exec_driver_sql(f"ALTER TABLE gateway.change_s ADD COLUMN {definition}")
    connection.exec_driver_sql("DROP TRIGGER gateway.change_s_no_update")
    connection.exec_driver_sql(
        "UPDATE gateway.change_s SET org_bk = CASE entity WHEN 'customer' THEN entity_bk "
        "ELSE json_extract(after, '$.org_id') END WHERE entity <> 'api_key'"
    )
    users: dict[bytes, str] = dict(
        connection.exec_driver_sql(
            "SELECT u.user_hk, c.customer_bk FROM gateway.user_h AS u "
            "JOIN gateway.customer_h AS c ON c.customer_hk = u.customer_hk"
        ).all()
    )
    keys = connection.exec_driver_sql(
        "SELECT change_id, json_extract(after, '$.user_id') FROM gateway.change_s WHERE entity = 'api_key'"
    ).all()
    rows = [(users.get(hash_key(user_id)), change_id) for change_id, user_id in keys]
    if rows:
        connection.exec_driver_sql("UPDATE gateway.change_s SET org_bk = ? WHERE change_id = ?", rows)
    connection.exec_driver_sql(insert_only_trigger(change_s, "UPDATE"))
    for index in CHANGE_INDEXES:
        connection.execute(CreateIndex(index, if_not_exists=True))
