"""Follows changes that other processes made to organizations, users and keys, within a second."""

from __future__ import annotations

from collections.abc import Callable

from onevault.core.ports import Clock, Directory, Entity

INTERVAL_S = 0.3
_PER_TURN = 200
"""Calls are served in between, however much was changed at once."""


async def follow(directory: Directory, apply: Callable[[Entity], None], clock: Clock, *, version: int) -> None:
    """Asks the directory forever what has changed and hands it over. `version` is the newest that is applied.

    Raises what a store raises that does not answer; the identities stay as they are until it is begun again.
    """
    while True:
        await clock.sleep(INTERVAL_S)
        changes = await directory.changes(version)
        for position, entity in enumerate(changes.entities, 1):
            apply(entity)
            if position % _PER_TURN == 0:
                await clock.sleep(0)
        version = changes.version
