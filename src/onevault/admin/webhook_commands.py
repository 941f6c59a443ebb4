"""Creates, changes, rotates and ends webhooks, and has one tried out."""

from __future__ import annotations

from typing import Final

import msgspec

from onevault.admin.changing import check_url, following, is_version, put, put_changed, whose
from onevault.admin.inputs import CreateWebhook, RotateSecret, UpdateWebhook
from onevault.admin.office import Actor, Office
from onevault.admin.provider_key_commands import NO_SEALER
from onevault.core.delivery import Told
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Status, Webhook, is_of_tenant
from onevault.core.notices import Notice, NoticeKind
from onevault.core.secret_places import webhook_secret
from onevault.policy.webhooks import secret_text

SECRET_BYTES: Final = 32
WEBHOOKS_MAX: Final = 20
"""Of one organization, or of the tenant itself."""


class NewSecret(msgspec.Struct, frozen=True):
    """A webhook with a new secret; `text` is nowhere else and cannot be shown again."""

    webhook: Webhook
    text: str


async def create_webhook(office: Office, asked: CreateWebhook, *, actor: Actor) -> NewSecret:
    """Raises Fault NOT_FOUND for the organization, CONFLICT where it has as many as it may, STORE_UNAVAILABLE without a master key."""
    await check_url(office, asked.url, field="url")
    async with office.register.newest() as register:
        org_id = whose(office, asked.org_id, actor)
        if len(register.webhooks("", limit=WEBHOOKS_MAX, org_id=org_id).entries) == WEBHOOKS_MAX:
            raise Fault(FaultKind.CONFLICT, f"There are {WEBHOOKS_MAX} webhooks here already; delete one first.")
        changes = _with_status(asked.changes())
        changes["org_id"] = org_id
        webhook = Webhook(
            webhook_id=f"whk_{office.ids()}", org_id=org_id, url=asked.url, sealed=b"", created_at_ms=office.now_ms
        )
        secret = office.random_bytes(SECRET_BYTES)
        sealed = await _sealed(office, webhook.webhook_id, secret)
        webhook = msgspec.structs.replace(webhook, **changes, sealed=sealed)
        return NewSecret(await put(office, webhook, actor), secret_text(secret))


async def update_webhook(
    office: Office, webhook_id: str, asked: UpdateWebhook, *, actor: Actor, version: int | None = None
) -> Webhook:
    """Changes what was said. `version` is the one the caller saw: raises Fault CONFLICT if it is no longer the newest."""
    if "url" in asked.model_fields_set:
        await check_url(office, asked.url, field="url")
    async with office.register.newest() as register:
        before = register.webhook(webhook_id)
        is_version(before, version)
        after = msgspec.structs.replace(before, **_with_status(asked.changes()))
        return await put_changed(office, before, after, actor)


async def rotate_secret(
    office: Office, webhook_id: str, asked: RotateSecret, *, actor: Actor, version: int | None = None
) -> NewSecret:
    """A new secret; until the overlap ends deliveries are signed with both. Of two rotations in a row the first secret is gone."""
    async with office.register.newest() as register:
        before = register.webhook(webhook_id)
        is_version(before, version)
        secret = office.random_bytes(SECRET_BYTES)
        after = msgspec.structs.replace(
            before,
            sealed=await _sealed(office, webhook_id, secret),
            previous_sealed=before.sealed if asked.overlap else None,
            previous_until_ms=office.now_ms + asked.overlap * 1000 if asked.overlap else None,
        )
        return NewSecret(await put(office, following(after), actor), secret_text(secret))


async def delete_webhook(office: Office, webhook_id: str, *, actor: Actor, version: int | None = None) -> Webhook:
    """Ends it for good: what is still to be delivered is given up."""
    async with office.register.newest() as register:
        before = register.webhook(webhook_id)
        is_version(before, version)
        ended = msgspec.structs.replace(
            before, status=Status.DELETED, sealed=b"", previous_sealed=None, previous_until_ms=None
        )
        return await put(office, following(ended), actor)


def trial(office: Office, webhook: Webhook) -> Told:
    """An event for this webhook alone. Raises Fault CONFLICT for one that is switched off."""
    if webhook.status is not Status.ACTIVE:
        raise Fault(FaultKind.CONFLICT, "This webhook is switched off; set active to true first.", param="webhook_id")
    notice = Notice(
        kind=NoticeKind.WEBHOOK_TEST,
        tenant_id=office.tenant_id,
        org_id=None if is_of_tenant(webhook.org_id) else webhook.org_id,
        at_ns=office.clock.wall_ns(),
        facts={"webhook_id": webhook.webhook_id},
    )
    return Told(f"ntc_{office.ids()}", notice, (webhook.webhook_id,))


def _with_status(changes: dict[str, object]) -> dict[str, object]:
    """`active` as the status that it means."""
    if "active" in changes:
        changes["status"] = Status.ACTIVE if changes.pop("active") else Status.SUSPENDED
    return changes


async def _sealed(office: Office, webhook_id: str, secret: bytes) -> bytes:
    if office.sealer is None:
        raise Fault(FaultKind.STORE_UNAVAILABLE, NO_SEALER)
    return (await office.sealer.seal(secret, webhook_secret(webhook_id))).envelope
