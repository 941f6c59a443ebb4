"""What the audit keeps of every administrative change, and what can be asked of it."""

from __future__ import annotations

from typing import Any

import msgspec


class RecordedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change as it was recorded with it. `before` and `after` are the entity's fields, without secrets and their hashes;
    `before` None: it was made. `org_id` None: it was not of one organization. `change_id` grows with every change."""

    change_id: int
    at_ms: int
    actor: str
    address: str
    entity: str
    """`organization`, `team`, `user`, `api_key`, `admin_key`, `tenant`, `provider_key`, …"""
    entity_id: str
    org_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any]


class ChangeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which changes are wanted, newest first; None is any. `since_ms` is included, `until_ms` is not; `before_id` goes on from
    a page."""

    limit: int
    before_id: int | None = None
    entity: str | None = None
    entity_id: str | None = None
    actor: str | None = None
    org_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
