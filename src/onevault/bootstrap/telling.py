"""Runs what looks for things to tell of, keeps them, and delivers them: thresholds, key expiry, signed webhooks, live events."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from onevault.bootstrap.foundation import Foundation
from onevault.bootstrap.identities import Identities
from onevault.bootstrap.providers import Providers
from onevault.bootstrap.webhooks import webhook_poster
from onevault.jobs.courier import Courier, Retries
from onevault.jobs.live_events import LiveEvents
from onevault.jobs.notices import NoticeKeeper
from onevault.jobs.supervise import kept_going, once_done
from onevault.jobs.threshold_sweep import ThresholdSweep
from onevault.jobs.thresholds import Thresholds, Watched
from onevault.policy.scope_limits import limits_of
from onevault.upstream.webhooks import WebhookPoster


@dataclass(frozen=True, slots=True)
class Telling:
    """`thresholds` is told of calls that ended."""

    thresholds: Thresholds
    poster: WebhookPoster
    live: LiveEvents


@asynccontextmanager
async def telling(base: Foundation, providers: Providers, identities: Identities) -> AsyncGenerator[Telling]:
    """Its jobs run until it is left; then what the vault still takes is written."""
    clock, stores, notices = base.clock, base.stores, base.notices
    monitoring = base.settings.monitoring
    poster = webhook_poster(base.settings)
    keeper = NoticeKeeper(notices.queue, stores.notices, identities.subscriptions, clock)
    watched = _watched(providers, identities)
    thresholds = Thresholds(stores.ledger, notices, clock, watched.thresholds_of)
    sweep = ThresholdSweep(stores.standings, notices, clock, watched, lambda: stores.loader.lag_s)
    courier = Courier(
        stores.deliveries,
        poster,
        identities.subscriptions.find,
        identities.signing.secrets_of,
        clock,
        random.random,
        Retries(monitoring.webhook_retry_first_s, monitoring.webhook_tries),
    )
    live = LiveEvents(stores.notices, clock, base.settings.tenant.tenant_id)
    jobs = [
        asyncio.create_task(kept_going(name, job, clock))
        for name, job in (
            ("thresholds", thresholds.run),
            ("notices", keeper.run),
            ("webhooks", courier.run),
            ("live events", live.run),
            ("key expiry", identities.expiry.run),
        )
    ]
    jobs.append(asyncio.create_task(once_done("threshold sweep", sweep.run, clock)))
    try:
        yield Telling(thresholds, poster, live)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)
        await thresholds.look()
        with suppress(SQLAlchemyError):
            await keeper.flush()
        with suppress(SQLAlchemyError):
            await courier.stop()


def _watched(providers: Providers, identities: Identities) -> Watched:
    """What thresholds are looked at: as the identities and the configuration are when they are."""
    access, known = identities.access, identities.office.register.known

    def thresholds_of(org_id: str | None) -> Sequence[int]:
        organization = access.organization(org_id) if org_id is not None else None
        own = organization.thresholds if organization is not None else None
        return providers.settings.limits.thresholds if own is None else own

    return Watched(
        limits_of=lambda scope: limits_of(scope, known, access.defaults),
        thresholds_of=thresholds_of,
        tenant_id=providers.settings.tenant.tenant_id,
    )
