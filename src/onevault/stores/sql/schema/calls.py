"""Tables of the calls: one hub row, one row in each satellite and link for a settled call, and one row per attempt.

A settlement is final, so a call has exactly one row in each of its satellites, dated like its hub row. On SQLite their
primary keys begin with the load date: rows are then appended where hash keys would scatter every one of them over the
file, and a call is found through its hub row, which knows the date. The columns of the key are the same on PostgreSQL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from onevault.stores.sql.schema.columns import (
    Address,
    JsonDocument,
    Nanos,
    TextArray,
    Timestamp,
    Usd,
    hash_key_column,
    hub,
    load_date,
    metadata,
    record_source,
    satellite,
)


def usage_added() -> tuple[Column[Any], ...]:
    """What the detail of a call tells of its usage since version 2 of the schema; calls before that used none of it."""
    units = (
        "cache_read_audio_tokens",
        "input_image_tokens",
        "output_image_tokens",
        "input_video_tokens",
        "characters",
        "audio_ms",
        "images",
        "searches",
    )
    return (
        *(Column(name, BigInteger, nullable=False, server_default="0") for name in units),
        Column("service_tier", String(40), nullable=False, server_default=""),
    )


def grace_added() -> tuple[Column[Any], ...]:
    """Since version 4: whether the hold was granted while the shared ledger did not answer."""
    return (Column("grace", Boolean),)


def provider_keys_added() -> tuple[Column[Any], ...]:
    """Since version 4: the customer's own provider key that the call was made with, which then costs only the gateway's fee."""
    return (Column("provider_key_bk", String(255)),)


_REQUEST = "gateway.api_request_h.api_request_hk"

api_request_h = Table(
    "api_request_h",
    metadata,
    *hub(
        "api_request",
        hash_key_column("customer_hk", "gateway.customer_h.customer_hk"),
        hash_key_column("provider_hk", "gateway.ai_provider_h.provider_hk"),
    ),
    schema="gateway",
)

api_request_s = Table(
    "api_request_s",
    metadata,
    *satellite("api_request", _REQUEST, keyed=False),
    Column("request_timestamp", Timestamp, nullable=False),
    Column("request_type", String(50), nullable=False),
    Column("model_used", String(100), nullable=False),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("request_latency_ms", BigInteger),
    Column("provider_cost", Usd),  # wider than DECIMAL(10,6): to the nano
    Column("gateway_markup", Usd),
    Column("customer_cost", Usd),
    Column("route_reason", String(100)),
    Column("request_ip", Address),
    Column("user_agent", Text),
    Column("response_status", String(20)),
    Column("error_message", Text),
    Column("compliance_flags", TextArray),
    record_source(),
    PrimaryKeyConstraint("load_date", "api_request_hk"),
    schema="gateway",
    sqlite_with_rowid=False,
)

api_request_detail_s = Table(
    "api_request_detail_s",
    metadata,
    *satellite("api_request", _REQUEST, keyed=False),
    Column("settled_ns", BigInteger, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("tenant_bk", String(255), nullable=False),
    Column("customer_bk", String(255), nullable=False),
    Column("user_bk", String(255), nullable=False),
    Column("api_key_bk", String(255), nullable=False),
    Column("scopes", JsonDocument, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("held", Boolean, nullable=False),
    Column("amount_held_nanos", Nanos, nullable=False),
    Column("cost_nanos", Nanos, nullable=False),
    Column("tokens_held", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("cache_write_1h_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("input_audio_tokens", BigInteger, nullable=False),
    Column("output_audio_tokens", BigInteger, nullable=False),
    *usage_added(),
    Column("usage_source", String(20), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("fault", String(40), nullable=False),
    Column("dialect", String(40), nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("model_asked", Text, nullable=False),
    Column("provider_bk", String(255), nullable=False),
    Column("model", Text, nullable=False),
    Column("price_version", Text, nullable=False),
    Column("route_reason", Text, nullable=False),
    Column("end_user", Text, nullable=False),
    Column("metadata", JsonDocument, nullable=False),
    Column("excluded", JsonDocument, nullable=False),
    record_source(),
    *provider_keys_added(),
    *grace_added(),
    PrimaryKeyConstraint("load_date", "api_request_hk"),
    schema="gateway",
    sqlite_with_rowid=False,
)

api_request_attempt_s = Table(
    "api_request_attempt_s",
    metadata,
    *satellite("api_request", _REQUEST, keyed=False),
    Column("attempt", Integer, nullable=False),
    Column("provider_bk", String(255), nullable=False),
    Column("deployment", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
    Column("first_event_ms", BigInteger),
    Column("status", Integer),
    Column("fault", String(40), nullable=False),
    Column("provider_text", Text, nullable=False),
    record_source(),
    PrimaryKeyConstraint("load_date", "api_request_hk", "attempt"),
    schema="gateway",
    sqlite_with_rowid=False,
)

api_request_l = Table(
    "api_request_l",
    metadata,
    hash_key_column("api_request_hk", _REQUEST),
    load_date(),
    hash_key_column("customer_hk", "gateway.customer_h.customer_hk"),
    hash_key_column("provider_hk", "gateway.ai_provider_h.provider_hk"),
    hash_key_column("user_hk", "gateway.user_h.user_hk"),
    hash_key_column("api_key_hk", "gateway.api_key_h.api_key_hk"),
    record_source(),
    PrimaryKeyConstraint("load_date", "api_request_hk"),
    schema="gateway",
    sqlite_with_rowid=False,
)
# The columns of the primary key follow those of each index, so the newest calls of a scope are read without sorting.
Index("api_request_l_customer", api_request_l.c.customer_hk, api_request_l.c.load_date, api_request_l.c.api_request_hk)
Index("api_request_l_user", api_request_l.c.user_hk, api_request_l.c.load_date, api_request_l.c.api_request_hk)
Index("api_request_l_api_key", api_request_l.c.api_key_hk, api_request_l.c.load_date, api_request_l.c.api_request_hk)

quota_reset_s = Table(
    "quota_reset_s",
    metadata,
    hash_key_column("quota_reset_hk", primary_key=True),
    load_date(),
    Column("quota_reset_bk", String(255), nullable=False),
    Column("reset_ns", BigInteger, nullable=False),
    Column("scope", Text, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("day_label", String(10), nullable=False),
    Column("month_label", String(7), nullable=False),
    record_source(),
    schema="gateway",
)
