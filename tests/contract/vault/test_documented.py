"""The queries that the vault's page shows do what it says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.vault.calls import both, settled_call, write_segment
from tests.contract.vault.conftest import Ask, MovedClock

from onevault.core.directory import Change
from onevault.core.identity import Organization, User
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.schema import metadata
from onevault.stores.sql.schema.views import VIEWS

PAGE = (Path(__file__).parents[3] / "docs" / "vault.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


async def test_the_documented_queries_answer_what_they_ask(
    vault: Vault, ask: Ask, clock: MovedClock, tmp_path: Path
) -> None:
    directory = VaultDirectory(vault, clock)
    await directory.put(Change("admin", "", Organization(org_id="org_1", tenant_id="default", name="One")))
    user = User(user_id="user_1", org_id="org_1", email="ann@x.org", daily_limit=7)
    await directory.put(Change("admin", "", user))
    clock.now_ns += 60_000_000_000
    user = User(user_id="user_1", org_id="org_1", email="ann@x.org", daily_limit=8, version=2)
    await directory.put(Change("admin", "", user))
    write_segment(tmp_path / "journal", 1, both(range(20)))
    await Loader(vault, tmp_path / "journal").flush()

    spent, limit, attempts = [await ask(query) for query in QUERIES]
    costs = {key: sum(settled_call(number).cost for number in range(key, 20, 5)) for key in (1, 3)}
    assert spent == [("user_3", costs[3], 4), ("user_1", costs[1], 4)]
    assert limit == [("ann@x.org", 7, "2026-11-21 12:00:00.000000", "2026-11-21 12:01:00.000000")]
    assert attempts == [("openai-eu", "", 20, 490.0)]


def test_every_table_and_view_is_on_the_page() -> None:
    named = set(re.findall(r"\w+", PAGE))
    assert {table.name for table in metadata.tables.values()} <= named
    assert {name for name in VIEWS if name.endswith("_current")} <= named
