"""Follows changes that other processes made to organizations, users and keys, within a second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from onevault.core.ports import Clock

INTERVAL_S = 0.3


async def follow(catch_up: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Catches up forever with what has changed in the directory.

    Raises what a store raises that does not answer; the identities stay as they are until it is begun again.
    """
    while True:
        await clock.sleep(INTERVAL_S)
        await catch_up()
