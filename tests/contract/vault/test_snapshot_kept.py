"""The snapshot file follows the directory by what changes, and is the same as if all had been read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from tests.contract.vault.test_directory import ADMIN_KEY, ANN, KEY, ORG, TEAM, TENANT, changed, put
from tests.support.patience import PATIENCE_S

from onevault.bootstrap.system import SystemClock
from onevault.core.directory import Snapshot
from onevault.core.identity import Status
from onevault.core.notices import Notice
from onevault.policy.purpose import MasterKey
from onevault.stores.snapshot.directory import SnapshotDirectory
from onevault.stores.snapshot.file import SnapshotFile, SnapshotUnusable
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault


class Impatient(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.01)


class Counting(VaultDirectory):
    """How often all was read."""

    wholes = 0

    async def snapshot(self) -> Snapshot:
        self.wholes += 1
        return await super().snapshot()


class Unheard:
    def tell(self, notice: Notice) -> None:
        raise AssertionError(notice)


async def test_the_file_follows_without_reading_all_again(vault: Vault, tmp_path: Path) -> None:
    clock = Impatient()
    behind = Counting(vault, clock)
    file = SnapshotFile(
        tmp_path, masters=lambda: (MasterKey("mk_1", b"1" * 32),), tenant_id="default", vault="of the test"
    )
    directory = SnapshotDirectory(
        behind, file, clock, Unheard(), tenant_id="default", failures=(ConnectionError,), kept=None
    )

    async def is_followed() -> None:
        wanted = await VaultDirectory(vault, clock).snapshot()
        await directory.changes(wanted.version)
        async with asyncio.timeout(PATIENCE_S):
            while (held := _held(file)) is None or held.version != wanted.version:
                await asyncio.sleep(0.01)
        assert held == wanted

    await put(behind, TENANT, ADMIN_KEY, ORG, TEAM, ANN, KEY)
    keeping = asyncio.create_task(directory.keep_file())
    try:
        await is_followed()
        await put(behind, changed(KEY, status=Status.REVOKED), changed(ADMIN_KEY, status=Status.REVOKED))
        await is_followed()
        await put(behind, changed(ANN, email="ann@y.org"))
        await is_followed()
        assert behind.wholes == 1
        file.path.write_bytes(b"what somebody else wrote")
        await put(behind, changed(TEAM, name="Sales"))
        await is_followed()
        assert behind.wholes == 2
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


def _held(file: SnapshotFile) -> Snapshot | None:
    try:
        return file.read(now_ns=SystemClock().wall_ns(), age_max_s=3600.0).snapshot
    except SnapshotUnusable:
        return None
