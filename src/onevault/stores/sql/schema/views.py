"""The views that show the newest state of each entity, with `load_end_date` computed from the row that follows.

Their text names no schema: a view of an attached SQLite file may refer only to its own file, and so it can be opened alone.
"""

from __future__ import annotations

from sqlalchemy import Table

from onevault.stores.sql.schema import calls, providers, secrets, webhooks, who


def _newest(satellite: Table, hub: Table) -> str:
    key = next(iter(satellite.primary_key.columns)).name
    hub_columns = ", ".join(f"h.{column.name}" for column in hub.columns if column.name.endswith(("_bk", "_hk")))
    facts = ", ".join(
        f"s.{column.name}" for column in satellite.columns if column.name not in {key, "load_end_date", "record_source"}
    )
    return (
        f"SELECT {hub_columns}, {facts}, s.load_end_date, s.record_source FROM {hub.name} AS h JOIN ("  # noqa: S608
        f"SELECT *, LEAD(load_date) OVER (PARTITION BY {key} ORDER BY load_date) AS following FROM {satellite.name}"
        f") AS s ON s.{key} = h.{key} WHERE s.following IS NULL"
    )


def _newest_of_tenants() -> str:
    """Without the tenant's name, which is in another file."""
    facts = ", ".join(f"s.{column.name}" for column in who.tenant_s.columns if column.name != "load_end_date")
    return (
        f"SELECT {facts}, s.load_end_date FROM ("  # noqa: S608
        "SELECT *, LEAD(load_date) OVER (PARTITION BY tenant_hk ORDER BY load_date) AS following FROM tenant_s"
        ") AS s WHERE s.following IS NULL"
    )


def _history(satellite: Table) -> str:
    key = next(iter(satellite.primary_key.columns)).name
    columns = ", ".join(
        column.name
        if column.name != "load_end_date"
        else f"LEAD(load_date) OVER (PARTITION BY {key} ORDER BY load_date) AS load_end_date"
        for column in satellite.columns
    )
    return f"SELECT {columns} FROM {satellite.name}"  # noqa: S608


def _calls() -> str:
    facts = ", ".join(f"s.{column.name}" for column in calls.api_request_s.columns if column.name != "api_request_hk")
    seen = set(calls.api_request_s.columns.keys()) | {"api_request_hk", "load_date", "load_end_date", "hash_diff"}
    details = ", ".join(f"d.{column.name}" for column in calls.api_request_detail_s.columns if column.name not in seen)
    return (
        "SELECT h.api_request_hk, h.api_request_bk, h.customer_hk, h.provider_hk, l.user_hk, l.api_key_hk, "  # noqa: S608
        f"{facts}, {details} FROM api_request_h AS h "
        "JOIN api_request_s AS s ON s.load_date = h.load_date AND s.api_request_hk = h.api_request_hk "
        "JOIN api_request_detail_s AS d ON d.load_date = h.load_date AND d.api_request_hk = h.api_request_hk "
        "JOIN api_request_l AS l ON l.load_date = h.load_date AND l.api_request_hk = h.api_request_hk"
    )


VIEWS = {
    "v_customer_current": _newest(who.customer_s, who.customer_h),
    "v_customer_config_current": _newest(who.customer_config_s, who.customer_h),
    "v_tenant_current": _newest_of_tenants(),
    "v_team_current": _newest(who.team_s, who.team_h),
    "v_user_current": _newest(who.user_s, who.user_h),
    "v_api_key_current": _newest(who.api_key_s, who.api_key_h),
    "v_admin_key_current": _newest(who.admin_key_s, who.admin_key_h),
    "v_ai_provider_current": _newest(providers.ai_provider_s, providers.ai_provider_h),
    "v_data_key_current": _newest(secrets.data_key_s, secrets.data_key_h),
    "v_customer_provider_keys_current": _newest(secrets.customer_provider_keys_s, secrets.customer_provider_keys_h),
    "v_webhook_current": _newest(webhooks.webhook_s, webhooks.webhook_h),
    "v_api_request_current": _calls(),
    "v_customer_history": _history(who.customer_s),
    "v_customer_config_history": _history(who.customer_config_s),
    "v_tenant_history": _history(who.tenant_s),
    "v_team_history": _history(who.team_s),
    "v_user_history": _history(who.user_s),
    "v_api_key_history": _history(who.api_key_s),
    "v_admin_key_history": _history(who.admin_key_s),
    "v_customer_provider_keys_history": _history(secrets.customer_provider_keys_s),
    "v_webhook_history": _history(webhooks.webhook_s),
    "v_ai_provider_history": _history(providers.ai_provider_s),
}
"""Views of schema `gateway` by name. The `_history` views give every state with the moment it ended: for "as of"."""
