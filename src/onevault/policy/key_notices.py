"""Decides which changes of keys somebody is told of, and in which words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from onevault.core.directory import Entity
from onevault.core.identity import ApiKey, ProviderKey, Status, is_of_tenant
from onevault.core.notices import Notice, NoticeKind
from onevault.core.windows import day_and_month


class Put(NamedTuple):
    """A change that was made: the entity as it is, as it was (None: it was made), and whose it is."""

    entity: Entity
    before: Entity | None
    org_id: str | None


def notices_of(puts: Sequence[Put], *, tenant_id: str, at_ns: int) -> list[Notice]:
    """What is told of changes that were made together. Of many keys that were made at once each organization is told once."""
    made = Counter(put.org_id for put in puts if _is_made(put))
    found: list[Notice] = []
    for put in puts:
        org_id = put.org_id
        if _is_made(put) and made[org_id] != 1:
            if made[org_id]:
                found.append(_notice(NoticeKind.KEY_CREATED, put, {"keys": made[org_id]}, tenant_id, at_ns))
                made[org_id] = 0
        elif (told := _told(put)) is not None:
            found.append(_notice(*told, tenant_id, at_ns))
    return found


def expired_notice(key: ApiKey, *, tenant_id: str, org_id: str | None, at_ns: int) -> Notice:
    """That an API key's time is over; once, however many processes see it."""
    return _notice(NoticeKind.KEY_EXPIRED, Put(key, None, org_id), _of_key(key), tenant_id, at_ns)


def _told(put: Put) -> tuple[NoticeKind, Put, dict[str, str | int]] | None:
    entity, before = put.entity, put.before
    if isinstance(entity, ApiKey):
        if before is None:
            if entity.counts_as is None:
                return NoticeKind.KEY_CREATED, put, _of_key(entity)
            return NoticeKind.KEY_ROTATED, put, {**_of_key(entity), "counts_as": entity.counts_as}
        if entity.status is Status.REVOKED is not before.status:
            return NoticeKind.KEY_REVOKED, put, _of_key(entity)
    elif isinstance(entity, ProviderKey) and (before is None or isinstance(before, ProviderKey)):
        change = _change(entity, before)
        if change:
            facts: dict[str, str | int] = {"provider_key_id": entity.provider_key_id, "provider": entity.provider}
            return NoticeKind.PROVIDER_KEY_CHANGED, put, {**facts, "change": change}
    return None


def _change(key: ProviderKey, before: ProviderKey | None) -> str:
    """What became of a provider key: created, revoked, expired, credential, changed; "" for what it is taken note of by itself."""
    if before is None:
        return "created"
    if key.status is not before.status:
        return key.status.value
    if key.fingerprint != before.fingerprint:
        return "credential"
    kept = {name: getattr(before, name) for name in _OF_ITSELF}
    return "" if msgspec.structs.replace(key, **kept) == before else "changed"


_OF_ITSELF = ("last_validated_ms", "version", "sealed", "encryption_key_id")
"""What changes without anybody's doing, or with a rotation of the keys above it."""


def _is_made(put: Put) -> bool:
    return isinstance(put.entity, ApiKey) and put.before is None and put.entity.counts_as is None


def _of_key(key: ApiKey) -> dict[str, str | int]:
    return {"key_id": key.key_id, "user_id": key.user_id, "prefix": key.prefix}


def _notice(kind: NoticeKind, put: Put, facts: dict[str, str | int], tenant_id: str, at_ns: int) -> Notice:
    entity, org_id = put.entity, put.org_id
    entity_id = entity.key_id if isinstance(entity, ApiKey) else getattr(entity, "provider_key_id", "")
    day, _ = day_and_month(at_ns, "UTC")
    return Notice(
        kind=kind,
        tenant_id=tenant_id,
        org_id=None if org_id is None or is_of_tenant(org_id) else org_id,
        at_ns=at_ns,
        once=f"{day}|{kind.value}|{entity_id}|{entity.version}",
        facts=facts,
    )
