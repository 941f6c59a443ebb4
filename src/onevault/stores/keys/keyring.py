"""Seals and opens the secrets of a tenant with its data keys, which live wrapped in the directory and unwrapped here alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping

import msgspec

from onevault.core.directory import Change, Directory
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import DataKey, Status
from onevault.core.ports import Clock, IdSource, KeyService, Sealed
from onevault.core.secret_places import Place
from onevault.policy.envelope import NONCE_BYTES, Unreadable, key_id_of, seal, unseal
from onevault.policy.purpose import KEY_BYTES, purpose_key

ACTOR = "keyring"


class MasterKeyMissing(Exception):
    """There are data keys that no known master key opens: to go on would look as if the secrets were lost."""


class Keyring:
    """Implements `ports.Sealer`. The first text that is sealed makes the tenant's data key.

    `keys` None: no master key is known; then nothing can be sealed, and there must be nothing to open. The directory is asked
    only for data keys that are not in memory yet, so what was opened once opens while the vault is away.
    """

    def __init__(
        self,
        directory: Directory,
        keys: KeyService | None,
        clock: Clock,
        *,
        ids: IdSource,
        random_bytes: Callable[[int], bytes],
        tenant_id: str,
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._clock = clock
        self._ids = ids
        self._random_bytes = random_bytes
        self._tenant_id = tenant_id
        self._unwrapped: dict[str, bytes] = {}
        self._wrapped: dict[str, DataKey] = {}
        self._version = 0
        self._making = asyncio.Lock()

    async def load(self, data_keys: Mapping[str, DataKey], *, version: int) -> None:
        """Takes over and unwraps all that the directory had at this version. Raises MasterKeyMissing that names the master keys
        which are needed, or the data keys that do not open; then nothing is changed."""
        missing: dict[str, int] = {}
        broken: list[str] = []
        for data_key in data_keys.values():
            if self._keys is None or not self._keys.knows(data_key.encryption_key_id):
                missing[data_key.encryption_key_id] = missing.get(data_key.encryption_key_id, 0) + 1
                continue
            try:
                await self._unwrap(data_key)
            except Unreadable:
                broken.append(data_key.data_key_id)
        if missing:
            needed = ", ".join(f"{key_id} ({count} data keys)" for key_id, count in sorted(missing.items()))
            known = f"the one given is {self._keys.current_id}" if self._keys is not None else "none is given"
            raise MasterKeyMissing(
                f"the vault's data keys are wrapped with a master key that is not known here: {needed}; {known}. "
                "Set ONEVAULT_MASTER_KEY to it, or name it in ONEVAULT_MASTER_KEY_PREVIOUS. Nothing was changed."
            )
        if broken:
            raise MasterKeyMissing(
                f"data keys that do not open although their master key is known: {', '.join(sorted(broken))}. "
                "The vault was changed or damaged: restore it from a backup. Nothing was changed."
            )
        self._wrapped, self._version = dict(data_keys), version

    async def use(self, keys: KeyService | None) -> None:
        """Goes on with other master keys. Raises MasterKeyMissing where they do not open every data key; then nothing changes."""
        tried = Keyring(
            self._directory,
            keys,
            self._clock,
            ids=self._ids,
            random_bytes=self._random_bytes,
            tenant_id=self._tenant_id,
        )
        await tried.load(await self._data_keys(), version=self._version)
        self._keys, self._unwrapped = keys, tried._unwrapped

    async def seal(self, text: bytes, place: Place) -> Sealed:
        """As `ports.Sealer.seal`."""
        data_key = await self._newest()
        key = await self._unwrap(data_key)
        envelope = seal(key, text, place, key_id=data_key.data_key_id, nonce=self._random_bytes(NONCE_BYTES))
        return Sealed(envelope, data_key.encryption_key_id)

    async def open(self, envelope: bytes, place: Place) -> bytes:
        """As `ports.Sealer.open`."""
        try:
            key_id = key_id_of(envelope)
            key = self._unwrapped.get(key_id) or await self._found(key_id)
            return unseal(key, envelope, place)
        except Unreadable as reason:
            raise Fault(FaultKind.STORE_UNAVAILABLE, f"A stored secret cannot be opened: {reason}.") from None

    async def fingerprint(self, text: bytes, purpose: str) -> str:
        """As `ports.Sealer.fingerprint`."""
        data_key = await self._newest()
        key = purpose_key(await self._unwrap(data_key), f"fingerprint:{purpose}")
        return fingerprint_with(key, text)

    async def _found(self, data_key_id: str) -> bytes:
        data_key = (await self._data_keys()).get(data_key_id)
        if data_key is None:
            raise Unreadable(f"its data key {data_key_id} is not in the vault")
        return await self._unwrap(data_key)

    async def _data_keys(self) -> dict[str, DataKey]:
        """Those in the directory now. The whole is read once, and then what has changed."""
        changes = await self._directory.changes(self._version)
        for entity in changes.entities:
            if isinstance(entity, DataKey):
                self._wrapped[entity.data_key_id] = entity
        self._version = changes.version
        return self._wrapped

    async def _unwrap(self, data_key: DataKey) -> bytes:
        key = self._unwrapped.get(data_key.data_key_id)
        if key is None:
            if self._keys is None:
                raise Unreadable("no master key is known")
            key = await self._keys.unwrap(data_key.wrapped, data_key.data_key_id)
            self._unwrapped[data_key.data_key_id] = key
        return key

    async def _newest(self) -> DataKey:
        """The data key that seals now, made if there is none. Raises Fault STORE_UNAVAILABLE without a master key."""
        async with self._making:
            found = newest_of(await self._data_keys(), self._tenant_id)
            return found if found is not None else await self.make()

    async def make(self) -> DataKey:
        """A new data key; from now on it seals."""
        if self._keys is None:
            message = "No master key is configured, so no secret can be kept: set ONEVAULT_MASTER_KEY to 32 random bytes in base64."
            raise Fault(FaultKind.STORE_UNAVAILABLE, message)
        key, data_key_id = self._random_bytes(KEY_BYTES), f"dk_{self._ids()}"
        data_key = DataKey(
            data_key_id=data_key_id,
            tenant_id=self._tenant_id,
            wrapped=await self._keys.wrap(key, data_key_id),
            encryption_key_id=self._keys.current_id,
            created_at_ms=self._clock.wall_ns() // 1_000_000,
        )
        await self._directory.put(Change(ACTOR, "", data_key))
        self._unwrapped[data_key_id] = key
        return data_key

    async def rewrapped(self, data_key: DataKey) -> DataKey:
        """The same data key as its next version, wrapped with the current master key."""
        if self._keys is None:
            raise Unreadable("no master key is known")
        key = await self._keys.unwrap(data_key.wrapped, data_key.data_key_id)
        return msgspec.structs.replace(
            data_key,
            wrapped=await self._keys.wrap(key, data_key.data_key_id),
            encryption_key_id=self._keys.current_id,
            version=data_key.version + 1,
        )


def newest_of(data_keys: Mapping[str, DataKey], tenant_id: str) -> DataKey | None:
    """The tenant's data key that seals: the newest that is not retired; of two made in the same moment always the same one."""
    active = [key for key in data_keys.values() if key.tenant_id == tenant_id and key.status is Status.ACTIVE]
    return max(active, key=lambda key: (key.created_at_ms, key.data_key_id), default=None)


def fingerprint_with(key: bytes, text: bytes) -> str:
    """By which equal texts are told without a guess being possible for who has not the key: 16 hexadecimal characters of an HMAC."""
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:16]
