"""Turns settled calls into the rows of the vault, as plain tuples in the order of the statements that take them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from time import sleep

import msgspec

from onevault.core.records import Caller, Outcome, Settled
from onevault.core.usage import TIER_LENGTH_MAX
from onevault.stores.sql.dialects import POSTGRESQL, SQLITE
from onevault.stores.sql.hashing import GHOST_KEY, cached_hash_key, hash_key
from onevault.stores.sql.moments import timestamp
from onevault.stores.sql.schema import calls
from onevault.stores.sql.statements import appending

Row = tuple[str | int | float | bytes | None, ...]

SOURCE = "journal"
NANOS_PER_USD = 1_000_000_000
ROWS_WITHOUT_PAUSE_MAX = 32
"""After so many calls, about half a millisecond of work, the loader lets the event loop's thread go on."""
PAUSE_S = 0.000_05
"""Not 0: a thread that gives the interpreter lock up and takes it again at once is mostly faster than the one that waits."""

INSERT_HUB = appending(
    calls.api_request_h,
    ("api_request_hk", "api_request_bk", "customer_hk", "provider_hk", "load_date", "record_source"),
)
INSERT_FACTS = appending(
    calls.api_request_s,
    tuple(name for name in calls.api_request_s.columns.keys() if name != "load_end_date"),  # noqa: SIM118 (no mapping)
)
INSERT_DETAIL = appending(
    calls.api_request_detail_s,
    tuple(name for name in calls.api_request_detail_s.columns.keys() if name != "load_end_date"),  # noqa: SIM118
)
INSERT_ATTEMPT = appending(
    calls.api_request_attempt_s,
    tuple(name for name in calls.api_request_attempt_s.columns.keys() if name != "load_end_date"),  # noqa: SIM118
)
INSERT_LINK = appending(calls.api_request_l, tuple(calls.api_request_l.columns.keys()))

_STATUS = {
    Outcome.SUCCESS: "SUCCESS",
    Outcome.ERROR: "ERROR",
    Outcome.TIMEOUT: "TIMEOUT",
    Outcome.CANCELLED: "ERROR",  # the named column knows three words; the outcome itself is in the detail
}

_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class CallRows:
    """The rows of a batch of settled calls, one list for each table."""

    __slots__ = ("attempts", "details", "facts", "hubs", "links")

    def __init__(self) -> None:
        self.hubs: list[Row] = []
        self.facts: list[Row] = []
        self.details: list[Row] = []
        self.attempts: list[Row] = []
        self.links: list[Row] = []


@dataclass(frozen=True, slots=True)
class Form:
    """What an engine wants written differently: dollars of nanos, and an array of nothing."""

    dollars: Callable[[int], float | str]
    empty_array: str


FORMS = {
    SQLITE: Form(lambda nanos: nanos / NANOS_PER_USD, "[]"),
    # As text, for PostgreSQL makes a decimal of a float's first fifteen digits only.
    POSTGRESQL: Form(lambda nanos: f"{nanos // NANOS_PER_USD}.{nanos % NANOS_PER_USD:09d}", "{}"),
}


def call_rows(settled: Iterable[Settled], form: Form) -> CallRows:
    """The rows of these calls. Blocking work of about 15 µs a call, with pauses for the other threads."""
    rows = CallRows()
    for number, record in enumerate(settled, 1):
        _add(rows, record, form)
        if number % ROWS_WITHOUT_PAUSE_MAX == 0:
            sleep(PAUSE_S)  # lets the event loop go on: requests come first
    return rows


def hub_row(record: Settled) -> tuple[bytes, Row]:
    """The hash key of a call and its hub row."""
    key = hash_key(record.call_id)
    return key, (
        key,
        record.call_id,
        cached_hash_key(record.caller.org_id),
        provider_key(record.provider),
        timestamp(record.at_ns),
        SOURCE,
    )


def provider_key(provider: str) -> bytes:
    """The hash key of a provider; the ghost's for none."""
    return cached_hash_key(provider) if provider else GHOST_KEY


@lru_cache(maxsize=4096)
def _text(value: tuple[str, ...]) -> str:
    return _json(value).decode()


def _add(rows: CallRows, record: Settled, form: Form) -> None:
    key, hub = hub_row(record)
    _, _, customer_key, provider_hk, at, _ = hub
    usage = record.usage
    caller: Caller = record.caller
    # One digest for all rows of the call: of the record itself, from which every one of them is made.
    digest = sha256(_encode(record)).digest()
    dollars = form.dollars(record.cost)
    rows.hubs.append(hub)
    rows.facts.append(
        (
            key,
            at,
            digest,
            timestamp(record.started_ns),
            record.request_type[:50],
            (record.model or record.model_asked)[:100],
            usage.input_tokens,
            usage.output_tokens,
            usage.input_tokens + usage.output_tokens,
            record.latency_ms,
            dollars,
            0,
            dollars,
            record.route_reason[:100],
            record.request_ip or None,
            record.user_agent,
            _STATUS[record.outcome],
            record.fault_message or None,
            form.empty_array,
            SOURCE,
        )
    )
    rows.details.append(
        (
            key,
            at,
            digest,
            record.at_ns,
            record.started_ns,
            caller.tenant_id,
            caller.org_id,
            caller.user_id,
            caller.key_id,
            _text(record.scopes),
            record.time_zone,
            record.held,
            record.amount_held,
            record.cost,
            record.tokens_held,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.cache_write_1h_tokens,
            usage.reasoning_tokens,
            usage.input_audio_tokens,
            usage.output_audio_tokens,
            usage.cache_read_audio_tokens,
            usage.input_image_tokens,
            usage.output_image_tokens,
            usage.input_video_tokens,
            usage.characters,
            usage.audio_ms,
            usage.images,
            usage.searches,
            usage.tier[:TIER_LENGTH_MAX],
            record.usage_source,
            record.outcome,
            record.fault,
            record.dialect,
            record.stream,
            record.model_asked,
            record.provider,
            record.model,
            record.price_version,
            record.route_reason,
            record.end_user,
            _json(record.metadata).decode() if record.metadata else "{}",
            _json(record.excluded).decode() if record.excluded else "[]",
            SOURCE,
            record.provider_key or None,
            record.grace,
        )
    )
    for number, attempt in enumerate(record.attempts, 1):
        rows.attempts.append(
            (
                key,
                at,
                digest,
                number,
                attempt.provider,
                attempt.deployment,
                attempt.model,
                attempt.started_ns,
                attempt.latency_ms,
                attempt.first_event_ms,
                attempt.status,
                attempt.fault,
                attempt.provider_text,
                SOURCE,
            )
        )
    rows.links.append(
        (
            key,
            at,
            customer_key,
            provider_hk,
            cached_hash_key(caller.user_id),
            cached_hash_key(caller.key_id),
            SOURCE,
        )
    )
