"""Puts one batch of journal records into the vault: rows, rollups and the journal's position, together or not at all."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from onevault.core.records import QuotaReset, Record, Settled
from onevault.core.windows import day_and_month
from onevault.stores.journal.places import MAIN
from onevault.stores.rollup import JournalPosition
from onevault.stores.sql import locks
from onevault.stores.sql.fitting import kept_everywhere
from onevault.stores.sql.hashing import hash_key
from onevault.stores.sql.hubs import MissingHubs
from onevault.stores.sql.moments import timestamp
from onevault.stores.sql.resets import apply_resets, resets_in_force
from onevault.stores.sql.rows import (
    INSERT_ATTEMPT,
    INSERT_DETAIL,
    INSERT_FACTS,
    INSERT_HUB,
    INSERT_LINK,
    SOURCE,
    CallRows,
    Row,
)
from onevault.stores.sql.schema import calls, derived
from onevault.stores.sql.statements import Statement, append, insert_ignoring, insert_replacing
from onevault.stores.sql.tally import ADD_MODEL_USAGE, ADD_SCOPE_USAGE, tally

_KEYS_PER_QUERY_MAX = 500

SET_POSITION = insert_replacing(derived.journal_position, ("journal", "segment", "byte_offset"))
INSERT_RESET = insert_ignoring(
    calls.quota_reset_s,
    tuple(calls.quota_reset_s.columns.keys()),
)


class PositionMoved(Exception):
    """Another loader has moved the journal's position since this batch was read; it is read anew."""


class AlreadyLoaded(Exception):
    """Some calls of the batch are in the vault: the journal is being loaded a second time. They are looked up first then."""


class Batch:
    """Records of the journal, sorted out, with the position before and after them. The first settlement of a call counts.

    Holds leave no row: a settlement says all that its hold did. A hold whose settlement never came is settled from the
    journal at the next start, which keeps its segment until then.
    """

    def __init__(
        self, records: Iterable[Record], *, begins: JournalPosition, ends: JournalPosition, journal: str = MAIN
    ) -> None:
        self.journal = journal
        self.begins = begins
        self.ends = ends
        self.settled: dict[str, Settled] = {}
        self.resets: list[QuotaReset] = []
        for record in records:
            if isinstance(record, Settled):
                self.settled.setdefault(record.call_id, record)
            elif isinstance(record, QuotaReset):
                self.resets.append(record)

    def fitting(self) -> Batch:
        """The same with calls that every engine can keep."""
        fitting = Batch(self.resets, begins=self.begins, ends=self.ends, journal=self.journal)
        fitting.settled = {call_id: kept_everywhere(record) for call_id, record in self.settled.items()}
        return fitting

    def without(self, loaded: set[str]) -> list[Settled]:
        """The settlements of calls that are not loaded yet."""
        return [record for call_id, record in self.settled.items() if call_id not in loaded]


def position_of(connection: Connection, journal: str = MAIN) -> JournalPosition:
    """How far a journal is in the vault."""
    table = derived.journal_position
    row = connection.execute(
        select(table.c.segment, table.c.byte_offset).where(table.c.journal == journal)
    ).one_or_none()
    return JournalPosition() if row is None else JournalPosition(row.segment, row.byte_offset)


def positions_of(connection: Connection) -> dict[str, JournalPosition]:
    """How far every journal is in the vault, by its name."""
    table = derived.journal_position.c
    rows = connection.execute(select(table.journal, table.segment, table.byte_offset))
    return {row[0]: JournalPosition(row[1], row[2]) for row in rows}


def calls_loaded(connection: Connection, call_ids: Iterable[str]) -> set[str]:
    """Which of these calls are in the vault."""
    keys = {hash_key(call_id): call_id for call_id in call_ids}
    pending = list(keys)
    found: set[str] = set()
    for start in range(0, len(pending), _KEYS_PER_QUERY_MAX):
        some = pending[start : start + _KEYS_PER_QUERY_MAX]
        key = calls.api_request_h.c.api_request_hk
        found.update(keys[row[0]] for row in connection.execute(select(key).where(key.in_(some))))
    return found


def store(connection: Connection, batch: Batch, rows: CallRows, missing: MissingHubs, settled: list[Settled]) -> None:
    """Writes a batch inside a transaction of the caller's. `rows` and `settled` are of the same calls, none of them loaded.

    Raises AlreadyLoaded or PositionMoved; the transaction must then be given up.
    """
    locks.alone(connection, locks.journal(batch.journal))
    (locks.alone if batch.resets else locks.shared)(connection, locks.RESETS)
    if position_of(connection, batch.journal) != batch.begins:
        raise PositionMoved
    if missing:
        missing.insert_others(connection)
    resets = resets_in_force(connection)
    if batch.resets:
        _many(connection, INSERT_RESET, [_reset_row(reset) for reset in batch.resets])
        apply_resets(connection, batch.resets, resets)
    if rows.hubs:
        if not append(connection, INSERT_HUB, rows.hubs):
            raise AlreadyLoaded
        append(connection, INSERT_FACTS, rows.facts)
        append(connection, INSERT_DETAIL, rows.details)
        append(connection, INSERT_ATTEMPT, rows.attempts)
        append(connection, INSERT_LINK, rows.links)
        by_scope, by_model = tally(settled, resets)
        _many(connection, ADD_SCOPE_USAGE, by_scope)
        _many(connection, ADD_MODEL_USAGE, by_model)
    SET_POSITION.run(connection, (batch.journal, batch.ends.segment, batch.ends.offset))


def _reset_row(reset: QuotaReset) -> Row:
    day, month = day_and_month(reset.at_ns, reset.time_zone)
    return (
        hash_key(reset.reset_id),
        timestamp(reset.at_ns),
        reset.reset_id,
        reset.at_ns,
        reset.scope,
        reset.time_zone,
        day,
        month,
        SOURCE,
    )


def _many(connection: Connection, statement: Statement, rows: list[Row]) -> None:
    if rows:
        statement.run(connection, rows)
