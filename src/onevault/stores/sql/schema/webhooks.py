"""Tables of where events are sent: webhooks, with all their history."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from onevault.stores.sql.schema.columns import TextArray, hash_key_column, hub, metadata, record_source, satellite

webhook_h = Table(
    "webhook_h",
    metadata,
    *hub("webhook", hash_key_column("customer_hk", "gateway.customer_h.customer_hk")),
    schema="gateway",
)

webhook_s = Table(
    "webhook_s",
    metadata,
    *satellite("webhook", "gateway.webhook_h.webhook_hk"),
    Column("url", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("kinds", TextArray),  # NULL: all
    Column("status", String(20), nullable=False),
    Column("previous_sealed", LargeBinary),
    Column("previous_until_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)

WEBHOOK_TABLES = (webhook_h, webhook_s)
"""What version 5 added."""
