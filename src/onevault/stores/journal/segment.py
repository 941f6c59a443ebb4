"""Which files a journal consists of: their names sort by age, and a process never writes to another's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

_NAME: Final = re.compile(r"(\d{20})-(\d+)\.journal")


class Segment(msgspec.Struct, frozen=True, order=True):
    """One file of the journal. `name` sorts by age; `process_id` wrote it."""

    name: str
    path: Path
    sequence: int
    process_id: int


def segments(directory: Path) -> list[Segment]:
    """All segments of a journal, oldest first; none where the directory does not exist."""
    if not directory.is_dir():
        return []
    found = [segment for entry in directory.iterdir() if (segment := _segment(entry)) is not None]
    return sorted(found, key=lambda segment: segment.name)


def next_segment(directory: Path, *, wall_ns: int, process_id: int) -> Segment:
    """The segment that comes after all there are.

    Its sequence is the time, so that it also sorts after segments which are long loaded and deleted, or which a restored
    vault remembers though this directory is new; where the clock went back it is one more than the newest.
    """
    existing = segments(directory)
    sequence = max(wall_ns, existing[-1].sequence + 1 if existing else 0)
    name = f"{sequence:020d}-{process_id}.journal"
    return Segment(name=name, path=directory / name, sequence=sequence, process_id=process_id)


def _segment(path: Path) -> Segment | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    return Segment(name=path.name, path=path, sequence=int(match[1]), process_id=int(match[2]))
