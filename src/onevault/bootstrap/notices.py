"""Puts together what tells people of what happened: thresholds, the vault's notices, signed webhooks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from onevault.bootstrap.policies import webhook_transport_of
from onevault.bootstrap.stores import Stores
from onevault.config.schema import Settings
from onevault.core.identity import Organization
from onevault.core.notices import Notice
from onevault.core.ports import Clock
from onevault.jobs.courier import Courier
from onevault.jobs.notices import NoticeKeeper, NoticeQueue
from onevault.jobs.supervise import kept_going
from onevault.jobs.thresholds import Thresholds
from onevault.policy.outbound import read_networks
from onevault.policy.purpose import MasterKey, purpose_key
from onevault.policy.thresholds import DEFAULT_THRESHOLDS
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
    masters: tuple[MasterKey, ...]

    def secrets_of(self, webhook_id: str) -> list[bytes]:
        """Kept nowhere: derived from each master key, the newest first, so receivers outlast its rotation."""
        return [purpose_key(purpose_key(master, "webhook-signature"), webhook_id) for master in self.masters]

    def secret_text(self, webhook_id: str) -> str:
        return secret_text(self.secrets_of(webhook_id)[0])


@asynccontextmanager
async def telling(
    settings: Settings,
    stores: Stores,
    notices: LoggedNotices,
    organization: Callable[[str], Organization | None],
    clock: Clock,
    *,
    masters: tuple[MasterKey, ...],
) -> AsyncGenerator[Telling]:
    """Its jobs run until it is left; then what the vault still takes is written."""
    networks = read_networks(settings.monitoring.webhook_networks)
    poster = WebhookPoster(webhook_transport_of(settings), networks)
    keeper = NoticeKeeper(notices.queue, stores.notices, organization, clock)
    thresholds = Thresholds(stores.ledger, notices, clock, lambda: DEFAULT_THRESHOLDS)
    told = Telling(thresholds, poster, masters)
    courier = Courier(stores.notices, poster, organization, told.secrets_of, clock, random.random)
    jobs = [
        asyncio.create_task(kept_going(name, job, clock))
        for name, job in (("thresholds", thresholds.run), ("notices", keeper.run), ("webhooks", courier.run))
    ]
    try:
        yield told
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)
        await thresholds.look()
        with suppress(SQLAlchemyError):
            await keeper.flush()
