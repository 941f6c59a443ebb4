"""Keeps what the first start made – admin key, first API key – in `credentials.json`, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

FILE_NAME = "credentials.json"
_ADMIN_KEY_BYTES = 32


class Credentials(msgspec.Struct, frozen=True):
    """The document as it stands in the file."""

    base_url: str
    admin_key: str
    api_key: str


def read(data_dir: Path) -> Credentials | None:
    """What an earlier start kept; None where there is nothing, ValueError where it is not ours."""
    path = data_dir / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is not a credentials file ({error}); move it away to have a new one made") from None


def write(data_dir: Path, credentials: Credentials) -> Path:
    """Replaces the file as a whole, so that a crash leaves the old one or the new one."""
    path = data_dir / FILE_NAME
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(credentials), indent=2) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
    return path


def new_admin_key() -> str:
    return f"gw_admin_{secrets.token_urlsafe(_ADMIN_KEY_BYTES)}"
