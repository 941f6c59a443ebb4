"""Works out from outside whether money was kept exact: from what clients and the provider saw, the vault's rows, and Redis' own values.

It shares no code with the product: it reads the database by SQL and the values in Redis by their documented shape.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from redis import Redis

PREFIX = "{onevault:default}:"
_CALLS = """
SELECT h.api_request_bk, d.held, d.amount_held_nanos, d.cost_nanos, d.usage_source, d.outcome, d.scopes, d.started_ns,
       d.grace, d.customer_bk, d.metadata
FROM {schema}api_request_h h
JOIN {schema}api_request_detail_s d ON d.load_date = h.load_date AND d.api_request_hk = h.api_request_hk
"""
_COUNTS = """
SELECT (SELECT count(*) FROM {0}api_request_h), (SELECT count(*) FROM {0}api_request_detail_s),
       (SELECT count(*) FROM {0}api_request_s)
"""
# A window's figures in Redis, by place.
MONEY, MONEY_NANOS, HELD, HELD_NANOS, TOKENS_HELD, REQUESTS, OVERSHOOT, OVERSHOOT_NANOS, RUNNING = (
    0,
    1,
    2,
    3,
    5,
    6,
    7,
    8,
    10,
)
BILLION = 1_000_000_000
DAYS_KEPT, MONTHS_KEPT = 3, 1
"""How far from the newest the windows are that Redis keeps."""


@dataclass
class Sent:
    """One call as its client saw it. `number` went with it to the provider, and is kept with the record. Money in nanos."""

    number: str
    org_id: str
    status: int = 0
    call_id: str = ""
    cost: int | None = None
    finished: bool = False
    grace: bool = False
    error: str = ""


@dataclass(frozen=True)
class Row:
    """One call as the vault has it."""

    call_id: str
    held: bool
    amount_held: int
    cost: int
    source: str
    outcome: str
    scopes: tuple[str, ...]
    started_ns: int
    grace: bool
    org_id: str
    number: str

    @property
    def day(self) -> str:
        return f"{datetime.fromtimestamp(self.started_ns // BILLION, UTC):%Y-%m-%d}"

    @property
    def labels(self) -> tuple[str, str, str]:
        """The windows in which it counts: day, month, and all time."""
        return self.day, self.day[:7], ""


@dataclass(frozen=True)
class Limit:
    """`window` is `day`, `month` or `total`. `fallback` is what may come on top of it each day while Redis is away."""

    scope: str
    window: str
    nanos: int
    fallback: int = 0


@dataclass
class Account:
    """Everything that is known from outside. `reached` are the numbers of calls that the provider answered, wholly or in part."""

    sent: list[Sent] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    fallbacks: dict[str, int] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)

    @property
    def organizations(self) -> set[str]:
        return {limit.scope.removeprefix("org:") for limit in self.limits if limit.scope.startswith("org:")}


Windows = Mapping[str, Mapping[str, list[int]]]
"""Figures by scope and label."""


def sqlite_rows(data_dir: Path) -> tuple[list[Row], tuple[int, ...]]:
    """All calls, and how many rows each of the three tables of calls has."""
    with closing(sqlite3.connect(f"file:{data_dir / 'gateway.db'}?mode=ro", uri=True, isolation_level=None)) as vault:
        vault.execute("BEGIN")
        rows = [_row(values) for values in vault.execute(_CALLS.format(schema=""))]
        return rows, vault.execute(_COUNTS.format("")).fetchone()


def postgres_rows(url: str) -> tuple[list[Row], tuple[int, ...]]:
    """As `sqlite_rows`."""
    with psycopg.connect(url) as vault:
        vault.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        rows = [_row(values) for values in vault.execute(_CALLS.format(schema="gateway."))]
        counts = vault.execute(_COUNTS.format("gateway.")).fetchone()  # type: ignore[arg-type]
        assert counts is not None
        return rows, counts


def redis_windows(redis: Redis) -> Windows:
    """What Redis counts of every scope."""
    names = [name.decode() for name in redis.scan_iter(f"{PREFIX}scope:*", count=1000)]
    values = redis.mget(names) if names else []
    return {
        name.removeprefix(f"{PREFIX}scope:"): msgspec.msgpack.decode(value)
        for name, value in zip(names, values, strict=True)
        if value is not None
    }


def open_calls(redis: Redis) -> dict[str, object]:
    """What Redis has of each call that runs, is held, or counts as spent since its process died; to look into what was found."""
    names = [name.decode() for name, _ in redis.zscan_iter(f"{PREFIX}leases")]
    values = [redis.get(f"{PREFIX}call:{name}") for name in names]
    return {name: value and msgspec.msgpack.decode(value) for name, value in zip(names, values, strict=True)}


def findings(account: Account, rows: list[Row], counts: tuple[int, ...], windows: Windows) -> list[str]:
    """What is wrong, in words; nothing if every promise was kept."""
    of_run = [row for row in rows if row.org_id in account.organizations]
    return [
        *_settled_twice(rows, counts),
        *_lost_of_clients(account, of_run),
        *_lost_of_provider(account, of_run),
        *_overspent(account, of_run),
        *_counted_otherwise(account, of_run, windows),
    ]


def _settled_twice(rows: list[Row], counts: tuple[int, ...]) -> Iterable[str]:
    for call_id, times in Counter(row.call_id for row in rows).items():
        if times > 1:
            yield f"settled {times} times: {call_id}"
    if set(counts) != {len(rows)}:
        yield f"the tables of calls have {counts} rows, which make {len(rows)} calls"


def _lost_of_clients(account: Account, rows: list[Row]) -> Iterable[str]:
    by_id = {row.call_id: row for row in rows}
    for sent in account.sent:
        if sent.status != 200:
            continue
        row = by_id.get(sent.call_id)
        if row is None:
            yield f"a client saw {sent.call_id} begin, and the vault does not have it"
        elif sent.finished and (row.cost, row.source) != (sent.cost, "provider"):
            yield f"a client saw {sent.call_id} cost {sent.cost}, the vault has {row.cost} ({row.source})"
        elif sent.org_id != row.org_id:
            yield f"{sent.call_id} is charged to {row.org_id}, who asked was {sent.org_id}"
        elif row.grace and not sent.grace:
            yield f"a client was not told that {sent.call_id} was granted as grace"


def _lost_of_provider(account: Account, rows: list[Row]) -> Iterable[str]:
    """A call that was settled at the worst case has lost its number: there must be as many of those as calls without a row."""
    numbered = {row.number: row for row in rows if row.number}
    org_of = {sent.number: sent.org_id for sent in account.sent}
    nameless = Counter(row.org_id for row in rows if not row.number and row.source == "worst_case")
    missing = Counter(org_of[number] for number in set(account.reached) - numbered.keys())
    for org_id, count in missing.items():
        if count > nameless[org_id]:
            yield f"the provider answered {count} calls of {org_id} that the vault knows {nameless[org_id]} of"
    for number in set(account.reached) & numbered.keys():
        if not numbered[number].held:
            yield f"the provider answered {numbered[number].call_id}, for which nothing was held"


def _overspent(account: Account, rows: list[Row]) -> Iterable[str]:
    granted: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        if row.grace:
            granted[row.org_id, row.day] += row.cost
        if row.cost > row.amount_held:
            yield f"{row.call_id} cost {row.cost}, and {row.amount_held} were held"
    for (org_id, day), nanos in granted.items():
        if nanos > account.fallbacks.get(org_id, 0):
            yield f"{org_id} was granted {nanos} on {day}, and may be granted {account.fallbacks.get(org_id, 0)}"
    for limit in account.limits:
        spent: dict[str, int] = defaultdict(int)
        may: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            if limit.scope in row.scopes:
                label = row.labels[("day", "month", "total").index(limit.window)]
                spent[label] += row.cost
                may[label].add(row.day)
        for label, nanos in spent.items():
            most = limit.nanos + limit.fallback * len(may[label])
            if nanos > most:
                yield f"{limit.scope} spent {nanos} in {label or 'total'}, and may spend {most}"


def _counted_otherwise(account: Account, rows: list[Row], windows: Windows) -> Iterable[str]:
    sums: dict[tuple[str, str], list[int]] = {}
    own = {limit.scope for limit in account.limits}
    for row in rows:
        if row.held:
            for scope in row.scopes:
                for label in row.labels:
                    found = sums.setdefault((scope, label), [0, 0])
                    found[0] += row.cost
                    found[1] += 1
    for scope, of_scope in windows.items():
        if scope not in own:
            continue  # everybody's, or another run's
        for label, figures in of_scope.items():
            money, requests = sums.pop((scope, label), [0, 0])
            has = figures[MONEY] * BILLION + figures[MONEY_NANOS]
            counted = 1 if label else 0  # of all time only money is told
            if has != money or (counted and figures[REQUESTS] != requests):
                yield f"{scope} in {label or 'total'}: Redis counts {has} in {figures[REQUESTS]}, the vault {money} in {requests}"
            held = figures[HELD] * BILLION + figures[HELD_NANOS]
            if held or figures[TOKENS_HELD] or figures[RUNNING]:
                yield f"{scope} in {label or 'total'}: {held} held, {figures[TOKENS_HELD]} tokens held, {figures[RUNNING]} running"
            if figures[OVERSHOOT] or figures[OVERSHOOT_NANOS]:
                yield f"{scope} in {label or 'total'}: overshoot"
    newest = max((row.day for row in rows), default="")
    for (scope, label), (money, requests) in sums.items():
        if scope in own and not _is_forgotten(label, newest):
            yield f"{scope} in {label or 'total'}: Redis does not know it, the vault has {money} in {requests}"


def _is_forgotten(label: str, newest: str) -> bool:
    """Whether a day or month is so far back that no clock that is put right and no other time zone leads to it any more."""
    if len(label) == len("2026-11"):
        return _months(newest) - _months(label) > MONTHS_KEPT
    return bool(label) and (date.fromisoformat(newest) - date.fromisoformat(label)).days > DAYS_KEPT


def _months(label: str) -> int:
    return int(label[:4]) * 12 + int(label[5:7])


def _row(values: tuple[Any, ...]) -> Row:
    call_id, held, amount, cost, source, outcome, scopes, started_ns, grace, org_id, metadata = values
    read = [msgspec.json.decode(value) if isinstance(value, str) else value for value in (scopes, metadata)]
    number = (read[1] or {}).get("number", "")
    known = (source, outcome, tuple(read[0]), int(started_ns), bool(grace), org_id, number)
    return Row(call_id, bool(held), int(amount), int(cost), *known)
