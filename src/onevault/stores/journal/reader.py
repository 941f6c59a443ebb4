"""Reads a journal while it is being written, and tells a torn tail from damage.

A record that is cut off at the end of a segment is where its process died (or is writing at this moment): reading stops there.
A record that is broken while whole ones follow it was damaged later: that is told, never skipped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from onevault.core.records import Record
from onevault.stores.journal.frame import HEADER, PREFIX, RECORD_BYTES_MAX, FrameState, examine, is_hold, record_of
from onevault.stores.journal.segment import Segment, segments
from onevault.stores.rollup import JournalPosition

CHUNK_BYTES: Final = 2 * (RECORD_BYTES_MAX + HEADER.size)
"""What is read at once: a whole record always fits."""


class Damage(msgspec.Struct, frozen=True):
    """A stretch of a segment that cannot be read: from `offset` up to `resumes_at`, where the next whole record begins."""

    segment: str
    offset: int
    resumes_at: int
    reason: str


class JournalDamaged(Exception):
    """There is damage before whole records. `damage.resumes_at` is where reading can go on once somebody knows of it."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(
            f"The journal segment {damage.segment} is damaged from byte {damage.offset} to {damage.resumes_at}: {damage.reason}."
        )
        self.damage = damage


def read(
    segment: Segment, offset: int = 0, *, damages: list[Damage] | None = None, holds: bool = True
) -> Iterator[tuple[Record, int]]:
    """The records of a segment from `offset` on, each with the offset of its end; without `holds`, all others.
    Stops at an incomplete tail.

    Raises JournalDamaged at damage that whole records follow; where `damages` is given, adds to it and goes on instead.
    Raises FileNotFoundError when the segment was retired.
    """
    for payload, end in payloads(segment, offset, damages=damages):
        if not holds and is_hold(payload):
            continue
        try:
            record = record_of(payload)
        except msgspec.MsgspecError as error:
            _tell(Damage(segment.name, end - HEADER.size - len(payload), end, f"not a record: {error}"), damages)
        else:
            yield record, end


def payloads(segment: Segment, offset: int, *, damages: list[Damage] | None) -> Iterator[tuple[bytes, int]]:
    """The undecoded records of a segment with the offsets of their ends; otherwise as `read`."""
    position = offset
    while True:
        chunk = _bytes_at(segment.path, position, CHUNK_BYTES)
        at = 0
        state, begin, end = examine(chunk, at)
        while state is FrameState.WHOLE:
            yield chunk[begin:end], position + end
            at = end
            state, begin, end = examine(chunk, at)
        broken = position + at
        if at > 0 and len(chunk) == CHUNK_BYTES:
            position = broken  # what the chunk cuts off is looked at again from its beginning
            continue
        resumes_at = None if at == len(chunk) else _next_whole(segment.path, broken + 1)
        if resumes_at is None:
            return
        _tell(Damage(segment.name, broken, resumes_at, _REASONS[state]), damages)
        position = resumes_at


def records_after(
    directory: Path, position: JournalPosition, *, damages: list[Damage] | None = None, holds: bool = True
) -> Iterator[tuple[Record, JournalPosition]]:
    """Every record (without `holds`, all but those) after a position, each with the position that it brings; ends where
    the writer is now. To follow the journal, call again with the last position.

    The list of segments is taken before they are read, so a segment that is not the last of them is finished and is left
    only at its true end. Raises as `read` does.
    """
    for segment in segments(directory):
        if segment.name < position.segment:
            continue
        offset = position.offset if segment.name == position.segment else 0
        for record, end in read(segment, offset, damages=damages, holds=holds):
            yield record, JournalPosition(segment.name, end)


_REASONS: Final = {
    FrameState.INCOMPLETE: "a record is cut off, and others follow it",
    FrameState.DAMAGED: "the checksum does not fit",
    FrameState.OTHER_VERSION: "it was written in another version of the format",
}


def _tell(damage: Damage, damages: list[Damage] | None) -> None:
    if damages is None:
        raise JournalDamaged(damage)
    damages.append(damage)


def _next_whole(path: Path, offset: int) -> int | None:
    """Where the next whole record begins, None if there is none."""
    while True:
        chunk = _bytes_at(path, offset, CHUNK_BYTES)
        at = chunk.find(PREFIX)
        while at >= 0:
            state, _, _ = examine(chunk, at)
            if state is FrameState.WHOLE:
                return offset + at
            if state is FrameState.INCOMPLETE and at > 0 and len(chunk) == CHUNK_BYTES:
                break
            at = chunk.find(PREFIX, at + 1)
        if len(chunk) < CHUNK_BYTES:
            return None
        # Either a candidate that the chunk cuts off is looked at again from its beginning, or only the prefix may be cut.
        offset += at if at > 0 else len(chunk) - len(PREFIX) + 1


def _bytes_at(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)
