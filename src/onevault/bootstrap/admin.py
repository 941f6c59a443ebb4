"""Makes the admin API, and what it says of each component's health."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from onevault import __version__
from onevault.admin.app import create_admin
from onevault.admin.deps import AdminDeps, Health, HealthCheck
from onevault.api.errors import status_of
from onevault.api.generate import InFlight
from onevault.bootstrap.foundation import Foundation
from onevault.bootstrap.identities import Identities
from onevault.bootstrap.providers import Providers
from onevault.bootstrap.stores import Stores
from onevault.bootstrap.system import new_id
from onevault.pipeline.sign_in import SignIn
from onevault.upstream.webhooks import WebhookPoster


def admin_api(
    base: Foundation,
    providers: Providers,
    identities: Identities,
    *,
    sign_in: SignIn,
    poster: WebhookPoster,
    admin_key: str,
) -> FastAPI:
    """`admin_key` is the one that is configured or was made at the first start: its holder is an owner."""
    stores = base.stores
    access = identities.access
    deps = AdminDeps(
        directory=stores.directory,
        change_log=stores.change_log,
        answers=stores.answers,
        ledger=stores.ledger,
        rates=stores.rates,
        journal=stores.journal,
        requests=stores.requests,
        clock=base.clock,
        ids=new_id,
        random_bytes=secrets.token_bytes,
        admin_key_sha256s=(hashlib.sha256(admin_key.encode()).digest(),),
        admin_key=access.admin_key,
        sign_in=sign_in,
        on_change=identities.changed,
        sealer=identities.keyring,
        providers=providers.entries,
        status_of=status_of,
        health=_health(stores, base.in_flight),
        defaults=lambda: access.defaults,
        tenant_id=base.settings.tenant.tenant_id,
        time_zone=base.settings.tenant.time_zone,
        version=__version__,
        check_webhook=poster.check,
        webhook_secret=identities.signing.secret_text,
        notices=stores.notices,
        deliveries=stores.deliveries,
        store_failures=(SQLAlchemyError,),
    )
    return create_admin(deps, identities.office.register)


def _health(stores: Stores, in_flight: InFlight) -> Mapping[str, HealthCheck]:
    async def ledger() -> Health:
        found = await stores.ledger_health()
        return Health(found.ok, found.detail)

    async def vault() -> Health:
        behind = f"{stores.loader.lag_s:.1f} s behind the journal"
        return Health(not stores.loader.last_error, stores.loader.last_error or behind)

    async def directory() -> Health:
        standing = stores.directory_standing()
        return Health(not standing.degraded, standing.detail)

    async def journal() -> Health:
        status = stores.journal_status()
        if status.deferred:
            return Health(False, f"{status.deferred} settlements wait for the disk ({status.last_error})")
        return Health(True, f"{status.bytes_on_disk} bytes on disk, {status.holds_open} holds open")

    async def calls() -> Health:
        return Health(not in_flight.draining, f"{in_flight.calls} of {in_flight.calls_max} calls in flight")

    return {"ledger": ledger, "vault": vault, "directory": directory, "journal": journal, "calls": calls}
