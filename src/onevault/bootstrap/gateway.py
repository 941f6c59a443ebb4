"""Puts a gateway together from its settings, part by part, and takes it apart again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from onevault import __version__
from onevault.api.account import Account
from onevault.api.asgi import App
from onevault.api.generate import InFlight
from onevault.bootstrap.admin import admin_api
from onevault.bootstrap.call_path import CallPath, call_path
from onevault.bootstrap.foundation import Foundation, founded
from onevault.bootstrap.greeting import known_credentials
from onevault.bootstrap.identities import Identities, kept_current, open_identities
from onevault.bootstrap.master_keys import follow_masters
from onevault.bootstrap.policies import default_limits
from onevault.bootstrap.providers import Providers, open_providers
from onevault.bootstrap.siblings import Render, shown_to_siblings
from onevault.bootstrap.surface import surface
from onevault.bootstrap.system import new_id
from onevault.bootstrap.telling import telling
from onevault.config.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningGateway:
    """A gateway that takes calls. `greeting` is what a first start prints."""

    app: App
    greeting: str
    in_flight: InFlight
    providers: Providers
    identities: Identities
    calls: CallPath
    account: Account

    def drain(self) -> None:
        """Readiness says no from now on, and new calls are refused; those under way go on."""
        self.in_flight.draining = True

    async def apply(self, settings: Settings) -> None:
        """Swaps in what a changed configuration says of providers, routes and limits. Calls under way keep what they began
        with; what only a start can change (address, data directory) stays until then. Raises OSError, and changes nothing, where
        its master keys do not open what the vault holds."""
        await follow_masters(self.identities.keyring, settings)
        await self.providers.apply(settings)
        self.calls.apply(self.providers)
        self.account.catalog = self.providers.catalog
        self.identities.access.set_defaults(default_limits(settings))


@asynccontextmanager
async def running(
    settings: Settings, *, base_url: str, worker: int = 1, siblings: Path | None = None
) -> AsyncGenerator[RunningGateway]:
    """A gateway from its settings, or the worker of this number (from 1) of one. Raises Fault or OSError for what keeps it from
    starting; then nothing is left open. `siblings` is where workers find each other (`bootstrap/siblings.py`)."""
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(founded(settings, worker=worker))
        providers = await open_providers(settings, base.clock, stack)
        identities = await open_identities(base, providers)
        has_vault = not base.stores.directory_standing().degraded
        known, greeting = await known_credentials(settings, identities.office, base_url=base_url, has_vault=has_vault)
        await stack.enter_async_context(kept_current(base, identities))
        told = await stack.enter_async_context(telling(base, providers, identities))
        calls = call_path(base, providers, identities, told.thresholds)
        account = _account(base, providers, calls)
        _watch(base, calls)
        admin = admin_api(
            base, providers, identities, sign_in=calls.sign_in, poster=told.poster, admin_key=known.admin_key
        )
        metrics: Render = partial(asyncio.to_thread, base.metrics.render)
        if siblings is not None:
            metrics = await stack.enter_async_context(shown_to_siblings(siblings, worker, base.metrics.render))
        yield RunningGateway(
            app=surface(base, calls, account, events=told.live, admin=admin, metrics=metrics),
            greeting=greeting,
            in_flight=base.in_flight,
            providers=providers,
            identities=identities,
            calls=calls,
            account=account,
        )


def _account(base: Foundation, providers: Providers, calls: CallPath) -> Account:
    stores, in_flight = base.stores, base.in_flight
    return Account(
        calls.exchange.authenticate,
        providers.catalog,
        stores.ledger,
        stores.requests,
        stores.history,
        base.observer,
        base.clock,
        new_id,
        lambda: in_flight.draining,
        __version__,
    )


def _watch(base: Foundation, calls: CallPath) -> None:
    """Has the metrics show what is counted elsewhere, as it is when they are scraped."""
    stores, in_flight, notices, drains = base.stores, base.in_flight, base.notices, calls.drains
    base.metrics.watch(
        in_flight=lambda: in_flight.calls,
        loader_lag_s=lambda: stores.loader.lag_s,
        drains_running=lambda: drains.running,
        drains=lambda: {"finished": drains.finished, "cut_off": drains.cut_off, "no_room": drains.no_room},
        drained_tokens=lambda: drains.tokens,
        ledger_mode=lambda: stores.ledger_mode().mode,
        directory_snapshot_age_s=lambda: stores.directory_standing().age_s,
        notices_dropped=lambda: notices.queue.dropped,
        notices_waiting=lambda: len(notices.queue.waiting),
    )
