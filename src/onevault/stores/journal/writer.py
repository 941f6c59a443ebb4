"""Appends records to the journal, and keeps the settlements that the disk does not take until it does.

What happens when the disk is full or broken: holds are refused (no call goes out that could not be accounted for), while
settlements of calls that went out are kept in memory, in order, and written as soon as the disk takes them. Until they are, no
hold is let in, so no more can gather than there are calls in flight. They are lost only if the process dies first; then their
holds are settled at the worst case.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.records import Held, Record, Settled
from onevault.core.usage import UsageSource
from onevault.stores.journal.commit import Commit, Durability, Written
from onevault.stores.journal.frame import framed
from onevault.stores.journal.output import Output
from onevault.stores.journal.room import Room

DEFERRED_BYTES_MAX: Final = 64 << 20
RETRY_INTERVAL_S: Final = 0.25
RETRIES_AT_ONCE: Final = 128
"""Records per turn of the loop: below a millisecond."""
_RETRY_AFTER_S: Final = 5.0


class JournalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the journal is: for health and metrics. `deferred` settlements wait in memory for the disk."""

    segment: str
    bytes_on_disk: int
    holds_open: int
    deferred: int
    errors: int
    last_error: str


class JournalWriter:
    """Implements `ports.Journal` for one process; everything but the syncing happens on the loop that calls `append`.

    Creates the directory (0700) and a segment of its own (0600); never touches a segment that another process wrote.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durability: Durability = "group",
        segment_bytes_max: int = 64 << 20,
        group_interval_ms: int = 50,
        disk_bytes_max: int = 8 << 30,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Raises Fault STORE_UNAVAILABLE when the directory cannot be written."""
        self._room = Room(directory, disk_bytes_max=disk_bytes_max, wall_ns=wall_ns)
        self._open_holds: set[str] = set()
        self._deferred: deque[bytes] = deque()
        self._deferred_bytes = 0
        self._retry_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._errors = 0
        self._last_error = ""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._commit = Commit(
                durability,
                interval_s=group_interval_ms / 1000,
                directory=self._directory,
                on_lost=self._lost,
                on_failed=self._sync_failed,
            )
            self._output = Output(
                directory,
                segment_bytes_max=segment_bytes_max,
                room=self._room,
                wall_ns=wall_ns,
                on_new_file=self._commit.write_to,
                on_error=self._note,
            )
        except OSError as error:
            raise _unavailable(f"The journal's directory cannot be written: {error.strerror}.") from None

    async def append(self, record: Record) -> None:
        """As `ports.Journal.append`. A settlement of a call that was held is taken in any case (see the module); it raises
        Fault STORE_UNAVAILABLE only when DEFERRED_BYTES_MAX are waiting."""
        if self._closed:
            raise _unavailable("The journal is closed.")
        frame = framed(record)
        if self._deferred:
            self._retry()
        if type(record) is Settled and self._is_owed(record):
            durable = self._append_owed(frame)
            self._open_holds.discard(record.call_id)
        else:
            durable = self._append_unless_refused(frame, record.call_id if type(record) is Held else "")
        if durable is not None:
            await durable

    async def close(self) -> None:
        """Writes what is deferred, syncs, closes. A second call does nothing.

        Raises Fault STORE_UNAVAILABLE when settlements are left that the disk would not take.
        """
        if self._closed:
            return
        self._closed = True
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        for _ in range(len(self._deferred) // RETRIES_AT_ONCE + 1):
            self._retry()
        await self._commit.stop()
        os.close(self._directory)
        if self._deferred:
            raise _unavailable(
                f"{len(self._deferred)} settlements could not be written to the journal ({self._last_error}); "
                "the next start settles those calls at their worst case."
            )

    def status(self) -> JournalStatus:
        """How the journal is at this moment."""
        return JournalStatus(
            segment=self._output.file.name,
            bytes_on_disk=self._room.bytes_elsewhere + self._output.file.size,
            holds_open=len(self._open_holds),
            deferred=len(self._deferred),
            errors=self._errors,
            last_error=self._last_error,
        )

    def _is_owed(self, settled: Settled) -> bool:
        """Whether losing it would charge somebody wrongly: its hold is in the journal, or it costs something."""
        return settled.held and (
            settled.call_id in self._open_holds or settled.cost > 0 or settled.usage_source is UsageSource.WORST_CASE
        )

    def _append_unless_refused(self, frame: bytes, hold_id: str) -> asyncio.Future[None] | None:
        file, holds = self._output.file, self._open_holds
        if self._deferred:
            raise _unavailable("The journal cannot be written at the moment.")
        if not self._room.allows(
            current=file.name, current_bytes=file.size, more_bytes=len(frame), holds=len(holds) + 1
        ):
            raise _unavailable("The journal has reached its disk quota.")
        try:
            self._output.write(frame)
        except OSError as error:
            self._note(error)
            raise _unavailable(f"The journal cannot be written: {error.strerror}.") from None
        if hold_id in holds:
            hold_id = ""  # the hold is enlarged: should this record be lost, the one before it stands
        elif hold_id:
            holds.add(hold_id)
        return self._commit.wrote(self._output.file, frame, hold_id=hold_id, owed=False)

    def _append_owed(self, frame: bytes) -> asyncio.Future[None] | None:
        if not self._deferred:
            try:
                self._output.write(frame)
            except OSError as error:
                self._note(error)
            else:
                return self._commit.wrote(self._output.file, frame, owed=True)
        self._defer(frame)
        return None

    def _defer(self, frame: bytes) -> None:
        if self._deferred_bytes + len(frame) > DEFERRED_BYTES_MAX:
            raise _unavailable("The journal cannot be written, and too many settlements are waiting for it.")
        self._deferred.append(frame)
        self._deferred_bytes += len(frame)
        if self._retry_timer is None and not self._closed:
            self._retry_timer = asyncio.get_running_loop().call_later(RETRY_INTERVAL_S, self._retry_on_time)

    def _retry(self) -> None:
        """Writes deferred settlements, oldest first, as far as the disk takes them."""
        for _ in range(min(RETRIES_AT_ONCE, len(self._deferred))):
            frame = self._deferred[0]
            try:
                self._output.write(frame)
            except OSError as error:
                self._note(error)
                return
            self._deferred.popleft()
            self._deferred_bytes -= len(frame)
            self._commit.wrote(self._output.file, frame, owed=True)

    def _retry_on_time(self) -> None:
        self._retry_timer = None
        self._retry()
        if self._deferred:
            self._retry_timer = asyncio.get_running_loop().call_later(RETRY_INTERVAL_S, self._retry_on_time)

    def _lost(self, written: Written) -> None:
        """A record whose sync failed is not in the journal: a settlement is written again, a hold has not happened."""
        if written.owed:
            self._defer(written.frame)
            if not written.done.done():
                written.done.set_result(None)
            return
        self._open_holds.discard(written.hold_id)
        if not written.done.done():
            written.done.set_exception(_unavailable("The journal could not be synced to the disk."))

    def _sync_failed(self, error: OSError) -> None:
        self._note(error)
        self._output.leave_file()

    def _note(self, error: OSError) -> None:
        self._errors += 1
        self._last_error = error.strerror or str(error)


def _unavailable(message: str) -> Fault:
    return Fault(FaultKind.STORE_UNAVAILABLE, message, retry_after_s=_RETRY_AFTER_S)
