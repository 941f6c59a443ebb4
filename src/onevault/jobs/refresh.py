"""Follows changes that other processes made to organizations, users and keys, within a second."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from onevault.core.faults import Fault
from onevault.core.ports import Clock, Directory, Snapshot

INTERVAL_S = 0.3
_log = structlog.get_logger("onevault.identities")


async def follow(directory: Directory, apply: Callable[[Snapshot], None], clock: Clock, *, version: int) -> None:
    """Polls the directory's version forever and hands over a new snapshot after each change. `version` is the one applied.

    A store that does not answer leaves the identities as they are and is asked again.
    """
    failing = False
    while True:
        await clock.sleep(INTERVAL_S)
        try:
            newest = await directory.version()
            if newest != version:
                snapshot = await directory.snapshot()
                apply(snapshot)
                version = snapshot.version
            failing = False
        except Fault as fault:
            if not failing:
                _log.warning("identities are not followed", fault=fault.kind.value, message=fault.message)
            failing = True
