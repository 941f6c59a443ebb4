"""Decides whether the journal may grow: a hold is let in only with room for its settlement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from onevault.stores.journal.segment import segments

SETTLEMENT_BYTES_RESERVED: Final = 4096
"""Per hold that is not settled yet. A settlement with two attempts and full metadata stays below it."""
_MEASURED_EVERY_NS: Final = 1_000_000_000
"""A look at the disk costs a system call per segment, and a full journal refuses many holds."""


class Room:
    """Counts the bytes of all segments against a quota. What the loader has retired meanwhile is seen when room gets scarce."""

    def __init__(self, directory: Path, *, disk_bytes_max: int, wall_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._disk_bytes_max = disk_bytes_max
        self._wall_ns = wall_ns
        self._measured_ns = 0
        self.bytes_elsewhere = 0
        """In segments other than the current one, as of the last look."""

    def allows(self, *, current: str, current_bytes: int, more_bytes: int, holds: int) -> bool:
        """Whether a record may be added to the current segment, with `holds` settlements still to come."""
        needed = current_bytes + more_bytes + holds * SETTLEMENT_BYTES_RESERVED
        if self.bytes_elsewhere + needed <= self._disk_bytes_max:
            return True
        if abs(self._wall_ns() - self._measured_ns) < _MEASURED_EVERY_NS:
            return False
        self.measure(current=current)
        return self.bytes_elsewhere + needed <= self._disk_bytes_max

    def measure(self, *, current: str) -> None:
        """Looks at the disk."""
        self._measured_ns = self._wall_ns()
        total = 0
        for segment in segments(self._directory):
            if segment.name != current:
                try:
                    total += segment.path.stat().st_size
                except FileNotFoundError:  # retired since it was listed
                    continue
        self.bytes_elsewhere = total
