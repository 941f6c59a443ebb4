"""Reads the key of a Google service account, whose JSON stands in the configuration or in a file that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from onevault.config.quantities import Refused
from onevault.config.schema import ServiceAccount
from onevault.config.secret import Secret

FILE_BYTES_MAX: Final = 64 << 10
EXPECTED: Final = "a service account's key as Google gives it: its JSON, or the path of its file"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class _Written(msgspec.Struct, frozen=True):
    """What the file holds, as far as it is needed (cloud.google.com/iam/docs/keys-create-delete)."""

    type: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""
    project_id: str | None = None


def service_account(written: str) -> ServiceAccount:
    """The account of a JSON text or of the file at a path. Raises Refused, which never quotes what it read."""
    text = written.strip()
    if not text.startswith("{"):
        text = _read(Path(text).expanduser())
    try:
        found = msgspec.json.decode(text, type=_Written)
    except msgspec.ValidationError as error:
        field = str(error).partition("`")[2].partition("`")[0]
        raise Refused(f"a service account's key without a good {field or 'content'}", EXPECTED) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused("not the JSON of a service account's key", EXPECTED) from None
    if found.type != "service_account":
        raise Refused("a credential of another type", 'one with "type": "service_account"')
    if not _is_signing_key(found.private_key):
        raise Refused("a service account's key whose private_key is no RSA key", EXPECTED)
    _check_address(found.token_uri)
    return ServiceAccount(
        client_email=found.client_email,
        private_key=Secret(found.private_key),
        private_key_id=found.private_key_id,
        token_uri=found.token_uri,
        project=found.project_id,
    )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise Refused("a file that is larger than 64 KiB", EXPECTED)
        return data.decode()
    except (OSError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise Refused(f"a file that cannot be read: {reason}", EXPECTED) from None


def _is_signing_key(pem: str) -> bool:
    try:
        return isinstance(load_pem_private_key(pem.encode(), password=None), RSAPrivateKey)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _check_address(token_uri: str) -> None:
    """The signed request for a token is worth as much as the token: it goes over TLS, or stays on this machine."""
    expected = "https://oauth2.googleapis.com/token, or another address with https"
    try:
        parts = urlsplit(token_uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Refused("a service account's key with a token_uri that is no URL", expected) from None
    local = parts.scheme == "http" and host in _LOOPBACK
    if not host or port == 0 or not (parts.scheme == "https" or local) or not token_uri.isascii() or parts.username:
        raise Refused("a service account's key with a token_uri that nobody can trust", expected)
