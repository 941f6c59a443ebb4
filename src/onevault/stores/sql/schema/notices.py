"""Tables of what happened that somebody wants to be told of, and of how far telling them has come."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Integer, String, Table, Text, UniqueConstraint

from onevault.stores.sql.schema.columns import JsonDocument, load_date, metadata, record_source

_Number = BigInteger().with_variant(Integer, "sqlite")

notice = Table(
    "notice",
    metadata,
    # Identity on PostgreSQL, the row id on SQLite: lists go on from it.
    Column("number", _Number, Identity(always=True), primary_key=True),
    Column("notice_id", String(40), nullable=False, unique=True),
    Column("tenant_bk", String(255), nullable=False),
    Column("customer_bk", String(255)),
    Column("kind", String(40), nullable=False),
    Column("scope", Text),
    Column("once", Text, nullable=False),  # of a notice that may come again: its own id
    Column("occurred_ns", BigInteger, nullable=False),
    Column("facts", JsonDocument, nullable=False),
    load_date(),
    record_source(),
    UniqueConstraint("tenant_bk", "once"),
    schema="gateway",
    sqlite_autoincrement=True,  # a number that was given away never comes again, also after the newest rows were deleted
)
Index("notice_of_customer", notice.c.customer_bk, notice.c.number)
Index("notice_occurred", notice.c.occurred_ns)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("number", _Number, Identity(always=True), primary_key=True),
    Column("webhook_bk", String(255), nullable=False),
    Column("notice_number", _Number, ForeignKey("gateway.notice.number"), nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("leased_until_ns", BigInteger, nullable=False),  # until then one process is at it; 0: nobody
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("ended_ns", BigInteger),
    load_date(),
    UniqueConstraint("webhook_bk", "notice_number"),
    schema="gateway",
    sqlite_autoincrement=True,
)
Index("webhook_delivery_due", webhook_delivery.c.state, webhook_delivery.c.due_ns)
Index("webhook_delivery_of_notice", webhook_delivery.c.notice_number)
