"""Keeps a data directory to one process where the ledger is in its memory: two of them would each spend the whole budget."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onevault.core.faults import Fault, FaultKind


@contextmanager
def locked(directory: Path, *, shared: bool = False) -> Iterator[None]:
    """Holds `{directory}/lock` for as long as the block runs; creates the directory (0700) where it is missing. `shared`: beside
    others that share it, and beside nobody who does not.

    The lock is the operating system's: it ends with the process however that dies, and the file may stay.
    Raises Fault CONFLICT that names the process which has it, STORE_UNAVAILABLE where the directory cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Fault(
            FaultKind.STORE_UNAVAILABLE, f"The data directory {directory} cannot be used: {error.strerror}."
        ) from None
    try:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise Fault(
                FaultKind.CONFLICT,
                f"The data directory {directory} is in use by process {holder}. Without Redis one directory serves one process: "
                "stop the other, or give this one a directory of its own.",
            ) from None
        if not shared:
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)
