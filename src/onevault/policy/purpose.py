"""Derives from one key a key for each purpose, so that none is ever used for two things (RFC 5869, HKDF with SHA-256)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_ID_BYTES: Final = 8
_INFO: Final = b"onevault/1/"


class MasterKey(msgspec.Struct, frozen=True):
    """The key above all others, known by an id that says nothing of it. It encrypts nothing itself: only what is derived from
    it does."""

    key_id: str
    key: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.key_id})"


def master_key(text: str) -> MasterKey:
    """A master key as it is written: 32 bytes in base64, of either alphabet. Raises ValueError for anything else."""
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a master key is {KEY_BYTES} bytes in base64")
    return MasterKey(f"mk_{_derived(key, 'key-id', _ID_BYTES).hex()}", key)


def purpose_key(above: MasterKey | bytes, purpose: str) -> bytes:
    """The 32 bytes that serve one purpose alone (`data-key-wrapping`, `snapshot-signature`, …): always the same for the same key
    and purpose, and no way back. `above` is a master key, or 32 random bytes."""
    return _derived(above.key if isinstance(above, MasterKey) else above, purpose, KEY_BYTES)


def _derived(key: bytes, purpose: str, length: int) -> bytes:
    if len(key) != KEY_BYTES or not purpose:
        raise ValueError(f"keys are derived from {KEY_BYTES} bytes, for a purpose that has a name")
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=_INFO + purpose.encode()).derive(key)
