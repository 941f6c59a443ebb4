"""Makes what was written survive the machine too: a thread that syncs in groups, so that the loop never waits for a disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

_STOP_TIMEOUT_S: Final = 60.0


class SegmentFile:
    """A segment that this process writes. Offsets in bytes: `size` is written, `synced` is known to be on the disk."""

    __slots__ = ("descriptor", "name", "size", "synced")

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self.size = 0
        self.synced = 0


class Syncer:
    """Syncs the current file, and those that were left for a newer one, which it then closes.

    `on_synced()` and `on_failed(error)` are called in its thread. After a failure nothing is synced until `go_on`, for the
    kernel reports a lost page once and calls the next sync a success.
    """

    def __init__(
        self,
        *,
        interval_s: float,
        directory: int,
        on_synced: Callable[[], None],
        on_failed: Callable[[OSError], None],
    ) -> None:
        """`directory` is a descriptor of the directory: a new file's name is synced there."""
        self._interval_s = interval_s
        self._directory = directory
        self._on_synced = on_synced
        self._on_failed = on_failed
        self._files: list[SegmentFile] = []
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._failed = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)

    def want(self) -> None:
        """Something was written."""
        if not self._wanted.is_set():
            self._wanted.set()

    def write_to(self, file: SegmentFile) -> None:
        """From now on `file` is the current one."""
        with self._lock:
            self._files.append(file)
        if not self._thread.is_alive():
            self._thread.start()

    def files(self) -> tuple[SegmentFile, ...]:
        """All files that are still open, the current one last."""
        with self._lock:
            return tuple(self._files)

    def abandon(self) -> None:
        """Closes all files as they are; after a failure, is ready for a new one."""
        with self._lock:
            abandoned, self._files = self._files, []
        for file in abandoned:
            os.close(file.descriptor)
        self._failed = False

    def stop(self) -> None:
        """Syncs and closes everything; waits for it, so not to be called on the loop. A second call does nothing."""
        self._stopping = True
        self._wanted.set()
        self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopping:
            self._wanted.wait()
            if self._interval_s > 0 and not self._stopping:
                time.sleep(self._interval_s)
            self._wanted.clear()
            if not self._failed:
                self._sync()
        if not self._failed:
            self._sync()
        self.abandon()

    def _sync(self) -> None:
        try:
            files = self.files()
            for file in files:
                size = file.size
                if size > file.synced:
                    if file.synced == 0:
                        os.fsync(self._directory)
                    os.fdatasync(file.descriptor)
                    file.synced = size
            for left in files[:-1]:
                with self._lock:
                    self._files.remove(left)
                os.close(left.descriptor)
        except OSError as error:
            self._failed = True
            self._on_failed(error)
        else:
            self._on_synced()
