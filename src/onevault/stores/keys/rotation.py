"""Wraps every data key with the current master key, and on request seals everything anew with a new data key; may die at any point."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from onevault.core.directory import Change, Directory, Entity
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import DataKey, ProviderKey, Status, Webhook
from onevault.core.secret_places import Place, webhook_secret
from onevault.policy.envelope import key_id_of
from onevault.stores.keys.keyring import Keyring, newest_of

ACTOR: Final = "migrate rotate-keys"
TRIES_MAX: Final = 20
TABLE, COLUMN = "gateway.customer_provider_keys_s", "api_key_encrypted"

Next = Callable[[], Awaitable[DataKey | ProviderKey | Webhook | None]]
"""The next state of one entity; None where nothing is left to do."""
MainSecret = Callable[[bytes], bytes]
"""What of a sealed credential its fingerprint is of."""


class Rotated(msgspec.Struct, kw_only=True):
    """What a rotation did. Run again it does only what is left to do."""

    master_key_id: str
    data_keys_rewrapped: int = 0
    data_keys_made: int = 0
    data_keys_retired: int = 0
    provider_keys_resealed: int = 0
    webhooks_resealed: int = 0
    provider_keys_renamed: int = 0
    """Whose `encryption_key_id` now names the current master key."""


class Rotation:
    """Each step is one change of the directory, so a gateway that runs meanwhile reads the old state or the new one, and both
    open. Nothing is retired before everything is sealed anew; nothing is ever deleted."""

    def __init__(
        self, directory: Directory, keyring: Keyring, main_secret: MainSecret, *, tenant_id: str, current_id: str
    ) -> None:
        self._main_secret = main_secret
        self._directory = directory
        self._keyring = keyring
        self._tenant_id = tenant_id
        self._current_id = current_id
        self._data_keys: dict[str, DataKey] = {}
        self._provider_keys: dict[str, ProviderKey] = {}
        self._webhooks: dict[str, Webhook] = {}
        self._version = 0

    async def run(self, *, data_keys: bool) -> Rotated:
        """Raises `keyring.MasterKeyMissing` before anything is done where a data key does not open."""
        done = Rotated(master_key_id=self._current_id)
        snapshot = await self._directory.snapshot()
        await self._keyring.load(snapshot.data_keys, version=snapshot.version)
        self._data_keys, self._provider_keys = dict(snapshot.data_keys), dict(snapshot.provider_keys)
        self._webhooks = dict(snapshot.webhooks)
        self._version = snapshot.version
        await self._rewrap(done)
        if data_keys:
            await self._make(done)
        for _ in range(2):  # once more for what was made meanwhile
            await self._reseal(done, anew=data_keys)
            if data_keys:
                await self._reseal_webhooks(done)
            await self._catch_up()
        if data_keys:
            await self._retire(done)
        return done

    async def _rewrap(self, done: Rotated) -> None:
        """Retired ones too: what an older row or backup holds still opens with the new master key alone."""
        for data_key_id in list(self._data_keys):

            async def next_of(data_key_id: str = data_key_id) -> DataKey | None:
                data_key = self._data_keys[data_key_id]
                if data_key.encryption_key_id == self._current_id:
                    return None
                return await self._keyring.rewrapped(data_key)

            done.data_keys_rewrapped += await self._changed(next_of)

    async def _make(self, done: Rotated) -> None:
        """A rotation that died left two active data keys: it goes on with the newer one."""
        active = [key for key in self._data_keys.values() if key.status is Status.ACTIVE]
        if len(active) == 1:
            await self._keyring.make()
            await self._catch_up()
            done.data_keys_made += 1

    async def _reseal(self, done: Rotated, *, anew: bool) -> None:
        for provider_key_id in list(self._provider_keys):
            resealed = False

            async def next_of(key_id: str = provider_key_id) -> ProviderKey | None:
                nonlocal resealed
                key = self._provider_keys[key_id]
                newest = newest_of(self._data_keys, self._tenant_id)
                resealed = anew and newest is not None and key_id_of(key.sealed) != newest.data_key_id
                if resealed:
                    key = await self._sealed_anew(key)
                elif key.encryption_key_id == self._current_id:
                    return None
                return msgspec.structs.replace(key, encryption_key_id=self._current_id, version=key.version + 1)

            changed = await self._changed(next_of)
            if resealed:
                done.provider_keys_resealed += changed
            else:
                done.provider_keys_renamed += changed

    async def _reseal_webhooks(self, done: Rotated) -> None:
        for webhook_id in list(self._webhooks):

            async def next_of(webhook_id: str = webhook_id) -> Webhook | None:
                webhook = self._webhooks[webhook_id]
                newest = newest_of(self._data_keys, self._tenant_id)
                previous = webhook.previous_sealed
                # The one before may be older than the data key that the present one was sealed with.
                under = {key_id_of(sealed) for sealed in (webhook.sealed, previous) if sealed}
                if newest is None or under <= {newest.data_key_id}:
                    return None
                return msgspec.structs.replace(
                    webhook,
                    sealed=await self._secret_anew(webhook_id, webhook.sealed),
                    previous_sealed=None if previous is None else await self._secret_anew(webhook_id, previous),
                    version=webhook.version + 1,
                )

            done.webhooks_resealed += await self._changed(next_of)

    async def _secret_anew(self, webhook_id: str, sealed: bytes) -> bytes:
        place = webhook_secret(webhook_id)
        return (await self._keyring.seal(await self._keyring.open(sealed, place), place)).envelope

    async def _sealed_anew(self, key: ProviderKey) -> ProviderKey:
        place = Place(TABLE, key.provider_key_id, COLUMN)
        text = await self._keyring.open(key.sealed, place)
        sealed = await self._keyring.seal(text, place)
        return msgspec.structs.replace(
            key,
            sealed=sealed.envelope,
            fingerprint=await self._keyring.fingerprint(self._main_secret(text), "provider-key"),
        )

    async def _retire(self, done: Rotated) -> None:
        newest = newest_of(self._data_keys, self._tenant_id)
        for data_key_id, data_key in list(self._data_keys.items()):
            if newest is None or data_key_id == newest.data_key_id or data_key.status is not Status.ACTIVE:
                continue

            async def next_of(data_key_id: str = data_key_id) -> DataKey | None:
                data_key = self._data_keys[data_key_id]
                if data_key.status is not Status.ACTIVE:
                    return None
                return msgspec.structs.replace(data_key, status=Status.REVOKED, version=data_key.version + 1)

            done.data_keys_retired += await self._changed(next_of)

    async def _changed(self, next_of: Next) -> int:
        """Makes one change, on what somebody else made of the entity meanwhile if need be. How many changes it took: 0 or 1."""
        for _ in range(TRIES_MAX):
            entity = await next_of()
            if entity is None:
                return 0
            try:
                await self._directory.put(Change(ACTOR, "", entity))
            except Fault as fault:
                if fault.kind is not FaultKind.CONFLICT or fault.param != "version":
                    raise
                await self._catch_up()
            else:
                self._learn(entity)
                return 1
        raise Fault(FaultKind.CONFLICT, "Somebody else keeps changing the same key; run it again.")

    async def _catch_up(self) -> None:
        changes = await self._directory.changes(self._version)
        for entity in changes.entities:
            self._learn(entity)
        self._version = changes.version

    def _learn(self, entity: Entity) -> None:
        if isinstance(entity, DataKey):
            self._data_keys[entity.data_key_id] = entity
        elif isinstance(entity, ProviderKey):
            self._provider_keys[entity.provider_key_id] = entity
        elif isinstance(entity, Webhook):
            self._webhooks[entity.webhook_id] = entity
