"""The directory of a vault that may be away: at a start a signed file stands in for it, and afterwards it is kept up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from onevault.core.directory import Change, Changes, Directory, Snapshot
from onevault.core.faults import Fault
from onevault.core.notices import Notice, NoticeKind
from onevault.core.ports import Clock, Notices
from onevault.stores.snapshot.file import Kept, SnapshotFile, SnapshotUnusable

_log = structlog.get_logger("onevault.directory")
LOOK_S: Final = 1.0
CONFIRM_S: Final = 300.0
"""A file of a vault that does not change is written anew so often, so that its age says when the vault was last heard."""
CHANGES_MAX: Final = 100
"""Of more, all is read."""
_SHARE: Final = 20.0
"""A large directory is written less often: of its time the job works one part in so many."""
_NS: Final = 1_000_000_000


class DirectoryStanding(msgspec.Struct, frozen=True):
    """How the directory stands. `age_s` is since when the vault has not been heard; 0 while it is."""

    degraded: bool
    detail: str
    age_s: float


class SnapshotDirectory:
    """The port `Directory` before another one. `kept` is what the file had, where the vault did not answer at the start: then the
    first `snapshot` is that. Everything else goes to the vault and raises what it raises; `failures` are those by which it is away.
    """

    def __init__(
        self,
        behind: Directory,
        file: SnapshotFile,
        clock: Clock,
        notices: Notices,
        *,
        tenant_id: str,
        failures: tuple[type[Exception], ...],
        kept: Kept | None,
    ) -> None:
        self._behind = behind
        self._file = file
        self._clock = clock
        self._notices = notices
        self._tenant_id = tenant_id
        self._failures = failures
        self._kept = kept
        self._version = -1
        self._heard_ns = kept.confirmed_ns if kept is not None else clock.wall_ns()
        self._away = False
        if kept is not None:
            self._is_away("the vault did not answer at the start")

    @property
    def from_file(self) -> bool:
        """Whether what is known was read from the file, and the vault has not been heard since."""
        return self._kept is not None

    async def snapshot(self) -> Snapshot:
        """As `directory.Directory.snapshot`; the file's until the vault is heard."""
        if self._kept is not None:
            return self._kept.snapshot
        try:
            snapshot = await self._behind.snapshot()
        except self._failures as error:
            self._is_away(type(error).__name__)
            raise
        self._is_heard(snapshot.version)
        return snapshot

    async def changes(self, since: int) -> Changes:
        """As `directory.Directory.changes`."""
        try:
            changes = await self._behind.changes(since)
        except self._failures as error:
            self._is_away(type(error).__name__)
            raise
        self._is_heard(changes.version)
        return changes

    async def put(self, change: Change) -> None:
        """As `directory.Directory.put`."""
        await self._behind.put(change)

    async def put_each(self, changes: Sequence[Change]) -> list[Fault | None]:
        """As `directory.Directory.put_each`."""
        return await self._behind.put_each(changes)

    def standing(self) -> DirectoryStanding:
        """How it stands now."""
        if not self._away:
            return DirectoryStanding(False, "in the vault", 0.0)
        age_s = max(0.0, (self._clock.wall_ns() - self._heard_ns) / _NS)
        source = "the signed snapshot of the last run" if self.from_file else "memory"
        return DirectoryStanding(
            True, f"the vault does not answer; keys are checked against {source}, {age_s:.0f} s old", age_s
        )

    async def keep_file(self) -> None:
        """Writes the file when something has changed, and now and then when nothing has. Raises what the vault or the disk raises."""
        written, written_ns, wait_s = -1, 0, LOOK_S
        while True:
            await self._clock.sleep(wait_s)
            wait_s = LOOK_S
            is_old = self._clock.wall_ns() - written_ns >= CONFIRM_S * _NS
            if self._away or (self._version == written and not is_old):
                continue
            began = time.monotonic()
            confirmed_ns = self._clock.wall_ns()
            version = await self._write(written, confirmed_ns)
            if version is not None:
                written, written_ns = version, confirmed_ns
            wait_s = max(LOOK_S, _SHARE * (time.monotonic() - began))

    async def _write(self, written: int, confirmed_ns: int) -> int | None:
        """Which version of the directory the file has now; None where it could not be written. Of a vault with 100,000 keys all is read
        once, and after that what has changed: the rest is in the file, and kept nowhere else."""
        if written >= 0:
            changes = await self._behind.changes(written)
            if changes.version >= written and len(changes.entities) <= CHANGES_MAX:
                try:
                    is_written = await asyncio.to_thread(
                        self._file.change, changes, since=written, confirmed_ns=confirmed_ns
                    )
                except SnapshotUnusable as unusable:
                    _log.warning("the snapshot of the directory is written anew", reason=str(unusable))
                else:
                    return changes.version if is_written else None
        snapshot = await self._behind.snapshot()
        is_written = await asyncio.to_thread(self._file.write, snapshot, confirmed_ns=confirmed_ns)
        return snapshot.version if is_written else None

    def _is_heard(self, version: int) -> None:
        self._heard_ns = self._clock.wall_ns()
        self._version = version
        self._kept = None
        if self._away:
            self._away = False
            _log.info("the vault answers again: keys are checked against its newest state")
            self._tell(NoticeKind.DIRECTORY_RESTORED)

    def _is_away(self, reason: str) -> None:
        if self._away:
            return
        self._away = True
        _log.warning("the vault does not answer: keys are checked against what was last read", reason=reason)
        self._tell(NoticeKind.DIRECTORY_DEGRADED)

    def _tell(self, kind: NoticeKind) -> None:
        now_ns = self._clock.wall_ns()
        self._notices.tell(Notice(kind=kind, tenant_id=self._tenant_id, at_ns=now_ns))
