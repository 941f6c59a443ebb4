"""Reads the vault's sums and the vault's calls, in steps so short that whoever writes to it never waits for them.

Sums and calls must be of one moment. On PostgreSQL all steps are in one transaction that sees one state. On SQLite the sums are taken at
one moment, and with them the number of the last call that they count (a row id): calls are only ever added, one after the other, so
they can be read after that in any number of transactions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from onevault.core.identity import ScopeId
from onevault.stores.rollup import JournalPosition
from onevault.stores.sql.batch import positions_of
from onevault.stores.sql.dialects import SQLITE
from onevault.stores.sql.engine import Reads, Vault, VaultUnusable
from onevault.stores.sql.hashing import hash_key
from onevault.stores.sql.schema import SCHEMA_VERSION, SCHEMAS, calls, derived
from onevault.stores.sql.schema.create import version_of
from onevault.stores.sql.statements import raw
from onevault.stores.verify.words import Call, Difference, Differences, Kind, ModelSum, Sum

CALLS_AT_ONCE: Final = 5_000
ScopeKey = tuple[str, str, str]
"""Window, label, scope."""
ModelKey = tuple[str, str, str, str]
"""Scope, month, provider, model."""

_CALLS: Final = """
SELECT {number}, h.api_request_bk, h.api_request_hk, CAST(d.scopes AS TEXT), d.time_zone, d.started_ns, d.settled_ns, d.held,
       d.amount_held_nanos, d.cost_nanos, d.tokens_held, s.prompt_tokens, s.completion_tokens, d.provider_bk, d.model
FROM gateway.api_request_h h
LEFT JOIN gateway.api_request_detail_s d ON d.load_date = h.load_date AND d.api_request_hk = h.api_request_hk
LEFT JOIN gateway.api_request_s s ON s.load_date = h.load_date AND s.api_request_hk = h.api_request_hk
WHERE {number} > ? {up_to} ORDER BY {number} LIMIT ?
"""
_DETAILS: Final = """
SELECT d.load_date, d.api_request_hk, h.api_request_bk, h.load_date = d.load_date, d.cost_nanos
FROM gateway.api_request_detail_s d LEFT JOIN gateway.api_request_h h ON h.api_request_hk = d.api_request_hk
WHERE (d.load_date, d.api_request_hk) > (?, ?) ORDER BY d.load_date, d.api_request_hk LIMIT ?
"""
_BEFORE_ALL: Final = "0001-01-01 00:00:00"


class Mark(msgspec.Struct, frozen=True):
    """How far the vault is at a moment: in every journal by its name (those of other hosts too), and in its calls."""

    positions: dict[str, JournalPosition]
    last_call: int | None
    """The number of the last call on SQLite; where one state is seen nobody needs it."""

    def of(self, journal: str) -> JournalPosition:
        return self.positions.get(journal, JournalPosition())


class Stored(msgspec.Struct, frozen=True):
    """The vault's own sums and resets at the moment of `mark`. `resets` are the newest (ns) of each day and month of a scope."""

    mark: Mark
    scope_sums: dict[ScopeKey, Sum]
    model_sums: dict[ModelKey, ModelSum]
    resets: dict[ScopeKey, int]
    reset_ids: frozenset[str]


@asynccontextmanager
async def vault_to_read(directory: Path, *, database_url: str = "") -> AsyncIterator[Vault]:
    """The vault as it is: nothing is created, and nothing brought to this version. Raises VaultUnusable."""
    missing = [name for name in SCHEMAS if not (directory / f"{name}.db").is_file()]
    if missing and not database_url:
        raise VaultUnusable(f"{directory}: there is no vault here ({missing[0]}.db is missing)")
    vault = Vault(directory, database_url=database_url)
    where = vault.database.where
    try:
        version = await vault.read(version_of)
        if not version:
            raise VaultUnusable(f"{where}: there is no vault here")
        if version != SCHEMA_VERSION:
            raise VaultUnusable(
                f"{where}: the vault has schema version {version} and not {SCHEMA_VERSION}; "
                "verify it with the version of OneVault that serves it"
            )
        yield vault
    finally:
        await vault.close()


def mark_of(connection: Connection) -> Mark:
    last_call = None
    if connection.dialect.name == SQLITE:
        [(last_call,)] = raw(connection, "SELECT coalesce(max(rowid), 0) FROM gateway.api_request_h")
    return Mark(positions_of(connection), last_call)


def stored_of(connection: Connection) -> Stored:
    """Everything that is summed, in one read."""
    usage, models, resets = derived.scope_usage.c, derived.model_usage.c, calls.quota_reset_s.c
    scope_rows = connection.execute(
        select(
            usage.time_window,
            usage.label,
            usage.scope,
            usage.money_nanos,
            usage.tokens,
            usage.requests,
            usage.overshoot_nanos,
        )
    )
    model_rows = connection.execute(
        select(
            models.scope,
            models.month_label,
            models.provider_bk,
            models.model,
            models.requests,
            models.input_tokens,
            models.output_tokens,
            models.cost_nanos,
        )
    )
    latest: dict[ScopeKey, int] = {}
    reset_ids = set()
    for row in connection.execute(
        select(resets.quota_reset_bk, resets.scope, resets.day_label, resets.month_label, resets.reset_ns)
    ):
        reset_ids.add(row[0])
        for key in (("day", row[2], row[1]), ("month", row[3], row[1])):
            latest[key] = max(latest.get(key, -1), row[4])
    return Stored(
        mark_of(connection),
        {(row[0], row[1], row[2]): Sum(*row[3:]) for row in scope_rows},
        {(row[0], row[1], row[2], row[3]): ModelSum(*row[4:]) for row in model_rows},
        latest,
        frozenset(reset_ids),
    )


async def calls_of(vault: Reads, mark: Mark, differences: Differences) -> AsyncIterator[list[tuple[str, Call]]]:
    """Every call that the sums of this mark count: its id, and what counts of it. A call that is not whole, or stands under a key that
    is not its own, is added to `differences`."""
    scopes: dict[str, tuple[ScopeId, ...]] = {}
    if mark.last_call is None:
        statement, given = _CALLS.format(number="h.api_request_hk", up_to=""), tuple[int, ...]()
    else:
        statement, given = _CALLS.format(number="h.rowid", up_to="AND h.rowid <= ?"), (mark.last_call,)
    done: int | bytes = b"" if mark.last_call is None else 0
    while True:
        rows = await _rows(vault, statement, (done, *given, CALLS_AT_ONCE))
        if not rows:
            return
        yield [found for row in rows if (found := _call(row, scopes, differences)) is not None]
        done = rows[-1][0]


def _call(
    row: tuple[Any, ...], scopes: dict[str, tuple[ScopeId, ...]], differences: Differences
) -> tuple[str, Call] | None:
    call_id, key, said = row[1], row[2], row[3]
    if key != hash_key(call_id):
        message = f"The call {call_id} stands in the vault under a key that is not its own."
        differences.add(Difference(kind=Kind.ALTERED, message=message, call_id=call_id))
    if said is None or row[11] is None:
        message = f"The call {call_id} is in the vault without what it cost."
        differences.add(Difference(kind=Kind.LOST, message=message, call_id=call_id))
        return None
    known = scopes.get(said)
    if known is None:
        known = scopes[said] = msgspec.json.decode(said, type=tuple[ScopeId, ...])
    time_zone, started_ns, settled_ns, was_held, amount_held, cost = row[4], row[5], row[6], row[7], row[8], row[9]
    counts = (row[10], row[11], row[12], row[13], row[14])
    return call_id, Call(known, time_zone, started_ns, settled_ns, bool(was_held), amount_held, cost, *counts)


async def _rows(vault: Reads, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return await vault.read(lambda connection: raw(connection, statement, parameters))


async def check_details(vault: Reads, differences: Differences) -> None:
    """Each settlement in the vault is the one of its call. A second one of the same call, or one of none, counts nowhere, and
    should not be."""
    after: tuple[Any, bytes] = (_BEFORE_ALL, b"")
    while True:
        rows = await _rows(vault, _DETAILS, (*after, CALLS_AT_ONCE))
        for _, key, call_id, is_its_own, cost in rows:
            if call_id is None:
                message = f"A settlement of {cost} nanos in the vault belongs to no call (key {key.hex()})."
                differences.add(Difference(kind=Kind.LOST, message=message))
            elif not is_its_own:
                message = f"The call {call_id} has a second settlement in the vault, of {cost} nanos."
                differences.add(Difference(kind=Kind.SETTLED_TWICE, message=message, call_id=call_id))
        if len(rows) < CALLS_AT_ONCE:
            return
        after = (rows[-1][0], rows[-1][1])
