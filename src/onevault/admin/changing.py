"""The rules that all changes share: whose version, which status, and how a change is put."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from onevault.admin.office import Actor, Office
from onevault.core.directory import Entity
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    Organization,
    ProviderKey,
    Status,
    Team,
    Tenant,
    User,
    Webhook,
    of_tenant,
)

E = TypeVar("E", Tenant, Organization, Team, User, ApiKey, AdminKey, ProviderKey, Webhook)


async def put(office: Office, entity: E, actor: Actor) -> E:
    """Makes the change, and says who did it."""
    await office.register.put(entity, actor=actor.name, address=actor.address)
    return entity


def following(entity: E) -> E:
    """The entity as its next version."""
    return msgspec.structs.replace(entity, version=entity.version + 1)


async def put_changed(office: Office, before: E, after: E, actor: Actor) -> E:
    """Puts its next version, if anything of it has changed."""
    return before if after == before else await put(office, following(after), actor)


async def put_ended(office: Office, before: E, status: Status, actor: Actor) -> E:
    """Puts it as ended, and changes nothing else of it."""
    return await put(office, following(msgspec.structs.replace(before, status=status)), actor)


def is_version(entity: Entity, version: int | None) -> None:
    """Raises Fault CONFLICT where the caller saw another version."""
    if version is not None and version != entity.version:
        message = f"This has changed meanwhile: it is at version {entity.version}. Read it again, then change it."
        raise Fault(FaultKind.CONFLICT, message, param="If-Match")


def with_status(changes: dict[str, object]) -> dict[str, object]:
    """`suspended` as the status that it means."""
    if "suspended" in changes:
        changes["status"] = Status.SUSPENDED if changes.pop("suspended") else Status.ACTIVE
    return changes


async def check_url(office: Office, url: str | None, *, field: str) -> None:
    """Raises Fault INVALID_REQUEST for a URL that nothing would be sent to. Names are looked up for it: not under the lock."""
    if url is None:
        return
    try:
        await office.check_url(url)
    except ValueError as refused:
        raise Fault(FaultKind.INVALID_REQUEST, f"{field}: {refused}", param=field) from None


def is_to_come(office: Office, expires_at_ms: int | None) -> None:
    """Raises Fault INVALID_REQUEST for a time that is past."""
    if expires_at_ms is not None and expires_at_ms <= office.now_ms:
        raise Fault(FaultKind.INVALID_REQUEST, "expires_at: must lie in the future", param="expires_at")


def whose(office: Office, org_id: str | None, actor: Actor) -> str:
    """Whose a new thing is that belongs to an organization, or to the whole tenant where none is named. Raises Fault NOT_FOUND,
    FORBIDDEN for the tenant's where the actor is confined to an organization."""
    if org_id is not None:
        return office.register.organization(org_id).org_id
    if actor.org_id is not None:
        raise Fault(FaultKind.FORBIDDEN, "org_id: must be this admin key's own organization", param="org_id")
    return of_tenant(office.tenant_id)
