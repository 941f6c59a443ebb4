"""Every journal that a process can write to: the same tests run on each durability."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from onevault.stores.journal.commit import Durability
from onevault.stores.journal.writer import JournalWriter


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture(params=["group", "always", "os"])
def durability(request: pytest.FixtureRequest) -> Durability:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def journal(directory: Path, durability: Durability) -> AsyncIterator[JournalWriter]:
    writer = JournalWriter(directory, durability=durability, group_interval_ms=1)
    yield writer
    await writer.close()
