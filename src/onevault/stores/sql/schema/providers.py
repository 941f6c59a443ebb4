"""Tables of whom the gateway calls: providers and their facts over time."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Numeric, String, Table, Text, true

from onevault.stores.sql.schema.columns import TextArray, Usd, hub, metadata, record_source, satellite

Percent = Numeric(5, 2, asdecimal=False)

ai_provider_h = Table("ai_provider_h", metadata, *hub("provider"), schema="gateway")

ai_provider_s = Table(
    "ai_provider_s",
    metadata,
    *satellite("provider", "gateway.ai_provider_h.provider_hk"),
    Column("provider_name", String(100), nullable=False),
    Column("api_endpoint", Text, nullable=False),
    Column("models_available", TextArray),
    Column("cost_per_1k_tokens", Usd),  # wider than DECIMAL(8,6): cheap models cost less than a millionth
    Column("max_tokens_per_request", Integer),
    Column("requests_per_minute_limit", Integer),
    Column("current_latency_ms", Integer),
    Column("current_availability_percent", Percent),
    Column("quality_score", Percent),
    Column("is_active", Boolean, server_default=true()),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)
