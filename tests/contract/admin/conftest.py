from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract.admin.surroundings import Client, Surroundings, serving
from tests.support.vaults import ENGINES, SQLITE, place

from onevault.stores.sql.engine import open_vault

ON_EVERY_ENGINE = {
    *("test_lifecycle", "test_idempotency", "test_audit", "test_bulk"),
    *("test_a_key_is_kept_sealed_and_only_its_end_is_shown", "test_each_change_is_recorded_without_the_secret"),
}
"""Modules and tests about what the vault keeps. The others are about what the API answers, whatever keeps it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # What is refused before anything is kept is the same on every engine: parametrized tests of it run on one.
    is_plain = metafunc.definition.get_closest_marker("parametrize") is None
    names = {metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__}
    if "vault_url" in metafunc.fixturenames and is_plain and names & ON_EVERY_ENGINE:
        metafunc.parametrize("vault_url", ENGINES, indirect=True)


@pytest.fixture
def vault_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with place(getattr(request, "param", SQLITE)) as url:
        yield url


@pytest.fixture
async def admin(tmp_path: Path, vault_url: str) -> AsyncIterator[Client]:
    async with open_vault(tmp_path, database_url=vault_url) as vault, serving(Surroundings(vault)) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """One server for a module of tests that change nothing."""
    async with open_vault(tmp_path_factory.mktemp("vault")) as vault, serving(Surroundings(vault)) as client:
        client.org_id = await client.organization("There already")
        client.user_id = await client.user(client.org_id)
        made = await client("POST", f"/admin/users/{client.user_id}/api-keys")
        client.key_id, client.api_key = made.body["key_id"], made.body["api_key"]
        yield client
