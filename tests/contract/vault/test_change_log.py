"""What is looked for in the audit is found through the index of what is rarest, however much one actor did."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from onevault.core.changes import ChangeQuery
from onevault.stores.sql.change_log import VaultChangeLog
from onevault.stores.sql.engine import Vault


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "change_s_time"),
        ({"until_ms": 5}, "change_s_time"),
        ({"entity": "user"}, "change_s_kind (entity=?)"),
        ({"actor": "admin", "entity": "user"}, "change_s_actor (actor=?)"),
        ({"org_id": "o", "actor": "admin", "entity": "user"}, "change_s_org (org_bk=?)"),
        ({"entity_id": "u", "org_id": "o", "actor": "admin", "entity": "user"}, "change_s_entity (entity_bk=?)"),
    ],
)
async def test_changes_are_read_through_the_index_of_what_is_rarest(
    vault: Vault, asked: dict[str, Any], index: str
) -> None:
    ran: list[tuple[str, Any]] = []
    event.listen(
        vault.database.reader, "before_cursor_execute", lambda *said: ran.append((said[2], said[3])), named=False
    )
    assert await VaultChangeLog(vault).newest(ChangeQuery(limit=200, **asked)) == []
    statement, parameters = ran[-1]

    def plan(connection: Any) -> str:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return " ".join(row[3] for row in rows)

    found = await vault.read(plan)
    assert index in found
    assert "TEMP B-TREE" not in found
