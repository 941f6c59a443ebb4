"""Puts together what tells people of what happened: thresholds, the vault's notices, signed webhooks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from onevault.admin.register import Register
from onevault.bootstrap.policies import webhook_transport_of
from onevault.bootstrap.stores import Stores
from onevault.config.schema import Settings
from onevault.core.notices import Notice
from onevault.core.ports import Clock, Notices, Sealer
from onevault.core.secret_places import webhook_secret
from onevault.jobs.courier import Courier, Retries
from onevault.jobs.key_expiry import KeyExpiry
from onevault.jobs.live_events import LiveEvents
from onevault.jobs.notices import NoticeKeeper, NoticeQueue
from onevault.jobs.supervise import kept_going, once_done
from onevault.jobs.threshold_sweep import ThresholdSweep
from onevault.jobs.thresholds import Thresholds, Watched
from onevault.policy.access import Access
from onevault.policy.key_notices import Put, notices_of
from onevault.policy.outbound import read_networks
from onevault.policy.purpose import MasterKey, purpose_key
from onevault.policy.scope_limits import limits_of
from onevault.policy.subscriptions import Subscription, Subscriptions
from onevault.policy.webhooks import secret_text
from onevault.upstream.webhooks import WebhookPoster

_log = structlog.get_logger("onevault.notices")


class LoggedNotices:
    """Implements `ports.Notices`: into the log at once, and on to where they are kept."""

    def __init__(self, onward: NoticeQueue) -> None:
        self.queue = onward

    def tell(self, notice: Notice) -> None:
        """As `ports.Notices.tell`."""
        _log.info(notice.kind.value, org=notice.org_id or "", once=notice.once, **notice.facts)
        self.queue.tell(notice)


@dataclass(frozen=True, slots=True)
class Telling:
    """`thresholds` is told of calls that ended."""

    thresholds: Thresholds
    poster: WebhookPoster
    subscriptions: Subscriptions
    signing: WebhookSigning
    live: LiveEvents


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


def watched_of(register: Register, access: Access, settings: Callable[[], Settings]) -> Watched:
    """What thresholds are looked at: as the identities and the configuration are when they are."""

    def thresholds_of(org_id: str | None) -> Sequence[int]:
        organization = access.organization(org_id) if org_id is not None else None
        own = organization.thresholds if organization is not None else None
        return settings().limits.thresholds if own is None else own

    return Watched(
        limits_of=lambda scope: limits_of(scope, register.known, access.defaults),
        thresholds_of=thresholds_of,
        tenant_id=settings().tenant.tenant_id,
    )


def webhook_poster(settings: Settings) -> WebhookPoster:
    """Raises OSError for unusable certificate files."""
    monitoring = settings.monitoring
    return WebhookPoster(
        webhook_transport_of(settings),
        read_networks(monitoring.webhook_networks),
        timeout_s=monitoring.webhook_timeout_s,
    )


def key_teller(notices: Notices, clock: Clock, *, tenant_id: str) -> Callable[[Sequence[Put]], None]:
    """What tells of changes of keys that this process makes."""

    def tell(puts: Sequence[Put]) -> None:
        for notice in notices_of(puts, tenant_id=tenant_id, at_ns=clock.wall_ns()):
            notices.tell(notice)

    return tell


@asynccontextmanager
async def telling(
    settings: Settings,
    stores: Stores,
    notices: LoggedNotices,
    subscriptions: Subscriptions,
    signing: WebhookSigning,
    clock: Clock,
    watched: Watched,
    expiry: KeyExpiry,
) -> AsyncGenerator[Telling]:
    """Its jobs run until it is left; then what the vault still takes is written."""
    monitoring = settings.monitoring
    poster = webhook_poster(settings)
    keeper = NoticeKeeper(notices.queue, stores.notices, subscriptions, clock)
    thresholds = Thresholds(stores.ledger, notices, clock, watched.thresholds_of)
    sweep = ThresholdSweep(stores.standings, notices, clock, watched, lambda: stores.loader.lag_s)
    retries = Retries(monitoring.webhook_retry_first_s, monitoring.webhook_tries)
    courier = Courier(stores.deliveries, poster, subscriptions.find, signing.secrets_of, clock, random.random, retries)
    live = LiveEvents(stores.notices, clock, settings.tenant.tenant_id)
    jobs = [
        asyncio.create_task(kept_going(name, job, clock))
        for name, job in (
            ("thresholds", thresholds.run),
            ("notices", keeper.run),
            ("webhooks", courier.run),
            ("live events", live.run),
            ("key expiry", expiry.run),
        )
    ]
    jobs.append(asyncio.create_task(once_done("threshold sweep", sweep.run, clock)))
    try:
        yield Telling(thresholds, poster, subscriptions, signing, live)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)
        await thresholds.look()
        with suppress(SQLAlchemyError):
            await keeper.flush()
        with suppress(SQLAlchemyError):
            await courier.stop()
