"""Reads all of the journal that is retained, and says what it proves: what was settled, what is held, what cannot be right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from onevault.core.identity import ScopeId
from onevault.core.records import Held, QuotaReset, Settled
from onevault.stores.journal.reader import Damage, read
from onevault.stores.journal.segment import Segment, segments
from onevault.stores.rollup import JournalPosition
from onevault.stores.verify.words import Call, Difference, Differences, Kind


class RetainedJournal(msgspec.Struct, frozen=True):
    """A journal to be read: the vault's name for it, where it is, and the process that has it now (None: none has)."""

    name: str
    directory: Path
    running: int | None


class JournalAccount:
    """`settled` and `resets` have each record with the position that it ends at; a call's first settlement counts. `held` are
    the holds that nothing in the journal settles; of them `running` are those of the process at work, and `abandoned` those that a
    later start should have settled."""

    def __init__(self) -> None:
        self.segments = self.records = self.repeated = 0
        self.settled: dict[str, tuple[Call, JournalPosition]] = {}
        self.resets: dict[str, tuple[QuotaReset, JournalPosition]] = {}
        self.held: dict[str, Held] = {}
        self.running: set[str] = set()
        self.abandoned: set[str] = set()


def read_journal(journal: RetainedJournal, loaded: JournalPosition, differences: Differences) -> JournalAccount:
    """Reads every segment, while it is being written or not; about 15 µs a record. `loaded` is how far the vault had loaded
    before this began.

    Raises FileNotFoundError where a segment was retired meanwhile: then begin anew.
    """
    reading = _Reading(differences)
    retained, running = segments(journal.directory), journal.running
    for segment in retained:
        reading.through(segment, loaded)
    account = reading.account
    account.segments = len(retained)
    if loaded.segment and (not retained or loaded.segment > retained[-1].name):
        message = f"The vault has loaded the journal up to the segment {loaded.segment}, which is gone, and so is all after it."
        differences.add(Difference(kind=Kind.RECORD_MISSING, message=message, segment=loaded.segment))
    account.running = {call_id for call_id in account.held if reading.held_by[call_id] == running}
    if running in reading.processes_serving:
        account.abandoned = {
            call_id
            for call_id in account.held
            if (process := reading.held_by[call_id]) != running and not _is_alive(process)
        }
    return account


def held_now(journals: Iterable[RetainedJournal]) -> set[str]:
    """The calls that are held in the journals now. Raises FileNotFoundError as `read_journal` does."""
    return {call_id for journal in journals for call_id in read_journal(journal, JournalPosition(), Differences()).held}


class _Reading:
    """Goes through the journal once. `processes_serving` are those that have held a call: each had settled by then what was
    left by those before it."""

    def __init__(self, differences: Differences) -> None:
        self.account = JournalAccount()
        self.held_by: dict[str, int] = {}
        self.processes_serving: set[int] = set()
        self._differences = differences
        self._once: dict[tuple[ScopeId, ...], tuple[ScopeId, ...]] = {}

    def through(self, segment: Segment, loaded: JournalPosition) -> None:
        account, damages = self.account, list[Damage]()
        is_at_a_record = loaded.offset == 0 or loaded.segment != segment.name
        for record, end in read(segment, damages=damages):
            account.records += 1
            is_at_a_record = is_at_a_record or end == loaded.offset
            position = JournalPosition(segment.name, end)
            match record:
                case Held():
                    self._take_hold(record, segment.process_id)
                case Settled():
                    self._take_settlement(record, position)
                case QuotaReset():
                    account.repeated += record.reset_id in account.resets
                    account.resets.setdefault(record.reset_id, (record, position))
        for damage in damages:
            message = (
                f"The journal segment {segment.name} cannot be read from byte {damage.offset} to {damage.resumes_at}: "
                f"{damage.reason}."
            )
            self._differences.add(Difference(kind=Kind.DAMAGED, message=message, segment=segment.name))
        if not is_at_a_record:
            message = (
                f"The vault has loaded the journal segment {segment.name} up to byte {loaded.offset}, where no record ends: "
                "records before it are missing or were changed."
            )
            self._differences.add(Difference(kind=Kind.RECORD_MISSING, message=message, segment=segment.name))

    def _take_hold(self, held: Held, process_id: int) -> None:
        self.processes_serving.add(process_id)
        if held.call_id not in self.account.settled:
            self.account.held[held.call_id] = held
            self.held_by[held.call_id] = process_id

    def _take_settlement(self, settled: Settled, position: JournalPosition) -> None:
        account, call_id = self.account, settled.call_id
        call = self._call(settled)
        first = account.settled.get(call_id)
        if first is None:
            account.settled[call_id] = (call, position)
            account.held.pop(call_id, None)
        elif first[0] == call:
            account.repeated += 1
        else:
            message = (
                f"The call {call_id} is settled twice in the journal: at {first[0].cost} nanos in {first[1].segment}, "
                f"and at {call.cost} in {position.segment}."
            )
            self._differences.add(
                Difference(kind=Kind.SETTLED_TWICE, message=message, call_id=call_id, segment=position.segment)
            )

    def _call(self, settled: Settled) -> Call:
        return call_of(settled, once=self._once.setdefault)


def call_of(
    settled: Settled, *, once: Callable[[tuple[ScopeId, ...], tuple[ScopeId, ...]], tuple[ScopeId, ...]]
) -> Call:
    """`once` gives back one tuple for all that are equal: there are few, and one for each record."""
    return Call(
        once(settled.scopes, settled.scopes),
        settled.time_zone,
        settled.started_ns,
        settled.at_ns,
        settled.held,
        settled.amount_held,
        settled.cost,
        settled.tokens_held,
        settled.usage.input_tokens,
        settled.usage.output_tokens,
        settled.provider,
        settled.model,
    )


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
