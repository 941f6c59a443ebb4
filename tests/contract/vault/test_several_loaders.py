"""Several processes write one PostgreSQL vault at once: sums are exact, no call counts twice, and no change is missed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from tests.contract.vault.calls import NOON_NS, SECOND_NS, reset_of, settled_call, write_segment
from tests.contract.vault.conftest import MovedClock
from tests.support.postgres_server import PostgresServer, shared_postgres
from tests.support.vaults import place

from onevault.core.directory import Change
from onevault.core.identity import Organization, Window
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault, open_vault
from onevault.stores.sql.loader import Loader

CALLS = 300
LOADERS = 4


async def loaded(url: str, directory: Path, journal: Path, name: str) -> None:
    async with open_vault(directory, database_url=url) as vault:
        await Loader(vault, journal, journal=name, batch_records_max=17).flush(timeout_s=60)


async def test_loaders_of_several_journals_that_share_scopes_and_calls_count_each_call_once(tmp_path: Path) -> None:
    # Each journal has a call in common with the next, as an adopted journal can, and in opposite orders.
    journals = []
    for number in range(LOADERS):
        records = [settled_call(call) for call in range(number * CALLS, (number + 1) * CALLS + 1)]
        journals.append(tmp_path / f"journal-{number}")
        write_segment(journals[-1], 1, records[:: 1 if number % 2 else -1])
    reset = reset_of("key:key_0", NOON_NS + 10_000 * SECOND_NS)
    write_segment(journals[0], 2, [reset])
    with place("postgresql") as url:
        await asyncio.gather(*(loaded(url, tmp_path, journal, f"host/{n}") for n, journal in enumerate(journals)))
        async with open_vault(tmp_path, database_url=url) as vault:
            rollups = await Loader(vault, tmp_path / "none").rollups(NOON_NS)
    calls = [settled_call(call) for call in range(LOADERS * CALLS + 1)]
    for scope in {scope for call in calls for scope in call.scopes}:
        own = [call.cost for call in calls if scope in call.scopes]
        found = {row.window: (row.money, row.requests) for row in rollups if row.scope == scope}
        assert found[Window.TOTAL] == (sum(own), len(own)), scope
        assert found[Window.MONTH] == ((0, 0) if scope == "key:key_0" else (sum(own), len(own))), scope


async def test_who_follows_the_changes_of_several_writers_misses_none(tmp_path: Path) -> None:
    with place("postgresql") as url:
        async with open_vault(tmp_path, database_url=url) as vault:
            follower = VaultDirectory(vault, MovedClock())
            writing = asyncio.gather(*(_writes(url, tmp_path, mark) for mark in range(3)))
            seen: set[str] = set()
            version = 0
            while True:
                is_done = writing.done()
                changes = await follower.changes(version)
                assert changes.version >= version
                version = changes.version
                seen |= {entity.org_id for entity in changes.entities if isinstance(entity, Organization)}
                if is_done:
                    break
            await writing
    assert len(seen) == 3 * 20


async def _writes(url: str, directory: Path, mark: int) -> None:
    async with open_vault(directory, database_url=url) as vault:
        for number in range(20):
            name = f"org_{mark}_{number}"
            organization = Organization(org_id=name, tenant_id="default", name=name)
            await VaultDirectory(vault, MovedClock()).put(Change("admin", "", organization))


async def test_connections_that_the_server_ended_are_replaced_unnoticed(tmp_path: Path) -> None:
    with place("postgresql") as url:
        async with open_vault(tmp_path, database_url=url) as vault:
            await _uses_all(vault)
            database = url.rpartition("/")[2]
            shared_postgres().run(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
            )
            await _uses_all(vault)


async def _uses_all(vault: Vault) -> None:
    for use in (vault.read, vault.write):
        assert await use(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()) == 1
    assert (
        await vault.load(lambda begin: begin(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()))
        == 1
    )


async def test_a_server_that_stops_answering_is_broken_off_with_and_found_again(tmp_path: Path) -> None:
    server = PostgresServer().start()
    try:
        async with open_vault(tmp_path, database_url=f"{server.url()}?connect_timeout=2") as vault:
            vault.database.answer_timeout_s = 0.5  # type: ignore[misc]
            await _uses_all(vault)
            server.pause()
            with pytest.raises(OperationalError):
                await vault.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
            server.resume()
            await _uses_all(vault)
    finally:
        server.remove()
