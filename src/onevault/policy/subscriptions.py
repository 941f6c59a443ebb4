"""Decides who is told of what: the webhooks that want a notice, and where each of them leads now."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from onevault.core.identity import Organization, Status, Webhook, is_of_tenant, of_tenant
from onevault.core.notices import Notice


class Subscription(msgspec.Struct, frozen=True):
    """Where notices go. `webhook` None: an organization's own `webhook_url`, whose id is the organization's."""

    webhook_id: str
    url: str
    webhook: Webhook | None = None


class Subscriptions:
    """All webhooks in memory, following changes one at a time; organizations are asked for when a notice comes."""

    def __init__(self, organization: Callable[[str], Organization | None], webhooks: Iterable[Webhook]) -> None:
        self._organization = organization
        self._webhooks: dict[str, Webhook] = {}
        self._active: dict[str, dict[str, Webhook]] = {}
        """By owner."""
        for webhook in webhooks:
            self.apply(webhook)

    def apply(self, webhook: Webhook) -> None:
        """Takes over a webhook's new state; an older version than the one known is ignored."""
        before = self._webhooks.get(webhook.webhook_id)
        if before is not None and before.version >= webhook.version:
            return
        self._webhooks[webhook.webhook_id] = webhook
        own = self._active.setdefault(webhook.org_id, {})
        own.pop(webhook.webhook_id, None)
        if webhook.status is Status.ACTIVE:
            own[webhook.webhook_id] = webhook

    def wanting(self, notice: Notice) -> tuple[str, ...]:
        """The ids of the webhooks that want this notice."""
        found = list(self._active.get(of_tenant(notice.tenant_id), {}).values())
        own = None
        if notice.org_id is not None:
            own = self._own(notice.org_id)
            found += self._active.get(notice.org_id, {}).values()
        wanted = [each.webhook_id for each in found if each.kinds is None or notice.kind.value in each.kinds]
        return tuple(wanted if own is None else [own.webhook_id, *wanted])

    def find(self, webhook_id: str) -> Subscription | None:
        """Where deliveries to this webhook go now; None: it is gone or switched off."""
        webhook = self._webhooks.get(webhook_id)
        if webhook is None:
            return self._own(webhook_id)
        if webhook.status is not Status.ACTIVE:
            return None
        if not is_of_tenant(webhook.org_id):
            organization = self._organization(webhook.org_id)
            if organization is None or organization.status is Status.DELETED:
                return None
        return Subscription(webhook_id, webhook.url, webhook)

    def _own(self, org_id: str) -> Subscription | None:
        organization = self._organization(org_id)
        if organization is None or organization.webhook_url is None or organization.status is Status.DELETED:
            return None
        return Subscription(org_id, organization.webhook_url)
