"""Puts a gateway together from its settings, brings its money back from the journal, and takes it apart again."""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from onevault import __version__
from onevault.admin.app import create_admin
from onevault.admin.commands import office_of
from onevault.admin.deps import AdminDeps
from onevault.admin.deps import Health as AdminHealth
from onevault.admin.people import DirectoryPeople
from onevault.api.account import Account
from onevault.api.app import Gateway
from onevault.api.asgi import App
from onevault.api.errors import status_of
from onevault.api.generate import Bounds, Generate, InFlight
from onevault.api.health import Health
from onevault.api.live_events import LiveStream
from onevault.api.openapi import document
from onevault.api.pages import pages
from onevault.bootstrap.greeting import known_credentials
from onevault.bootstrap.master_keys import follow_masters, keyring_of, masters_for
from onevault.bootstrap.notices import LoggedNotices, Telling, WebhookSigning, key_teller, telling, watched_of
from onevault.bootstrap.open_stores import open_stores
from onevault.bootstrap.policies import catalog_of, default_limits, drain_bounds, transport_of
from onevault.bootstrap.rebuild import Rebuild
from onevault.bootstrap.siblings import Render, shown_to_siblings
from onevault.bootstrap.simulating import WantedSimulator
from onevault.bootstrap.stores import Stores
from onevault.bootstrap.system import SystemClock, new_id
from onevault.config.schema import Settings
from onevault.core.identity import ApiKey, ProviderKey, Webhook
from onevault.core.packed import keys_that_end
from onevault.core.ports import Entity
from onevault.core.transport import Transport
from onevault.dialects.registry import CODECS, INGRESS
from onevault.jobs.key_expiry import KeyExpiry
from onevault.jobs.notices import NoticeQueue
from onevault.jobs.provider_keys import keep_provider_keys
from onevault.jobs.refresh import follow
from onevault.jobs.supervise import kept_going
from onevault.pipeline.admit import Admit
from onevault.pipeline.authenticate import Authenticate
from onevault.pipeline.call import Call
from onevault.pipeline.drain import Drains
from onevault.pipeline.exchange import Exchange
from onevault.pipeline.record import Record
from onevault.pipeline.reserve import Reserve
from onevault.pipeline.route import Route
from onevault.pipeline.sign_in import SignIn
from onevault.policy.access import Access
from onevault.policy.key_notices import Put
from onevault.policy.subscriptions import Subscriptions
from onevault.stores.keys.keyring import Keyring
from onevault.telemetry.calls import CallObserver
from onevault.telemetry.metrics import Metrics
from onevault.telemetry.redact import redact
from onevault.upstream.auth.oidc import Issuers
from onevault.upstream.client import ProviderSender
from onevault.upstream.endpoints import Signing, endpoints
from onevault.upstream.relay import RELAY_PATH, Relay
from onevault.upstream.stored import StoredCredentials

_log = structlog.get_logger("onevault.gateway")
LIVE_PATH: Final = "/v1/events"
SOCKET_PATHS: Final = frozenset({LIVE_PATH.encode()})
"""Where a WebSocket is spoken with who offers to."""
_RELAYED = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(slots=True)
class RunningGateway:
    """A gateway that takes calls. `greeting` is what a first start prints."""

    app: App
    greeting: str
    in_flight: InFlight
    _sender: ProviderSender
    _signing: Signing
    _route: Route
    _account: Account
    _access: Access
    _sign_in: SignIn
    _transport: Transport
    _clock: SystemClock
    _simulator: WantedSimulator
    _drains: Drains
    _rebuild: Rebuild
    _keyring: Keyring

    def drain(self) -> None:
        """Readiness says no from now on, and new calls are refused; those under way go on."""
        self.in_flight.draining = True

    async def apply(self, settings: Settings) -> None:
        """Swaps in what a changed configuration says of providers, routes and limits. Calls under way keep what they began
        with; what only a start can change (address, data directory) stays until then. Raises OSError, and changes nothing, where
        its master keys do not open what the vault holds."""
        await follow_masters(self._keyring, settings)
        self._rebuild.settings = settings
        url = self._rebuild.simulator_url = await self._simulator.url(settings)
        catalog = catalog_of(settings)
        self._sender.endpoints = endpoints(settings, simulator_url=url, signing=self._signing)
        self._route.catalog = self._account.catalog = catalog
        self._route.output_tokens_limit = settings.limits.output_tokens_max
        self._route.on_insufficient = settings.limits.on_insufficient
        self._route.on_exhausted = settings.limits.on_exhausted
        self._drains.bounds = drain_bounds(settings)
        self._access.set_defaults(default_limits(settings))
        self._sign_in.trust(Issuers(settings.security.oidc, self._transport, self._clock))


@asynccontextmanager
async def running(
    settings: Settings, *, base_url: str, worker: int = 1, siblings: Path | None = None
) -> AsyncGenerator[RunningGateway]:
    """A gateway from its settings, or the worker of this number (from 1) of one. Raises Fault or OSError for what keeps it from
    starting; then nothing is left open. `siblings` is where workers find each other (`bootstrap/siblings.py`)."""
    clock = SystemClock()
    metrics = Metrics()
    monitoring = settings.monitoring
    observer = CallObserver(metrics, level=monitoring.log_level, json=monitoring.log_format == "json")
    in_flight = InFlight(settings.gateway.calls_in_flight_max)
    async with AsyncExitStack() as stack:
        stack.callback(observer.flush)
        notices = LoggedNotices(NoticeQueue(new_id))
        stores = await stack.enter_async_context(open_stores(settings, clock, notices, worker=worker))
        simulator = WantedSimulator(stack)
        simulator_url = await simulator.url(settings)
        transport = transport_of(settings)
        stack.push_async_callback(transport.close)
        signing = Signing(transport, clock)
        catalog = catalog_of(settings)

        snapshot = await stores.directory.snapshot()
        masters = masters_for(settings, snapshot)
        keyring = await keyring_of(settings, stores.directory, clock, masters=masters, snapshot=snapshot)
        access = Access(snapshot, default_limits(settings))
        stores.failure_modes.of = access.fallback_daily_limit
        rebuild = Rebuild(settings, simulator_url, signing)
        stored = StoredCredentials(access.provider_key, keyring, clock, rebuild)
        sender = ProviderSender(
            transport, CODECS, endpoints(settings, simulator_url=simulator_url, signing=signing), stored
        )

        subscriptions = Subscriptions(access.organization, snapshot.webhooks.values())

        expiry = KeyExpiry(
            lambda key_id: office.register.known.held_key(key_id), notices, clock, settings.tenant.tenant_id
        )

        def changed(entity: Entity) -> None:
            access.apply(entity)
            if isinstance(entity, Webhook):
                subscriptions.apply(entity)
            if isinstance(entity, ProviderKey):
                stored.drop_changed()
            if isinstance(entity, ApiKey):
                expiry.changed(entity)

        tell_of = key_teller(notices, clock, tenant_id=settings.tenant.tenant_id)
        office = office_of(
            stores.directory,
            clock=clock,
            ids=new_id,
            random_bytes=secrets.token_bytes,
            tenant_id=settings.tenant.tenant_id,
            on_change=changed,
            on_put=tell_of,
        )
        office.register.begin_with(snapshot)
        expiry.begin_with(keys_that_end(snapshot.keys))
        del snapshot  # with 100,000 keys its dictionaries alone are 20 MB
        known, greeting = await known_credentials(
            settings, office, base_url=base_url, has_vault=not stores.directory_standing().degraded
        )
        catching_up = partial(follow, office.register.catch_up, clock)
        following = asyncio.create_task(kept_going("identities", catching_up, clock))
        stack.callback(following.cancel)

        def changed_by_itself(key: ProviderKey) -> None:
            before = access.provider_key(key.provider_key_id)
            changed(key)
            tell_of([Put(key, before, key.org_id)])

        keeps = partial(
            keep_provider_keys, access.provider_keys, stored.taken, stores.directory, changed_by_itself, clock
        )
        keeping = asyncio.create_task(kept_going("provider keys", keeps, clock))
        stack.callback(keeping.cancel)

        watched = watched_of(office.register, access, lambda: rebuild.settings)
        told = await stack.enter_async_context(
            telling(
                settings,
                stores,
                notices,
                subscriptions,
                WebhookSigning(masters, keyring, clock),
                clock,
                watched,
                expiry,
            )
        )
        issuers = Issuers(settings.security.oidc, transport, clock)
        sign_in = SignIn(issuers, DirectoryPeople(office), access, clock)
        authenticate = Authenticate(access, clock, sign_in)
        limits = settings.limits
        route = Route(catalog, limits.output_tokens_max, limits.on_insufficient, limits.on_exhausted)
        drains = Drains(drain_bounds(settings))
        exchange = Exchange(
            authenticate,
            Admit(stores.rates, told.thresholds),
            Record(stores.journal, observer, clock, told.thresholds),
            route,
            Reserve(stores.ledger, stores.journal, clock),
            Call(sender, clock, random.random, redact, drains),
        )
        account = Account(
            authenticate,
            catalog,
            stores.ledger,
            stores.requests,
            stores.history,
            observer,
            clock,
            new_id,
            lambda: in_flight.draining,
            __version__,
        )
        metrics.watch(
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
        admin = create_admin(
            _admin_deps(
                settings,
                stores,
                clock,
                access,
                known.admin_key,
                in_flight,
                sign_in,
                keyring=keyring,
                rebuild=rebuild,
                changed=changed,
                told=told,
            ),
            office.register,
        )
        bounds = Bounds(settings.gateway.body_bytes_max, settings.gateway.body_timeout_s, settings.gateway.heartbeat_s)
        generate = {
            path: Generate(ingress, exchange, observer, clock, new_id, bounds, in_flight)
            for ingress in INGRESS.values()
            for path in ingress.paths
        }
        relay = Generate(
            Relay(lambda: sender.endpoints),
            exchange,
            observer,
            clock,
            new_id,
            bounds,
            in_flight,
        )
        scraped: Render = partial(asyncio.to_thread, metrics.render)
        if siblings is not None:
            scraped = await stack.enter_async_context(shown_to_siblings(siblings, worker, metrics.render))
        named = {_around_model(path): {"POST": handler} for path, handler in generate.items() if "{model}" in path}
        live = LiveStream(
            authenticate,
            told.live,
            observer,
            new_id,
            lambda: in_flight.draining,
            settings.gateway.heartbeat_s,
            (SQLAlchemyError,),
        )
        health = Health(lambda: not in_flight.draining, scraped if monitoring.prometheus else None, __version__)

        def described() -> bytes:
            return msgspec.json.encode(document(admin.openapi(), version=__version__))

        app = Gateway(
            exact={path: {"POST": handler} for path, handler in generate.items()}
            | {path: {"GET": handler} for path, handler in _reading(account, health, live).items()}
            | {path: {"GET": page} for path, page in pages(described).items()},
            below={
                "/v1/models/": {"GET": account.model},
                "/v1beta/models/": {"GET": account.google_model},
                "/v1/requests/": {"GET": account.request},
                RELAY_PATH: dict.fromkeys(_RELAYED, relay),
            },
            admin=admin,
            within=named,
        )
        yield RunningGateway(
            app,
            greeting,
            in_flight,
            sender,
            signing,
            route,
            account,
            access,
            sign_in,
            transport,
            clock,
            simulator,
            drains,
            rebuild,
            keyring,
        )


def _reading(account: Account, health: Health, live: LiveStream) -> dict[str, App]:
    return {
        "/v1/models": account.models,
        "/v1/ai/models": account.models,
        "/api/v1/ai/health": account.health,
        "/v1beta/models": account.google_models,
        "/v1/usage": account.usage,
        "/v1/requests": account.request_list,
        LIVE_PATH: live,
        "/health": health.live,
        "/livez": health.live,
        "/health/liveliness": health.live,
        "/readyz": health.readiness,
        "/health/readiness": health.readiness,
        "/metrics": health.scrape,
    }


def _around_model(path: str) -> tuple[str, str]:
    """What comes before and after the model's name in a path."""
    before, _, after = path.partition("{model}")
    return before, after


def _admin_deps(
    settings: Settings,
    stores: Stores,
    clock: SystemClock,
    access: Access,
    admin_key: str,
    in_flight: InFlight,
    sign_in: SignIn,
    *,
    keyring: Keyring,
    rebuild: Rebuild,
    changed: Callable[[Entity], None],
    told: Telling,
) -> AdminDeps:
    async def vault() -> AdminHealth:
        behind = f"{stores.loader.lag_s:.1f} s behind the journal"
        return AdminHealth(not stores.loader.last_error, stores.loader.last_error or behind)

    async def journal() -> AdminHealth:
        status = stores.journal_status()
        if status.deferred:
            return AdminHealth(False, f"{status.deferred} settlements wait for the disk ({status.last_error})")
        return AdminHealth(True, f"{status.bytes_on_disk} bytes on disk, {status.holds_open} holds open")

    async def calls() -> AdminHealth:
        return AdminHealth(not in_flight.draining, f"{in_flight.calls} of {in_flight.calls_max} calls in flight")

    async def ledger() -> AdminHealth:
        found = await stores.ledger_health()
        return AdminHealth(found.ok, found.detail)

    async def directory() -> AdminHealth:
        standing = stores.directory_standing()
        return AdminHealth(not standing.degraded, standing.detail)

    return AdminDeps(
        directory=stores.directory,
        change_log=stores.change_log,
        answers=stores.answers,
        ledger=stores.ledger,
        rates=stores.rates,
        journal=stores.journal,
        requests=stores.requests,
        clock=clock,
        ids=new_id,
        random_bytes=secrets.token_bytes,
        admin_key_sha256s=(hashlib.sha256(admin_key.encode()).digest(),),
        admin_key=access.admin_key,
        sign_in=sign_in,
        on_change=changed,
        sealer=keyring,
        providers=rebuild.entries,
        status_of=status_of,
        health={"ledger": ledger, "vault": vault, "directory": directory, "journal": journal, "calls": calls},
        defaults=lambda: access.defaults,
        tenant_id=settings.tenant.tenant_id,
        time_zone=settings.tenant.time_zone,
        version=__version__,
        check_webhook=told.poster.check,
        webhook_secret=told.signing.secret_text,
        notices=stores.notices,
        deliveries=stores.deliveries,
        store_failures=(SQLAlchemyError,),
    )
