"""Decides which segments are no longer needed: loaded to the end, and without a hold that nothing has settled yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from onevault.stores.journal.reader import Damage, payloads
from onevault.stores.journal.segment import Segment, segments
from onevault.stores.rollup import JournalPosition


class _HeldId(msgspec.Struct, array_like=True, tag="held"):
    call_id: str


class _SettledId(msgspec.Struct, array_like=True, tag="settled"):
    call_id: str


class _Reset(msgspec.Struct, array_like=True, tag="reset"):
    reset_id: str


_decoder: Final = msgspec.msgpack.Decoder(_HeldId | _SettledId | _Reset)
"""The first field is all that is needed; msgspec passes over the rest."""


def retire(directory: Path, position: JournalPosition) -> list[str]:
    """Deletes the segments that are not needed any more, and tells their names, oldest first.

    The newest segment always stays: it is being written, and new ones sort after it. A segment with a hold that no retained
    segment settles stays too, for a start after a crash settles it from there; and with a hold stays what settles it, or that
    start would settle it again. Reads the files in question (about a third of a second for 64 MiB): not for the loop. Damage in
    a loaded segment has been told when it was read.
    """
    all_segments = segments(directory)
    loaded = [segment for segment in all_segments[:-1] if _is_loaded(segment, position)]
    retired = []
    holds_kept: set[str] = set()
    for segment in loaded:
        held, ended = _held_and_ended(segment)
        if not holds_kept.isdisjoint(ended):
            holds_kept |= held
            continue
        open_holds = held - ended
        later = iter(all_segments[all_segments.index(segment) + 1 :])
        while open_holds and (following := next(later, None)) is not None:
            open_holds -= {call_id for is_hold, call_id in _ids(following) if not is_hold}
        if not open_holds:
            segment.path.unlink(missing_ok=True)
            retired.append(segment.name)
        else:
            holds_kept |= held
    return retired


def _is_loaded(segment: Segment, position: JournalPosition) -> bool:
    """Whether everything readable in it lies before the position; only the last loaded one is looked into."""
    if segment.name < position.segment:
        return True
    if segment.name > position.segment:
        return False
    return next(payloads(segment, position.offset, damages=[]), None) is None


def _held_and_ended(segment: Segment) -> tuple[set[str], set[str]]:
    """The calls that a segment holds, and those that it settles."""
    held: set[str] = set()
    ended: set[str] = set()
    for is_hold, call_id in _ids(segment):
        (held if is_hold else ended).add(call_id)
    return held, ended


def _ids(segment: Segment) -> Iterator[tuple[bool, str]]:
    damages: list[Damage] = []
    for payload, _ in payloads(segment, 0, damages=damages):
        try:
            record = _decoder.decode(payload)
        except msgspec.MsgspecError:
            continue  # told by whoever loaded it
        match record:
            case _HeldId():
                yield True, record.call_id
            case _SettledId():
                yield False, record.call_id
            case _Reset():
                pass
