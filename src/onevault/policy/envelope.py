"""Seals a text for one place in the vault and opens it there again: AES-256-GCM in an envelope that names the key it is under.

    1 byte    the format, 1
    1 byte    how long the key's id is
    n bytes   the key's id, ASCII
    12 bytes  a random nonce
    the rest  the ciphertext and its tag of 16 bytes

What comes before the nonce is authenticated together with the place (table, row, column), so an envelope that is moved to another
row, another column or under another key's name does not open. The key that encrypts is derived for the table and column
(`purpose.py`), so two columns never share one. A tenant's data key seals what is kept; a master key seals the data keys.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onevault.core.secret_places import Place
from onevault.policy.purpose import purpose_key

FORMAT: Final = 1
NONCE_BYTES: Final = 12
"""Random, as NIST SP 800-38D allows for up to 2**32 texts under one key: no vault holds so many."""
TAG_BYTES: Final = 16
_HEAD_BYTES: Final = 2
_KEY_ID_BYTES_MAX: Final = 100


class Unreadable(Exception):
    """An envelope that does not open: another key, another place, or changed bytes. The message tells no more."""


def seal(key: bytes, text: bytes, place: Place, *, key_id: str, nonce: bytes) -> bytes:
    """The envelope of a text. `nonce` is NONCE_BYTES from a cryptographic source, never used before."""
    if len(nonce) != NONCE_BYTES or not 0 < len(key_id) <= _KEY_ID_BYTES_MAX:
        raise ValueError(f"an envelope needs {NONCE_BYTES} random bytes and the id of its key")
    head = bytes((FORMAT, len(key_id))) + key_id.encode("ascii")
    return head + nonce + AESGCM(_key_of(key, place)).encrypt(nonce, text, head + _named(place))


def unseal(key: bytes, envelope: bytes, place: Place) -> bytes:
    """The text of an envelope. Raises Unreadable."""
    start = _HEAD_BYTES + len(key_id_of(envelope))
    head, nonce, rest = envelope[:start], envelope[start : start + NONCE_BYTES], envelope[start + NONCE_BYTES :]
    try:
        return AESGCM(_key_of(key, place)).decrypt(nonce, rest, head + _named(place))
    except InvalidTag:
        raise Unreadable("the envelope was sealed with another key, for another place, or has been changed") from None


def key_id_of(envelope: bytes) -> str:
    """The id of the key that an envelope is under. Raises Unreadable for what is none."""
    if len(envelope) < _HEAD_BYTES or envelope[0] != FORMAT:
        raise Unreadable("not an envelope that this version knows")
    end = _HEAD_BYTES + envelope[1]
    if len(envelope) < end + NONCE_BYTES + TAG_BYTES:
        raise Unreadable("an envelope that was cut off")
    try:
        return envelope[_HEAD_BYTES:end].decode("ascii")
    except UnicodeDecodeError:
        raise Unreadable("not an envelope that this version knows") from None


def _key_of(key: bytes, place: Place) -> bytes:
    return purpose_key(key, f"seal:{place.table}.{place.column}")


def _named(place: Place) -> bytes:
    """Each part behind its length, so that no two places read the same."""
    parts = (place.table.encode(), place.row.encode(), place.column.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
