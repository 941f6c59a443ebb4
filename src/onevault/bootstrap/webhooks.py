"""Gives webhooks what they are sent and signed with."""

from __future__ import annotations

from dataclasses import dataclass

from onevault.bootstrap.policies import webhook_transport_of
from onevault.config.schema import Settings
from onevault.core.ports import Clock, Sealer
from onevault.core.secret_places import webhook_secret
from onevault.policy.outbound import read_networks
from onevault.policy.purpose import MasterKey, purpose_key
from onevault.policy.subscriptions import Subscription
from onevault.policy.webhooks import secret_text
from onevault.upstream.webhooks import WebhookPoster


@dataclass(frozen=True, slots=True)
class WebhookSigning:
    """What deliveries are signed with."""

    masters: tuple[MasterKey, ...]
    sealer: Sealer
    clock: Clock

    async def secrets_of(self, there: Subscription) -> list[bytes]:
        """The newest first. Raises Fault STORE_UNAVAILABLE for what does not open."""
        webhook = there.webhook
        if webhook is None:
            return self._derived(there.webhook_id)
        place = webhook_secret(webhook.webhook_id)
        secrets = [await self.sealer.open(webhook.sealed, place)]
        until_ms = webhook.previous_until_ms
        if webhook.previous_sealed is not None and until_ms is not None and self.clock.wall_ns() < until_ms * 1_000_000:
            secrets.append(await self.sealer.open(webhook.previous_sealed, place))
        return secrets

    def secret_text(self, org_id: str) -> str:
        """The secret of an organization's own `webhook_url`."""
        return secret_text(self._derived(org_id)[0])

    def _derived(self, webhook_id: str) -> list[bytes]:
        """Kept nowhere: derived from each master key, the newest first, so receivers outlast its rotation."""
        return [purpose_key(purpose_key(master, "webhook-signature"), webhook_id) for master in self.masters]


def webhook_poster(settings: Settings) -> WebhookPoster:
    """Raises OSError for unusable certificate files."""
    monitoring = settings.monitoring
    return WebhookPoster(
        webhook_transport_of(settings),
        read_networks(monitoring.webhook_networks),
        timeout_s=monitoring.webhook_timeout_s,
    )
