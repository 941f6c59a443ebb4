"""Keeps the newest state of the directory in a signed file, which serves a start while the vault is away."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from onevault.core.directory import Changes, Snapshot
from onevault.core.packed import KEYS, USERS, Packed, Record
from onevault.policy.purpose import MasterKey, purpose_key
from onevault.stores.snapshot.changed import with_changes

FILE_NAME: Final = "directory.snapshot"
PURPOSE: Final = "snapshot-signature"
_VERSION: Final = b"OVSNAP\x00\x02"
_SIGNATURE_BYTES: Final = hashlib.sha256().digest_size
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_NS: Final = 1_000_000_000
_AHEAD_MAX_NS: Final = 300 * _NS
"""Further apart than that no two clocks should be: a file from later would outlive its age."""


class SnapshotUnusable(Exception):
    """The file must not be served from; the message says why, and names no secret."""


class Kept(msgspec.Struct, frozen=True):
    """What is signed. `vault` is the vault's address without credentials; at `confirmed_ns` (wall time) it still said so."""

    tenant_id: str
    vault: str
    confirmed_ns: int
    snapshot: Snapshot


class _Held(msgspec.Struct, frozen=True):
    """Users or keys as they are in the file: packed, with the names of the fields that the version has which wrote it."""

    fields: tuple[str, ...]
    records: list[Record]


class _Body(msgspec.Struct, frozen=True):
    """What is written: `rest` has no users and no keys."""

    rest: Kept
    users: _Held
    keys: _Held


class SnapshotFile:
    """The file is: 8 bytes that name the format and its version, 32 bytes of HMAC-SHA256 over all the others, and a `_Body` in
    msgpack. Keys are in it as hashes and secrets as sealed, just as in the vault. Blocking: call it off the event loop.

    `masters` are the master keys known now, of which the first signs and any may have signed.
    """

    def __init__(
        self, data_directory: Path, *, masters: Callable[[], Sequence[MasterKey]], tenant_id: str, vault: str
    ) -> None:
        self.path = data_directory / FILE_NAME
        self._masters = masters
        self._tenant_id = tenant_id
        self._vault = vault

    def write(self, snapshot: Snapshot, *, confirmed_ns: int) -> bool:
        """Replaces the file as a whole, readable by its owner alone; False where there is no master key to sign with. Raises OSError."""
        masters = self._masters()
        if not masters:
            return False
        rest = msgspec.structs.replace(snapshot, users={}, keys={})
        body = msgspec.msgpack.encode(
            _Body(
                Kept(self._tenant_id, self._vault, confirmed_ns, rest),
                _Held(USERS.fields, list(USERS.records(snapshot.users))),
                _Held(KEYS.fields, list(KEYS.records(snapshot.keys))),
            )
        )
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(_VERSION + _signature(masters[0], body) + body)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self.path)
        return True

    def change(self, changes: Changes, *, since: int, confirmed_ns: int) -> bool:
        """As `write`, with what was changed after version `since` of the directory, which the file must have: raises SnapshotUnusable
        where it has another one or cannot be read."""
        kept = self.read(now_ns=confirmed_ns, age_max_s=math.inf)
        if kept.snapshot.version != since:
            raise SnapshotUnusable(f"{self.path} has version {kept.snapshot.version} of the directory, not {since}")
        return self.write(with_changes(kept.snapshot, changes), confirmed_ns=confirmed_ns)

    def read(self, *, now_ns: int, age_max_s: float) -> Kept:
        """Raises SnapshotUnusable for a file that is missing, changed, foreign, too old or of another version."""
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise SnapshotUnusable(f"{self.path} may be read by others: chmod 600 {self.path}")
                held = file.read()
        except FileNotFoundError:
            raise SnapshotUnusable(f"there is no snapshot of the directory ({self.path})") from None
        except OSError as error:
            raise SnapshotUnusable(f"{self.path} cannot be read ({error.strerror})") from None
        if not held.startswith(_VERSION):
            raise SnapshotUnusable(f"{self.path} is no snapshot of a version that is known here")
        begin = len(_VERSION) + _SIGNATURE_BYTES
        signature, body = held[len(_VERSION) : begin], held[begin:]
        if not any(hmac.compare_digest(signature, _signature(master, body)) for master in self._masters()):
            raise SnapshotUnusable(f"{self.path} was changed, or signed with a master key that is not known here")
        try:
            read = msgspec.msgpack.decode(body, type=_Body)
            users = Packed(USERS, USERS.repack(read.users.records, read.users.fields))
            keys = Packed(KEYS, KEYS.repack(read.keys.records, read.keys.fields))
        except (msgspec.MsgspecError, ValueError, TypeError):
            raise SnapshotUnusable(f"{self.path} was written by another version of the gateway") from None
        kept = read.rest
        if kept.tenant_id != self._tenant_id:
            raise SnapshotUnusable(f"{self.path} is of tenant {kept.tenant_id!r}, this gateway of {self._tenant_id!r}")
        if kept.vault != self._vault:
            raise SnapshotUnusable(f"{self.path} is of the vault {kept.vault}, not of {self._vault}")
        if kept.confirmed_ns - now_ns > _AHEAD_MAX_NS:
            raise SnapshotUnusable(f"{self.path} is from the future: the clock is wrong")
        if now_ns - kept.confirmed_ns > age_max_s * _NS:
            hours = (now_ns - kept.confirmed_ns) / _NS / 3600
            raise SnapshotUnusable(
                f"{self.path} is {hours:.1f} hours old, more than security.snapshot_max_age ({age_max_s / 3600:g} hours)"
            )
        return msgspec.structs.replace(kept, snapshot=msgspec.structs.replace(kept.snapshot, users=users, keys=keys))


def _signature(master: MasterKey, body: bytes) -> bytes:
    return hmac.digest(purpose_key(master, PURPOSE), _VERSION + body, "sha256")
