"""Writes frames whole or not at all, in segments of a bounded size."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from onevault.stores.journal.room import Room
from onevault.stores.journal.segment import next_segment
from onevault.stores.journal.sync import SegmentFile

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC


class Output:
    """The segment that grows, and its successors. `on_new_file` is told of each file and becomes its owner: it closes it."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes_max: int,
        room: Room,
        wall_ns: Callable[[], int],
        on_new_file: Callable[[SegmentFile], None],
        on_error: Callable[[OSError], None],
    ) -> None:
        """Raises OSError when no segment can be created. `on_error` hears of errors that did not stop a frame."""
        self._directory = directory
        self._segment_bytes_max = segment_bytes_max
        self._room = room
        self._wall_ns = wall_ns
        self._on_new_file = on_new_file
        self._on_error = on_error
        self._must_rotate = False
        self.file = self._rotate()

    def leave_file(self) -> None:
        """Nothing more is written to the current file: its end cannot be trusted."""
        self._must_rotate = True

    def write(self, frame: bytes) -> None:
        """Raises OSError; then nothing of the frame stays where a reader would take it for a record."""
        file = self.file
        if self._must_rotate:
            file = self._rotate()
        elif file.size and file.size + len(frame) > self._segment_bytes_max:
            try:
                file = self._rotate()
            except OSError as error:
                self._on_error(error)  # a segment that is too large is better than a hold refused
        try:
            written = os.write(file.descriptor, frame)
            while written < len(frame):  # a disk that is nearly full takes a part, then says why it takes no more
                more = os.write(file.descriptor, frame[written:])
                if more == 0:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                written += more
        except OSError:
            self._cut_back(file)
            raise
        file.size += written

    def _cut_back(self, file: SegmentFile) -> None:
        try:
            os.ftruncate(file.descriptor, file.size)
        except OSError as error:
            self._on_error(error)
            self.leave_file()  # the torn record stays the end of its segment, where readers expect one

    def _rotate(self) -> SegmentFile:
        segment = next_segment(self._directory, wall_ns=self._wall_ns(), process_id=os.getpid())
        file = SegmentFile(segment.name, os.open(segment.path, _FLAGS, 0o600))
        self.file = file
        self._must_rotate = False
        self._room.measure(current=segment.name)
        self._on_new_file(file)
        return file
