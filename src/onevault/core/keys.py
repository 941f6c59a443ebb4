"""How keys are spelled, recognised and compared: the text of an API key, its SHA-256, and the prefix that people see."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

LIVE_PREFIX = "gw_live_"
TEST_PREFIX = "gw_test_"
ADMIN_PREFIX = "gw_admin_"
SECRET_CHARACTERS = 40
"""Random characters of a new key: 238 bits. Presented keys may have 32 to 64, so that the length can change."""
RANDOM_BYTES_PER_KEY = 128
"""Three in a hundred bytes are thrown away to keep the rest unbiased; this many never run short in practice."""
ADMIN_KEY_CHARACTERS_MAX = 512

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNBIASED_BELOW = 256 - 256 % len(_ALPHABET)
_SHOWN_CHARACTERS = 4
_KEY = re.compile(r"gw_(?:live|test)_[0-9A-Za-z]{32,64}")
_ADMIN_KEY = re.compile(r"gw_admin_[0-9A-Za-z]{32,64}")


def key_text(random_bytes: bytes, *, test: bool) -> str:
    """A new key from `RANDOM_BYTES_PER_KEY` bytes of a cryptographic source; every character equally likely.

    Raises ValueError where fewer than `SECRET_CHARACTERS` of the bytes can be used.
    """
    return (TEST_PREFIX if test else LIVE_PREFIX) + _secret(random_bytes)


def admin_key_text(random_bytes: bytes) -> str:
    """A new admin key, as `key_text`. It is spelled otherwise, so that neither is ever taken for the other."""
    return ADMIN_PREFIX + _secret(random_bytes)


def _secret(random_bytes: bytes) -> str:
    secret = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in random_bytes if byte < _UNBIASED_BELOW)
    if len(secret) < SECRET_CHARACTERS:
        raise ValueError("too few random bytes for a key")
    return secret[:SECRET_CHARACTERS]


def is_key_text(presented: str) -> bool:
    """Whether a text is spelled like an API key of ours; nothing else is ever hashed or looked up."""
    return _KEY.fullmatch(presented) is not None


def is_admin_key_text(presented: str) -> bool:
    """Whether a text is spelled like an admin key that was made here."""
    return _ADMIN_KEY.fullmatch(presented) is not None


def key_sha256(text: str) -> bytes:
    """What is stored of a key. A plain hash serves: the text is random, there is nothing to guess."""
    return hashlib.sha256(text.encode()).digest()


def key_prefix(text: str) -> str:
    """The start of a key by which people tell keys apart; it leaves 214 random bits unsaid."""
    return text[: text.rindex("_") + 1 + _SHOWN_CHARACTERS]


def is_admin_key(presented: str, sha256s: Iterable[bytes]) -> bool:
    """Whether a text is one of the admin keys, compared in constant time against every one of them.

    API keys are never admin keys, whatever is configured. Texts of any length and any characters may be presented.
    """
    if len(presented) > ADMIN_KEY_CHARACTERS_MAX or is_key_text(presented):
        return False
    digest = hashlib.sha256(presented.encode(errors="surrogatepass")).digest()
    found = False
    for expected in sha256s:
        found |= hmac.compare_digest(digest, expected)
    return found
