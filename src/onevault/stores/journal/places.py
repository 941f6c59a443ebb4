"""Which journals a data directory has, whose they are, and which nobody has: one process writes one journal.

The journal of a gateway that is one process is `journal/`; the workers of one that is several have `journal/worker-1/` and so on.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from onevault.core.faults import Fault, FaultKind

MAIN: Final = "journal"
WORKERS_MAX: Final = 64
_HOST_FILE: Final = "host"
_HOST: Final = re.compile(r"[0-9a-f]{16}")
_WORKER: Final = re.compile(r"worker-(\d{1,2})")


class Place(msgspec.Struct, frozen=True):
    """A journal. `name` is what the vault knows it by: unique among all hosts that share the vault."""

    name: str
    directory: Path


def main_place(data_directory: Path, *, has_own_vault: bool = True) -> Place:
    """The journal of a gateway that is one process. A vault of its own knows it as `journal`; one that other hosts may share knows
    whose it is. Raises OSError where the host's name cannot be kept."""
    return Place(MAIN if has_own_vault else f"{_host(data_directory)}/{MAIN}", data_directory / MAIN)


def worker_place(data_directory: Path, number: int) -> Place:
    """The journal of a worker, counted from 1. Raises OSError where the host's name cannot be kept."""
    return Place(f"{_host(data_directory)}/{number}", data_directory / MAIN / f"worker-{number}")


def places(data_directory: Path, *, has_own_vault: bool = True) -> list[Place]:
    """Every journal that there is, the main one first."""
    directory = data_directory / MAIN
    if not directory.is_dir():
        return []
    numbers = sorted(int(found[1]) for entry in directory.iterdir() if (found := _WORKER.fullmatch(entry.name)))
    main = main_place(data_directory, has_own_vault=has_own_vault)
    return [main, *(worker_place(data_directory, number) for number in numbers)]


@contextmanager
def taken(place: Place) -> Iterator[bool]:
    """Has the journal for as long as the block runs; False, and nothing is had, where another process has it.

    The lock is the operating system's and ends with the process, however that dies.
    Raises Fault STORE_UNAVAILABLE where the directory cannot be written.
    """
    try:
        place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(place.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"The journal {place.directory} cannot be used: {error.strerror}."
        raise Fault(FaultKind.STORE_UNAVAILABLE, message) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            yield True
    finally:
        os.close(file)


def _host(data_directory: Path) -> str:
    """What tells this data directory from those of other hosts; made once."""
    path = data_directory / _HOST_FILE
    try:
        found = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = ""
    if _HOST.fullmatch(found):
        return found
    made = secrets.token_hex(8)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(made + "\n", encoding="ascii")
    try:
        os.link(fresh, path)  # the first of several processes wins
    except FileExistsError:
        made = path.read_text(encoding="ascii").strip()
    finally:
        fresh.unlink()
    return made
