"""How business keys become hash keys: SHA-256 over length-prefixed, NFC-normalised parts, with no case folding."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from unicodedata import normalize

GHOST_KEY = bytes(32)
"""The hash key of the ghost row: what a link or hub points to when there is nothing to point to."""


def hash_key(*parts: str) -> bytes:
    """The 32 bytes that stand for a business key. Each part is preceded by its length in four bytes, so that
    `("ab", "c")` and `("a", "bc")` differ; ids are opaque, so their case is kept."""
    return sha256(b"".join(map(_prefixed, parts))).digest()


cached_hash_key = lru_cache(maxsize=65_536)(hash_key)
"""For keys that come back with every call (organizations, users, keys, providers); not for those seen once."""


def hash_diff(*parts: str | int | bool | None) -> bytes:
    """A digest of a satellite's descriptive columns: two rows with the same one say the same. None differs from ""."""
    return sha256(b"".join(b"\xff\xff\xff\xff" if part is None else _prefixed(str(part)) for part in parts)).digest()


def _prefixed(part: str) -> bytes:
    data = (part if part.isascii() else normalize("NFC", part)).encode()
    return len(data).to_bytes(4, "big") + data
