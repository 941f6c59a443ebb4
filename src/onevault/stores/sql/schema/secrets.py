"""Tables of what is kept encrypted: the data keys of tenants, wrapped, and the keys with which customers pay their providers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from onevault.stores.sql.schema.columns import (
    Nanos,
    TextArray,
    Timestamp,
    Usd,
    hash_key_column,
    hub,
    metadata,
    record_source,
    satellite,
)

data_key_h = Table(
    "data_key_h",
    metadata,
    *hub("data_key", hash_key_column("tenant_hk", "auth.tenant_h.tenant_hk")),
    schema="gateway",
)

data_key_s = Table(
    "data_key_s",
    metadata,
    *satellite("data_key", "gateway.data_key_h.data_key_hk"),
    Column("wrapped", LargeBinary, nullable=False),
    Column("encryption_key_id", String(100), nullable=False),
    Column("status", String(20), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)

_PROVIDER_KEY = "gateway.customer_provider_keys_h.customer_provider_key_hk"

customer_provider_keys_h = Table(
    "customer_provider_keys_h",
    metadata,
    *hub(
        "customer_provider_key",
        hash_key_column("customer_hk", "gateway.customer_h.customer_hk"),
        hash_key_column("provider_hk", "gateway.ai_provider_h.provider_hk"),
    ),
    schema="gateway",
)

customer_provider_keys_s = Table(
    "customer_provider_keys_s",
    metadata,
    *satellite("customer_provider_key", _PROVIDER_KEY),
    Column("api_key_encrypted", LargeBinary, nullable=False),
    Column("encryption_key_id", String(100), nullable=False),
    Column("key_status", String(20), nullable=False),
    Column("daily_spending_limit", Usd),  # wider than DECIMAL(10,2): limits are set to the nano
    Column("monthly_spending_limit", Usd),
    Column("allowed_models", TextArray),
    Column("last_validated", Timestamp),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)

customer_provider_keys_detail_s = Table(
    "customer_provider_keys_detail_s",
    metadata,
    *satellite("customer_provider_key", _PROVIDER_KEY),
    Column("slot", LargeBinary(32), nullable=False),
    Column("provider", String(255), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("credential", String(40), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("encryption_key_id", String(100), nullable=False),
    Column("tail", String(4), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("allowed_models", TextArray),
    Column("daily_limit_nanos", Nanos),
    Column("monthly_limit_nanos", Nanos),
    Column("last_validated_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)

SECRETS_TABLES = (
    data_key_h,
    data_key_s,
    customer_provider_keys_h,
    customer_provider_keys_s,
    customer_provider_keys_detail_s,
)
"""What version 4 added for secrets."""
