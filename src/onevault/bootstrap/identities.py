"""Opens who there is: organizations, users and keys in memory, the office that changes them, and who hears of each change."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from onevault.admin.office import Office, office_of
from onevault.admin.shelves import Shelves
from onevault.bootstrap.foundation import Foundation
from onevault.bootstrap.master_keys import keyring_of, masters_for
from onevault.bootstrap.notices import key_teller
from onevault.bootstrap.policies import default_limits
from onevault.bootstrap.providers import Providers
from onevault.bootstrap.system import new_id
from onevault.bootstrap.webhooks import WebhookSigning
from onevault.core.directory import Entity
from onevault.core.identity import ApiKey, ProviderKey, Webhook
from onevault.core.packed import keys_that_end
from onevault.jobs.key_expiry import KeyExpiry
from onevault.jobs.provider_keys import keep_provider_keys
from onevault.jobs.refresh import follow
from onevault.jobs.supervise import kept_going
from onevault.policy.access import Access
from onevault.policy.key_notices import Put
from onevault.policy.subscriptions import Subscriptions
from onevault.stores.keys.keyring import Keyring
from onevault.upstream.stored import StoredCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """`changed` takes over a change of the directory, whoever made it; `tell` tells of those that this process made."""

    access: Access
    office: Office
    keyring: Keyring
    credentials: StoredCredentials
    subscriptions: Subscriptions
    signing: WebhookSigning
    expiry: KeyExpiry
    changed: Callable[[Entity], None]
    tell: Callable[[Sequence[Put]], None]


async def open_identities(base: Foundation, providers: Providers) -> Identities:
    """As the directory has them now. Raises OSError where the master keys do not open what the vault holds."""
    settings, clock, directory = base.settings, base.clock, base.stores.directory
    tenant_id = settings.tenant.tenant_id
    # Nothing may keep it beyond this function: with 100,000 keys its dictionaries alone are 20 MB.
    snapshot = await directory.snapshot()
    masters = masters_for(settings, snapshot)
    keyring = await keyring_of(settings, directory, clock, masters=masters, snapshot=snapshot)
    access = Access(snapshot, default_limits(settings))
    base.stores.failure_modes.of = access.fallback_daily_limit
    credentials = StoredCredentials(access.provider_key, keyring, clock, providers.endpoint_with)
    subscriptions = Subscriptions(access.organization, snapshot.webhooks.values())
    shelves = Shelves()
    expiry = KeyExpiry(shelves.held_key, base.notices, clock, tenant_id)

    def changed(entity: Entity) -> None:
        access.apply(entity)
        if isinstance(entity, Webhook):
            subscriptions.apply(entity)
        if isinstance(entity, ProviderKey):
            credentials.drop_changed()
        if isinstance(entity, ApiKey):
            expiry.changed(entity)

    tell = key_teller(base.notices, clock, tenant_id=tenant_id)
    office = office_of(
        directory,
        clock=clock,
        ids=new_id,
        random_bytes=secrets.token_bytes,
        tenant_id=tenant_id,
        on_change=changed,
        on_put=tell,
        shelves=shelves,
    )
    office.register.begin_with(snapshot)
    expiry.begin_with(keys_that_end(snapshot.keys))
    return Identities(
        access=access,
        office=office,
        keyring=keyring,
        credentials=credentials,
        subscriptions=subscriptions,
        signing=WebhookSigning(masters, keyring, clock),
        expiry=expiry,
        changed=changed,
        tell=tell,
    )


@asynccontextmanager
async def kept_current(base: Foundation, identities: Identities) -> AsyncGenerator[None]:
    """Follows what other processes change, and writes down what becomes of provider keys by itself, until it is left."""
    access, credentials, clock = identities.access, identities.credentials, base.clock

    def changed_by_itself(key: ProviderKey) -> None:
        before = access.provider_key(key.provider_key_id)
        identities.changed(key)
        identities.tell([Put(key, before, key.org_id)])

    catching_up = partial(follow, identities.office.register.catch_up, clock)
    keeping = partial(
        keep_provider_keys, access.provider_keys, credentials.taken, base.stores.directory, changed_by_itself, clock
    )
    jobs = [
        asyncio.create_task(kept_going("identities", catching_up, clock)),
        asyncio.create_task(kept_going("provider keys", keeping, clock)),
    ]
    try:
        yield
    finally:
        for job in reversed(jobs):
            job.cancel()
