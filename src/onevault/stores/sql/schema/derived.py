"""Tables that are computed from the rest and may be rewritten: rollups, the journal's position, versions."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from onevault.stores.sql.schema.columns import Nanos, load_date, metadata

scope_usage = Table(
    "scope_usage",
    metadata,
    Column("time_window", String(10), primary_key=True),
    Column("label", String(10), primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("money_nanos", Nanos, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("overshoot_nanos", Nanos, nullable=False),
    Column("reset_ns", BigInteger),  # settlements up to this moment do not count in this row
    schema="gateway",
    sqlite_with_rowid=False,
)
Index(
    "scope_usage_reset",
    scope_usage.c.reset_ns,
    sqlite_where=scope_usage.c.reset_ns.is_not(None),
    postgresql_where=scope_usage.c.reset_ns.is_not(None),
)

model_usage = Table(
    "model_usage",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("month_label", String(7), primary_key=True),
    Column("provider_bk", String(255), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_nanos", Nanos, nullable=False),
    schema="gateway",
    sqlite_with_rowid=False,
)

journal_position = Table(
    "journal_position",
    metadata,
    Column("journal", String(40), primary_key=True),
    Column("segment", Text, nullable=False),
    Column("byte_offset", BigInteger, nullable=False),
    schema="gateway",
)

repeatable_answer = Table(
    "repeatable_answer",
    metadata,
    Column("key_sha256", LargeBinary(32), primary_key=True),  # of who asked and their Idempotency-Key
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("answer", LargeBinary),  # NULL: not yet; never with a secret in it
    schema="gateway",
    sqlite_with_rowid=False,
)
Index("repeatable_answer_begun", repeatable_answer.c.begun_ms)

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    load_date(),
    schema="util",
)
