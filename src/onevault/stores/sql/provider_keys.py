"""What a provider key has in the vault beside the directory's own rows: its second hub, its promised columns, its tenant's row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from onevault.core.directory import Entity
from onevault.core.identity import ProviderKey, tenant_of
from onevault.core.money import NANOS_PER_USD
from onevault.stores.sql.hashing import hash_key
from onevault.stores.sql.schema import providers, who
from onevault.stores.sql.statements import insert_absent

SOURCE = "directory"


def hubs_beside(connection: Connection, entity: Entity, now: datetime) -> dict[str, bytes]:
    """The further references of an entity's hub row: of a provider key its provider, whose hub is made if nothing called it yet."""
    if not isinstance(entity, ProviderKey):
        return {}
    table, key = providers.ai_provider_h, hash_key(entity.provider)
    row = {"provider_hk": key, "provider_bk": entity.provider, "load_date": now, "record_source": SOURCE}
    insert_absent(connection, table, [row])
    return {"provider_hk": key}


def put_whole_tenant(connection: Connection, org_id: str, now: datetime) -> None:
    """The hub row that stands for all customers of a tenant: what is not one customer's hangs on it. It has no satellite, so
    it is no organization."""
    row = {
        "customer_hk": hash_key(org_id),
        "customer_bk": org_id,
        "tenant_hk": hash_key(tenant_of(org_id)),
        "load_date": now,
        "record_source": SOURCE,
    }
    insert_absent(connection, who.customer_h, [row])


def promised(key: ProviderKey) -> dict[str, Any]:
    """The columns of `customer_provider_keys_s`, in dollars and for people; what counts is in the detail."""

    def dollars(nanos: int | None) -> float | None:
        return None if nanos is None else nanos / NANOS_PER_USD

    validated_ms = key.last_validated_ms
    return {
        "api_key_encrypted": key.sealed,
        "encryption_key_id": key.encryption_key_id,
        "key_status": key.status.value.upper(),
        "daily_spending_limit": dollars(key.daily_limit),
        "monthly_spending_limit": dollars(key.monthly_limit),
        "allowed_models": None if key.allowed_models is None else list(key.allowed_models),
        "last_validated": None if validated_ms is None else datetime.fromtimestamp(validated_ms / 1000, tz=UTC),
    }
