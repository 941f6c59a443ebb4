"""Works changes of the directory into a snapshot of it, whose users and keys stay packed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onevault.core.directory import Changes, Snapshot
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    DataKey,
    Organization,
    ProviderKey,
    Team,
    Tenant,
    User,
    Webhook,
)
from onevault.core.packed import KEYS, USERS, Form, Packed

_PLACES: Final[dict[type, tuple[str, str]]] = {
    Tenant: ("tenants", "tenant_id"),
    Organization: ("organizations", "org_id"),
    Team: ("teams", "team_id"),
    AdminKey: ("admin_keys", "admin_key_id"),
    ProviderKey: ("provider_keys", "provider_key_id"),
    DataKey: ("data_keys", "data_key_id"),
    Webhook: ("webhooks", "webhook_id"),
}
"""Where a snapshot has each kind, and by which field; but users and keys."""


def with_changes(snapshot: Snapshot, changes: Changes) -> Snapshot:
    """The snapshot of the changes' version. The time that it takes grows with users and keys times the changed ones among them."""
    replaced: dict[str, dict[str, Any]] = {}
    for entity in changes.entities:
        if type(entity) in _PLACES:
            name, id_field = _PLACES[type(entity)]
            of_kind = replaced.setdefault(name, dict(getattr(snapshot, name)))
            of_kind[getattr(entity, id_field)] = entity
    return msgspec.structs.replace(
        snapshot,
        version=changes.version,
        users=_packed(USERS, snapshot.users, [each for each in changes.entities if isinstance(each, User)]),
        keys=_packed(KEYS, snapshot.keys, [each for each in changes.entities if isinstance(each, ApiKey)]),
        **replaced,
    )


def _packed(form: Form[Any], known: Mapping[str, Any], changed: list[Any]) -> Packed[Any]:
    fresh = [form.pack(entity) for entity in changed]
    starts = tuple(form.start(record) for record in fresh)
    return Packed(form, [record for record in form.records(known) if not record.startswith(starts)] + fresh)
