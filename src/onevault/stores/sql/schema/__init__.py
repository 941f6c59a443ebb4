"""The vault's tables, by subject, and how they come into being."""

from onevault.stores.sql.schema import calls, derived, notices, providers, secrets, webhooks, who
from onevault.stores.sql.schema.columns import metadata

SCHEMA_VERSION = 5
"""Grows with every change of the tables; kept in each SQLite file as `user_version`, and in `util.schema_version`."""

SCHEMAS = ("auth", "util", "gateway")
"""In the order in which they are attached and therefore locked, by every process."""

INSERT_ONLY = (
    who.tenant_h,
    who.tenant_s,
    who.customer_h,
    who.customer_config_s,
    who.customer_s,
    who.team_h,
    who.team_s,
    who.user_h,
    who.user_s,
    who.api_key_h,
    who.api_key_s,
    who.admin_key_h,
    who.admin_key_s,
    who.change_s,
    providers.ai_provider_h,
    providers.ai_provider_s,
    *secrets.SECRETS_TABLES,
    *webhooks.WEBHOOK_TABLES,
    calls.api_request_h,
    calls.api_request_s,
    calls.api_request_detail_s,
    calls.api_request_attempt_s,
    calls.api_request_l,
    calls.quota_reset_s,
)
"""Tables whose rows are never changed and never deleted: triggers see to it."""

__all__ = [
    "INSERT_ONLY",
    "SCHEMAS",
    "SCHEMA_VERSION",
    "calls",
    "derived",
    "metadata",
    "notices",
    "providers",
    "secrets",
    "webhooks",
    "who",
]
