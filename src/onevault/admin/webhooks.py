"""The routes of webhooks and their deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from onevault.admin import webhook_commands as commands
from onevault.admin.http import (
    ActorOf,
    Desk,
    IdempotencyKey,
    IfMatch,
    OfOrganizationQuery,
    StrictRoute,
    errors,
    etag,
    version_of,
)
from onevault.admin.inputs import CreateWebhook, RotateSecret, UpdateWebhook
from onevault.admin.office import Actor
from onevault.admin.outputs import Output, PageOut, page_out, time_text
from onevault.core.changes import RecordedChange
from onevault.core.delivery import Deliveries, Delivery, DeliveryState, NoticeStore
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Status, Webhook, is_of_tenant
from onevault.core.notices import NoticeKind

_USUAL_ROTATION = RotateSecret.model_validate({})
_NUMBER_DIGITS_MAX = 18
_LOOKED_THROUGH = 200
"""How many deliveries may begin between a trial and the look for it."""


class WebhookOut(Output):
    object: Literal["webhook"] = "webhook"
    webhook_id: str
    org_id: str | None = Field(description="Whose events it is sent; null: those of the whole tenant.")
    url: str
    name: str
    kinds: list[NoticeKind] | None = Field(description="The only kinds of events it is sent; null: all.")
    active: bool
    deleted: bool
    previous_secret_until: str | None = Field(description="Until when deliveries are signed with the old secret too.")
    created_at: str
    version: int = Field(description="Grows with every change; the ETag, and what If-Match is compared with.")


class NewWebhookOut(WebhookOut):
    secret: str = Field(description="What deliveries are signed with. It is shown here and never again.")


class DeliveryOut(Output):
    object: Literal["delivery"] = "delivery"
    delivery_id: str
    webhook_id: str
    event_id: str = Field(description="The event's id, and the `webhook-id` header of each try.")
    type: NoticeKind
    timestamp: str = Field(description="When it happened.")
    state: DeliveryState
    attempts: int
    last_status: int | None = Field(description="What the receiver answered the last time; null: there was no answer.")
    last_error: str = Field(description="Why the last try failed, in the gateway's words.")
    next_attempt_at: str | None
    ended_at: str | None


class _DeliveryQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Entries a page.")
    after: str = Field("", pattern=r"^[0-9]{0,18}$", description="`next_cursor` of the page before.")
    state: DeliveryState | SkipJsonSchema[None] = Field(None, description="Only those in this state.")


def webhook_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin/webhooks", tags=["webhooks"], route_class=StrictRoute)
    office = desk.office

    async def found(webhook_id: str, actor: ActorOf) -> Webhook:
        register = await desk.seen_by(actor)
        return register.webhook(webhook_id)

    @routes.post("", status_code=201, responses=errors(404, 409), summary="Create a webhook")
    async def create_webhook(
        asked: CreateWebhook, actor: ActorOf, response: Response, idempotency_key: IdempotencyKey = None
    ) -> NewWebhookOut:
        """`secret` is shown in this answer and never again. Events from now on are sent there."""

        async def act() -> NewWebhookOut:
            return _new_webhook_out(await commands.create_webhook(office.of(actor), asked, actor=actor))

        fingerprint = f"webhooks {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, keep=_already_shown, by=actor.name)
        etag(response, made.version)
        return made

    @routes.get("", responses=errors(), summary="List webhooks")
    async def list_webhooks(query: OfOrganizationQuery, actor: ActorOf) -> PageOut[WebhookOut]:
        register = await desk.seen_by(actor)
        page = register.webhooks(query.after, limit=query.limit, org_id=query.org_id, deleted=query.include_deleted)
        return page_out(page, _webhook_out)

    @routes.get("/{webhook_id}", responses=errors(404), summary="Read a webhook")
    async def read_webhook(webhook_id: str, response: Response, actor: ActorOf) -> WebhookOut:
        webhook = await found(webhook_id, actor)
        etag(response, webhook.version)
        return _webhook_out(webhook)

    @routes.patch("/{webhook_id}", responses=errors(404, 409), summary="Change a webhook")
    async def update_webhook(
        webhook_id: str, asked: UpdateWebhook, actor: ActorOf, response: Response, if_match: IfMatch = None
    ) -> WebhookOut:
        """An absent field stays as it is. What is under way goes where it leads now."""
        changed = await commands.update_webhook(
            office.of(actor), webhook_id, asked, actor=actor, version=version_of(if_match)
        )
        etag(response, changed.version)
        return _webhook_out(changed)

    @routes.delete("/{webhook_id}", responses=errors(404, 409), summary="Delete a webhook")
    async def delete_webhook(webhook_id: str, actor: ActorOf, if_match: IfMatch = None) -> WebhookOut:
        """For good: what is still to be delivered is given up."""
        version = version_of(if_match)
        return _webhook_out(await commands.delete_webhook(office.of(actor), webhook_id, actor=actor, version=version))

    @routes.post(
        "/{webhook_id}/rotate-secret", status_code=201, responses=errors(404, 409), summary="Make a new secret"
    )
    async def rotate_secret(
        webhook_id: str,
        actor: ActorOf,
        response: Response,
        asked: Annotated[RotateSecret, Body()] = _USUAL_ROTATION,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> NewWebhookOut:
        """`secret` is shown in this answer and never again. For `overlap` more seconds deliveries are signed with the old one too."""
        version = version_of(if_match)

        async def act() -> NewWebhookOut:
            return _new_webhook_out(
                await commands.rotate_secret(office.of(actor), webhook_id, asked, actor=actor, version=version)
            )

        fingerprint = f"rotate {webhook_id} {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, keep=_already_shown, by=actor.name)
        etag(response, made.version)
        return made

    @routes.post("/{webhook_id}/test", status_code=201, responses=errors(404, 409), summary="Try a webhook out")
    async def test_webhook(webhook_id: str, actor: ActorOf, idempotency_key: IdempotencyKey = None) -> DeliveryOut:
        """Sends it, and no other, an event of the kind `webhook.test`. What becomes of it is in the list of its deliveries."""

        async def act() -> DeliveryOut:
            notices, deliveries = _stores(desk)
            webhook = await found(webhook_id, actor)
            told = commands.trial(office.of(actor), webhook)
            await _noted(desk, webhook, actor, before={}, after={"trial": told.notice_id})
            await notices.keep([told], now_ns=desk.deps.clock.wall_ns())
            some = await deliveries.page(webhook_id, state=None, after=None, limit=_LOOKED_THROUGH)
            return next(_delivery_out(each) for each in some if each.kept.notice_id == told.notice_id)

        fingerprint = f"test {webhook_id}"
        return await desk.idempotency.once(idempotency_key, fingerprint, act, by=actor.name)

    @routes.get("/{webhook_id}/deliveries", responses=errors(404), summary="List a webhook's deliveries, newest first")
    async def list_deliveries(
        webhook_id: str, query: Annotated[_DeliveryQuery, Query()], actor: ActorOf
    ) -> PageOut[DeliveryOut]:
        """Kept for 90 days, as events are."""
        await found(webhook_id, actor)
        _, deliveries = _stores(desk)
        after = int(query.after) if query.after else None
        some = await deliveries.page(webhook_id, state=query.state, after=after, limit=query.limit + 1)
        page = some[: query.limit]
        more = len(some) > len(page)
        return PageOut(
            data=[_delivery_out(entry) for entry in page],
            has_more=more,
            next_cursor=str(page[-1].number) if more else None,
        )

    @routes.post(
        "/{webhook_id}/deliveries/{delivery_id}/redeliver",
        responses=errors(404, 409),
        summary="Deliver anew what was given up",
    )
    async def redeliver(webhook_id: str, delivery_id: str, actor: ActorOf) -> DeliveryOut:
        """Only a dead delivery: it is tried at once, and as often as a new one. Its `webhook-id` stays the same."""
        webhook = await found(webhook_id, actor)
        _, deliveries = _stores(desk)
        is_number = delivery_id.isascii() and delivery_id.isdecimal() and len(delivery_id) <= _NUMBER_DIGITS_MAX
        number = int(delivery_id) if is_number else -1
        begun = await deliveries.again(webhook_id, number, now_ns=desk.deps.clock.wall_ns())
        delivery = await deliveries.find(webhook_id, number)
        if delivery is None:
            raise Fault(FaultKind.NOT_FOUND, "There is no such delivery of this webhook.", param="delivery_id")
        if not begun:
            message = f"This delivery is {delivery.state.value}; only a dead one is delivered anew."
            raise Fault(FaultKind.CONFLICT, message, param="delivery_id")
        await _noted(
            desk,
            webhook,
            actor,
            before={"delivery": DeliveryState.DEAD},
            after={"delivery": delivery.state, "event": delivery.kept.notice_id},
        )
        return _delivery_out(delivery)

    return routes


async def _noted(desk: Desk, webhook: Webhook, actor: Actor, *, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Puts into the audit what makes no new state of a webhook."""
    await desk.deps.change_log.note(
        RecordedChange(
            change_id=0,
            at_ms=desk.deps.clock.wall_ns() // 1_000_000,
            actor=actor.name,
            address=actor.address,
            entity="webhook",
            entity_id=webhook.webhook_id,
            org_id=None if is_of_tenant(webhook.org_id) else webhook.org_id,
            before=before,
            after=after,
        )
    )


def _stores(desk: Desk) -> tuple[NoticeStore, Deliveries]:
    notices, deliveries = desk.deps.notices, desk.deps.deliveries
    if notices is None or deliveries is None:
        raise Fault(FaultKind.STORE_UNAVAILABLE, "This process delivers no events.")
    return notices, deliveries


def _fields(webhook: Webhook) -> dict[str, Any]:
    until_ms = webhook.previous_until_ms
    return {
        "webhook_id": webhook.webhook_id,
        "org_id": None if is_of_tenant(webhook.org_id) else webhook.org_id,
        "url": webhook.url,
        "name": webhook.name,
        "kinds": None if webhook.kinds is None else list(webhook.kinds),
        "active": webhook.status is Status.ACTIVE,
        "deleted": webhook.status is Status.DELETED,
        "previous_secret_until": None if until_ms is None else time_text(until_ms),
        "created_at": time_text(webhook.created_at_ms),
        "version": webhook.version,
    }


def _webhook_out(webhook: Webhook) -> WebhookOut:
    return WebhookOut.model_validate(_fields(webhook))


def _new_webhook_out(made: commands.NewSecret) -> NewWebhookOut:
    return NewWebhookOut.model_validate({**_fields(made.webhook), "secret": made.text})


def _delivery_out(delivery: Delivery) -> DeliveryOut:
    pending = delivery.state is DeliveryState.PENDING
    ended_ns = delivery.ended_ns
    return DeliveryOut(
        delivery_id=str(delivery.number),
        webhook_id=delivery.webhook_id,
        event_id=delivery.kept.notice_id,
        type=delivery.kept.notice.kind,
        timestamp=time_text(delivery.kept.notice.at_ns // 1_000_000),
        state=delivery.state,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        next_attempt_at=time_text(delivery.due_ns // 1_000_000) if pending else None,
        ended_at=None if ended_ns is None else time_text(ended_ns // 1_000_000),
    )


def _already_shown(made: NewWebhookOut) -> NewWebhookOut | Fault:
    message = (
        f"This Idempotency-Key already made the secret of {made.webhook_id}, which was shown once. "
        "If it was lost, rotate the webhook's secret."
    )
    return Fault(FaultKind.CONFLICT, message, param="Idempotency-Key")
