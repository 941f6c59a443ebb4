"""Decides when a written record counts as durable, and what becomes of records whose sync failed."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec

from onevault.stores.journal.sync import SegmentFile, Syncer

Durability = Literal["group", "always", "os"]
"""`group`: synced every interval, not waited for. `always`: a record is on the disk when `append` returns. `os`: never synced;
survives the process, not the machine."""


class Written(msgspec.Struct):
    """A record that stands in a file up to `end` and is not yet synced (durability `always`). `hold_id` is the call's where
    it is a hold; `owed`: it must be written again if the sync fails."""

    file: SegmentFile
    end: int
    frame: bytes
    hold_id: str
    owed: bool
    done: asyncio.Future[None]


class Commit:
    """Owns the open files. All on the loop but the syncing itself.

    `on_lost(written)` is called for every record that a failed sync took out of its file again, oldest first; it settles
    `written.done`. Before that `on_failed(error)`: the current file must be left.
    """

    def __init__(
        self,
        durability: Durability,
        *,
        interval_s: float,
        directory: int,
        on_lost: Callable[[Written], None],
        on_failed: Callable[[OSError], None],
    ) -> None:
        self._durability = durability
        self._on_lost = on_lost
        self._on_failed = on_failed
        self._written: deque[Written] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._file: SegmentFile | None = None
        self._syncer = (
            Syncer(
                interval_s=interval_s if durability == "group" else 0,
                directory=directory,
                on_synced=self._synced,
                on_failed=self._sync_failed,
            )
            if durability != "os"
            else None
        )

    def write_to(self, file: SegmentFile) -> None:
        """From now on `file` is the current one; the one before it is closed when it is synced."""
        if self._syncer is not None:
            self._syncer.write_to(file)
        elif self._file is not None:
            os.close(self._file.descriptor)
        self._file = file

    def wrote(self, file: SegmentFile, frame: bytes, *, hold_id: str = "", owed: bool) -> asyncio.Future[None] | None:
        """What to wait for until the frame, just written at the end of `file`, is durable; None for nothing."""
        syncer = self._syncer
        if syncer is None:
            return None
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        done = None
        if self._durability == "always":
            done = self._loop.create_future()
            self._written.append(Written(file, file.size, frame, hold_id, owed, done))
        syncer.want()
        return done

    async def stop(self) -> None:
        """Syncs and closes all files."""
        if self._syncer is not None:
            await asyncio.to_thread(self._syncer.stop)
            await asyncio.sleep(0)  # a failure of the last sync comes through the loop
            self._resolve()
        elif self._file is not None:
            os.close(self._file.descriptor)

    def _synced(self) -> None:
        """In the syncer's thread."""
        if self._durability == "always" and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        written = self._written
        while written and written[0].file.synced >= written[0].end:
            done = written.popleft().done
            if not done.done():
                done.set_result(None)

    def _sync_failed(self, error: OSError) -> None:
        """In the syncer's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_anew, error)

    def _begin_anew(self, error: OSError) -> None:
        """After a failed sync the kernel may have dropped what it could not write. With `always` nobody was promised those
        records yet: they are taken out. With `group` they were: the files are left as they are, for what still stands."""
        self._on_failed(error)
        self._resolve()
        if self._syncer is not None:
            if self._durability == "always":
                for file in self._syncer.files():
                    try:
                        os.ftruncate(file.descriptor, file.synced)
                    except OSError as also:
                        self._on_failed(also)
            self._syncer.abandon()
        lost, self._written = self._written, deque()
        for written in lost:
            self._on_lost(written)
