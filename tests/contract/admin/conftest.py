from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.contract.admin.surroundings import Client, Surroundings, serving


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
async def admin(around: Surroundings) -> AsyncIterator[Client]:
    async with serving(around) as client:
        yield client
