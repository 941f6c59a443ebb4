"""Finds the master keys of an installation: given, kept in the data directory, or made there at the first start."""

from __future__ import annotations

import base64
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from onevault.bootstrap.system import new_id
from onevault.config.schema import Settings
from onevault.core.directory import Directory, Snapshot
from onevault.core.ports import Clock
from onevault.policy.purpose import KEY_BYTES, MasterKey, master_key
from onevault.stores.keys.keyring import Keyring, MasterKeyMissing
from onevault.stores.keys.masters import LocalMasterKeys

FILE_NAME: Final = "master.key"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def known_masters(settings: Settings) -> tuple[MasterKey, ...]:
    """The master keys that are known now, the one that wraps first: that of ONEVAULT_MASTER_KEY, then the one in the data
    directory, then those before. Raises OSError for a file that others may read or that holds none."""
    security = settings.security
    texts = [security.master_key] if security.master_key is not None else []
    found = [master_key(text.reveal()) for text in texts]
    kept = _kept(settings.gateway.data_dir / FILE_NAME)
    if kept is not None:
        found.append(kept)
    found += [master_key(text.reveal()) for text in security.master_key_previous]
    return tuple({master.key_id: master for master in found}.values())


def masters_for(settings: Settings, snapshot: Snapshot) -> tuple[MasterKey, ...]:
    """The known ones; where there are none and the vault has nothing that another had wrapped, a new one, kept with mode 0600."""
    found = known_masters(settings)
    if found or snapshot.data_keys:
        return found
    return (_made(settings.gateway.data_dir / FILE_NAME),)


async def keyring_of(
    settings: Settings, directory: Directory, clock: Clock, *, masters: tuple[MasterKey, ...], snapshot: Snapshot
) -> Keyring:
    """The keyring with every data key of the snapshot open. Raises OSError that names the master keys which are missing."""
    keyring = Keyring(
        directory,
        LocalMasterKeys(masters, secrets.token_bytes) if masters else None,
        clock,
        ids=new_id,
        random_bytes=secrets.token_bytes,
        tenant_id=settings.tenant.tenant_id,
    )
    try:
        await keyring.load(snapshot.data_keys, version=snapshot.version)
    except MasterKeyMissing as error:
        raise OSError(str(error)) from None
    return keyring


async def follow_masters(keyring: Keyring, settings: Settings) -> None:
    """Goes on with the master keys of a changed configuration. Raises OSError where they do not open what the vault holds; then
    the ones before stay."""
    masters = known_masters(settings)
    try:
        await keyring.use(LocalMasterKeys(masters, secrets.token_bytes) if masters else None)
    except MasterKeyMissing as error:
        raise OSError(str(error)) from None


def _kept(path: Path) -> MasterKey | None:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except ValueError:
        raise OSError(f"{path} does not hold a master key; restore it, or set ONEVAULT_MASTER_KEY") from None
    if mode & _OTHERS:
        raise OSError(f"{path} may be read by others: chmod 600 {path}")
    try:
        return master_key(text)
    except ValueError:
        raise OSError(f"{path} does not hold a master key; restore it, or set ONEVAULT_MASTER_KEY") from None


def _made(path: Path) -> MasterKey:
    """A new master key in its file; another process's where that was quicker. A crash leaves all of it or nothing."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    with suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    kept = _kept(path)
    if kept is None:
        raise OSError(f"{path} has vanished")
    return kept
