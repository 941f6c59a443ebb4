"""Follows changes that other processes made to organizations, users and keys, within a second."""

from __future__ import annotations

from collections.abc import Callable

from onevault.core.ports import Clock, Directory, Snapshot

INTERVAL_S = 0.3


async def follow(directory: Directory, apply: Callable[[Snapshot], None], clock: Clock, *, version: int) -> None:
    """Polls the directory's version forever and hands over a new snapshot after each change. `version` is the one applied.

    Raises what a store raises that does not answer; the identities stay as they are until it is begun again.
    """
    while True:
        await clock.sleep(INTERVAL_S)
        if await directory.version() != version:
            snapshot = await directory.snapshot()
            apply(snapshot)
            version = snapshot.version
