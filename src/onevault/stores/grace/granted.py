"""Keeps what this journal's processes granted today, so that a restart does not begin the day's allowance anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from onevault.core.records import Settled
from onevault.stores.grace.allowance import Allowance, Granted
from onevault.stores.journal.reader import Damage, read
from onevault.stores.journal.segment import segments
from onevault.stores.rollup import JournalPosition

FILE_NAME: Final = "granted.json"


class Kept(msgspec.Struct, frozen=True):
    """The document in the file: what was granted up to a place in the journal."""

    position: JournalPosition
    granted: list[Granted]


def recall(allowance: Allowance, directory: Path) -> int:
    """Brings an allowance to where the journal in a directory left it; how many grace settlements were found behind what was kept.
    To be done when the journal has no open holds any more. Raises OSError or ValueError for a file that cannot be read."""
    kept = Kept(JournalPosition(), [])
    path = directory / FILE_NAME
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        pass
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is not readable ({error})") from None
    allowance.load(kept.granted)
    found = 0
    damages: list[Damage] = []
    for segment in segments(directory):
        if segment.name < kept.position.segment:
            continue
        for record, end in read(segment, damages=damages, holds=False):
            if isinstance(record, Settled) and record.grace and JournalPosition(segment.name, end) > kept.position:
                allowance.replay(record)
                found += 1
    return found


def keep(directory: Path, position: JournalPosition, granted: list[Granted]) -> None:
    """Replaces the file as a whole (0600). `position` may be before the last that is in `granted`, never behind it: then a restart takes
    too much for granted, not too little."""
    path = directory / FILE_NAME
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(msgspec.json.encode(Kept(position, granted)))
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
