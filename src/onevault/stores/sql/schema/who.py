"""Tables of who calls and who decides: tenants, customers (organizations), teams, users, keys, admin keys, and the audit of every
change to them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, LargeBinary, String, Table, Text

from onevault.stores.sql.schema.columns import (
    JsonDocument,
    Nanos,
    TextArray,
    Usd,
    hash_key_column,
    hub,
    load_date,
    metadata,
    record_source,
    satellite,
)


def thresholds_added() -> tuple[Column[Any], ...]:
    """Since version 5: at which per cent of its limits an organization is told of it; NULL: as configured."""
    return (Column("thresholds", JsonDocument),)


def limit_columns(money: str) -> tuple[Column[Any], ...]:
    """The limits of everything that can have some. `money` is how its amounts are called: `budget` or `limit`."""
    return (
        Column(f"daily_{money}_nanos", Nanos),
        Column(f"monthly_{money}_nanos", Nanos),
        Column(f"total_{money}_nanos", Nanos),
        Column("max_cost_per_request_nanos", Nanos),
        Column("daily_request_limit", BigInteger),
        Column("monthly_request_limit", BigInteger),
        Column("daily_token_limit", BigInteger),
        Column("monthly_token_limit", BigInteger),
        Column("requests_per_minute", BigInteger),
        Column("tokens_per_minute", BigInteger),
        Column("concurrent_requests", BigInteger),
        Column("provider_limits", JsonDocument),
        Column("model_limits", JsonDocument),
    )


tenant_h = Table("tenant_h", metadata, *hub("tenant"), schema="auth")

tenant_s = Table(
    "tenant_s",
    metadata,
    *satellite("tenant", "auth.tenant_h.tenant_hk"),
    Column("status", String(20), nullable=False),
    *limit_columns("budget"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)

customer_h = Table(
    "customer_h", metadata, *hub("customer", hash_key_column("tenant_hk", "auth.tenant_h.tenant_hk")), schema="gateway"
)

customer_config_s = Table(
    "customer_config_s",
    metadata,
    *satellite("customer", "gateway.customer_h.customer_hk"),
    Column("api_key_encrypted", LargeBinary),  # keys belong to users and only their hashes are kept: always NULL
    Column("preferred_providers", TextArray),
    Column("cost_budget_monthly", Usd),  # wider than DECIMAL(10,2): budgets are set to the nano
    Column("cost_budget_daily", Usd),
    Column("compliance_level", String(50)),
    Column("rate_limit_requests_per_minute", BigInteger),  # wider than INTEGER: limits go beyond it
    Column("priority_tier", String(20), server_default="STANDARD"),
    Column("webhook_url", Text),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)

customer_s = Table(
    "customer_s",
    metadata,
    *satellite("customer", "gateway.customer_h.customer_hk"),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("status", String(20), nullable=False),
    *limit_columns("budget"),
    Column("time_zone", String(64), nullable=False),
    Column("failure_mode", String(20), nullable=False),
    Column("fallback_daily_limit", BigInteger),
    Column("compliance_level", String(50), nullable=False),
    Column("priority_tier", String(20), nullable=False),
    Column("webhook_url", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    Column("byok", String(20)),
    *thresholds_added(),
    schema="gateway",
    sqlite_with_rowid=False,
)
Index("customer_s_name", customer_s.c.name_folded)

team_h = Table(
    "team_h",
    metadata,
    *hub("team", hash_key_column("customer_hk", "gateway.customer_h.customer_hk")),
    schema="gateway",
)

team_s = Table(
    "team_s",
    metadata,
    *satellite("team", "gateway.team_h.team_hk"),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("status", String(20), nullable=False),
    *limit_columns("limit"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)
Index("team_s_name", team_s.c.name_folded)

user_h = Table(
    "user_h",
    metadata,
    *hub("user", hash_key_column("customer_hk", "gateway.customer_h.customer_hk")),
    schema="gateway",
)

user_s = Table(
    "user_s",
    metadata,
    *satellite("user", "gateway.user_h.user_hk"),
    Column("email", Text, nullable=False),
    Column("email_folded", Text, nullable=False),
    Column("status", String(20), nullable=False),
    *limit_columns("limit"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    Column("team_id", String(255)),
    schema="gateway",
    sqlite_with_rowid=False,
)
Index("user_s_email", user_s.c.email_folded)

api_key_h = Table(
    "api_key_h", metadata, *hub("api_key", hash_key_column("user_hk", "gateway.user_h.user_hk")), schema="gateway"
)

api_key_s = Table(
    "api_key_s",
    metadata,
    *satellite("api_key", "gateway.api_key_h.api_key_hk"),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("prefix", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("test", Boolean, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("allowed_models", TextArray),
    *limit_columns("limit"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    Column("allowed_providers", TextArray),
    Column("allowed_addresses", TextArray),
    Column("counts_as", String(255)),
    schema="gateway",
    sqlite_with_rowid=False,
)
Index("api_key_s_sha256", api_key_s.c.sha256)

admin_key_h = Table(
    "admin_key_h",
    metadata,
    *hub("admin_key", hash_key_column("tenant_hk", "auth.tenant_h.tenant_hk")),
    schema="gateway",
)

admin_key_s = Table(
    "admin_key_s",
    metadata,
    *satellite("admin_key", "gateway.admin_key_h.admin_key_hk"),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("prefix", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("org_id", String(255)),
    Column("status", String(20), nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    record_source(),
    schema="gateway",
    sqlite_with_rowid=False,
)
Index("admin_key_s_sha256", admin_key_s.c.sha256)

change_s = Table(
    "change_s",
    metadata,
    # Identity on PostgreSQL, the row id on SQLite: it grows with every change, and is the directory's version.
    Column("change_id", BigInteger().with_variant(Integer, "sqlite"), Identity(always=True), primary_key=True),
    load_date(),
    Column("actor", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("entity", String(20), nullable=False),
    Column("entity_bk", String(255), nullable=False),
    Column("before", JsonDocument),
    Column("after", JsonDocument, nullable=False),
    record_source(),
    Column("org_bk", String(255)),  # NULL: not of one organization
    schema="gateway",
)
CHANGE_INDEXES = (
    Index("change_s_time", change_s.c.load_date, change_s.c.change_id),
    Index("change_s_org", change_s.c.org_bk, change_s.c.load_date, change_s.c.change_id),
    Index("change_s_kind", change_s.c.entity, change_s.c.load_date, change_s.c.change_id),
    Index("change_s_entity", change_s.c.entity_bk, change_s.c.load_date, change_s.c.change_id),
    Index("change_s_actor", change_s.c.actor, change_s.c.load_date, change_s.c.change_id),
)
"""What version 4 added: those who look for changes look for one of these."""


def tenancy_added() -> dict[Table, tuple[Column[Any], ...]]:
    """The columns that tables of version 2 lack: the team of a user, and what a key may use and replaces. None may be NOT NULL."""
    keys = api_key_s.c
    return {user_s: (user_s.c.team_id,), api_key_s: (keys.allowed_providers, keys.allowed_addresses, keys.counts_as)}


TENANCY_TABLES = (tenant_s, team_h, team_s, admin_key_h, admin_key_s)
"""What version 3 added."""


def limits_added() -> dict[Table, tuple[Column[Any], ...]]:
    """The columns that tables of version 3 lack: further limits, and those for one provider or model."""
    names = (
        "max_cost_per_request_nanos",
        "daily_token_limit",
        "monthly_token_limit",
        "provider_limits",
        "model_limits",
    )
    whole = ("total_budget_nanos", *names, "daily_request_limit", "monthly_request_limit", "tokens_per_minute")
    of_each = dict.fromkeys((tenant_s, customer_s), whole) | dict.fromkeys(
        (team_s, user_s, api_key_s), ("total_limit_nanos", *names)
    )
    return {table: tuple(table.c[name] for name in wanted) for table, wanted in of_each.items()}
