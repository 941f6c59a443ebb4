from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract.admin.surroundings import Client, Surroundings, serving

from onevault.stores.sql.engine import open_vault


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Client]:
    async with open_vault(tmp_path) as vault, serving(Surroundings(vault)) as client:
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
