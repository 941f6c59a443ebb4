"""Wraps data keys with the master keys that this process was given: the local implementation of a key service."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onevault.core.secret_places import Place
from onevault.policy.envelope import NONCE_BYTES, Unreadable, key_id_of, seal, unseal
from onevault.policy.purpose import MasterKey

_TABLE, _COLUMN = "gateway.data_key_s", "wrapped"


class LocalMasterKeys:
    """Implements `ports.KeyService` with master keys in memory. The first of them wraps; all of them unwrap what they wrapped,
    so a master key can be replaced while gateways run that know both."""

    def __init__(self, masters: Sequence[MasterKey], random_bytes: Callable[[int], bytes]) -> None:
        """Raises ValueError without any."""
        if not masters:
            raise ValueError("a master key is needed")
        self._masters = {master.key_id: master for master in masters}
        self._random_bytes = random_bytes
        self.current_id = masters[0].key_id

    def knows(self, key_id: str) -> bool:
        return key_id in self._masters

    async def wrap(self, data_key: bytes, data_key_id: str) -> bytes:
        place, nonce = Place(_TABLE, data_key_id, _COLUMN), self._random_bytes(NONCE_BYTES)
        master = self._masters[self.current_id]
        return seal(master.key, data_key, place, key_id=master.key_id, nonce=nonce)

    async def unwrap(self, wrapped: bytes, data_key_id: str) -> bytes:
        key_id = key_id_of(wrapped)
        master = self._masters.get(key_id)
        if master is None:
            raise Unreadable(f"it is wrapped with the master key {key_id}, which is not known here")
        return unseal(master.key, wrapped, Place(_TABLE, data_key_id, _COLUMN))
