"""Writes down what becomes of provider keys by itself: that one has expired, and on which day its provider last took it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from onevault.core.directory import Change, Directory
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ProviderKey, Status
from onevault.core.ports import Clock

ACTOR: Final = "gateway"
INTERVAL_S: Final = 1.0
VALIDATED_AGAIN_MS: Final = 24 * 3600 * 1000

Taken = Mapping[str, tuple[ProviderKey, int]]
"""By id: the key as it was when its provider last took it, and when, in milliseconds."""


async def keep_provider_keys(
    known: Callable[[], Collection[ProviderKey]],
    taken: Taken,
    directory: Directory,
    told: Callable[[ProviderKey], None],
    clock: Clock,
) -> None:
    """Looks forever. Where another process was quicker, its change stands. Raises what a store raises that does not answer."""
    while True:
        await clock.sleep(INTERVAL_S)
        now_ms = clock.wall_ns() // 1_000_000
        changed = [after for key in known() if (after := next_state(key, taken.get(key.provider_key_id), now_ms))]
        for key in changed:
            try:
                await directory.put(Change(ACTOR, "", key))
            except Fault as fault:
                if fault.kind is not FaultKind.CONFLICT:
                    raise
            else:
                told(key)


def next_state(key: ProviderKey, taken: tuple[ProviderKey, int] | None, now_ms: int) -> ProviderKey | None:
    """The key as it is to be from now on; None where nothing has become of it. That a key was taken counts only for the very
    credential that was sent."""
    if key.status is not Status.ACTIVE:
        return None
    if key.expires_at_ms is not None and key.expires_at_ms <= now_ms:
        return msgspec.structs.replace(key, status=Status.EXPIRED, version=key.version + 1)
    if taken is None or taken[0].sealed != key.sealed:
        return None
    at_ms, before_ms = taken[1], key.last_validated_ms
    if before_ms is not None and at_ms - before_ms < VALIDATED_AGAIN_MS:
        return None
    return msgspec.structs.replace(key, last_validated_ms=at_ms, version=key.version + 1)
