"""The routes of what happened: the list of notices, and the secret that an organization's webhook is signed with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from onevault.admin.fields import Moment
from onevault.admin.http import ActorOf, Desk, StrictRoute, errors
from onevault.admin.outputs import Output, PageOut
from onevault.core.delivery import Asked
from onevault.core.faults import Fault, FaultKind
from onevault.core.notices import NoticeKind
from onevault.policy.webhooks import event_document

_NS_MAX = 2**63 - 1
"""No store has a later moment than that."""
_ID = r"^[A-Za-z0-9_\-]{1,100}$"


class EventOut(Output):
    id: str
    type: NoticeKind
    timestamp: str
    data: dict[str, Any]


class WebhookSecretOut(Output):
    object: Literal["webhook_secret"] = "webhook_secret"
    org_id: str
    webhook_secret: str = Field(
        description="What deliveries to `webhook_url` are signed with; give it to the receiver."
    )


class _EventQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Entries a page.")
    after: str = Field("", pattern=r"^[0-9]{0,18}$", description="`next_cursor` of the page before.")
    kind: NoticeKind | SkipJsonSchema[None] = Field(None, description="Only those of this kind.")
    org_id: str | SkipJsonSchema[None] = Field(None, pattern=_ID, description="Only those of this organization.")
    since: Moment = Field(None, description="RFC 3339; only those from then on.")


def event_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin", tags=["events"], route_class=StrictRoute)
    deps = desk.deps

    @routes.get("/events", responses=errors(), summary="List what happened, newest first")
    async def list_events(query: Annotated[_EventQuery, Query()], actor: ActorOf) -> PageOut[EventOut]:
        """Thresholds that were passed, budgets that refused calls. Kept for 90 days."""
        own = actor.org_id
        if deps.notices is None or (own is not None and query.org_id not in (None, own)):
            return PageOut(data=[], has_more=False, next_cursor=None)
        since_ns = None if query.since is None else min(max(0, query.since * 1_000_000), _NS_MAX)
        asked = Asked(
            tenant_id=deps.tenant_id,
            org_id=own or query.org_id,
            kind=query.kind.value if query.kind else None,
            since_ns=since_ns,
        )
        after = int(query.after) if query.after else None
        found = await deps.notices.page(asked, after=after, limit=query.limit + 1, newest_first=True)
        page = found[: query.limit]
        more = len(found) > len(page)
        return PageOut(
            data=[EventOut(**event_document(kept)) for kept in page],
            has_more=more,
            next_cursor=str(page[-1].number) if more else None,
        )

    @routes.post(
        "/organizations/{org_id}/webhook-secret", responses=errors(404), summary="Show what a webhook is signed with"
    )
    async def read_webhook_secret(org_id: str, actor: ActorOf) -> WebhookSecretOut:
        """It is kept nowhere, but derived from the master key: it stays the same as long as that does."""
        register = await desk.seen_by(actor)
        organization = register.organization(org_id)
        if deps.webhook_secret is None:
            raise Fault(FaultKind.STORE_UNAVAILABLE, "This process has no master key.")
        return WebhookSecretOut(org_id=org_id, webhook_secret=deps.webhook_secret(organization.org_id))

    return routes
