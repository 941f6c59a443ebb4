"""Tells when the time of an API key is over."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from onevault.core.identity import ApiKey, Status
from onevault.core.ports import Clock, Notices
from onevault.policy.key_notices import expired_notice

INTERVAL_S: Final = 1.0
LOOKED_BACK_MS: Final = 24 * 3600 * 1000
"""What expired while nothing ran is told of for a day."""


@dataclass(slots=True)
class KeyExpiry:
    """`find` gives an API key as it is now, with its organization. Every process tells; the vault keeps it once."""

    find: Callable[[str], tuple[ApiKey, str | None] | None]
    notices: Notices
    clock: Clock
    tenant_id: str
    _next: list[tuple[int, str]] = field(default_factory=list)

    def begin_with(self, keys: Iterable[ApiKey]) -> None:
        """Takes over all keys that there are."""
        since_ms = self.clock.wall_ns() // 1_000_000 - LOOKED_BACK_MS
        for key in keys:
            if key.expires_at_ms is not None and key.expires_at_ms > since_ms:
                self.changed(key)

    def changed(self, key: ApiKey) -> None:
        """A key is new, or is not what it was."""
        if key.expires_at_ms is not None and key.status is Status.ACTIVE:
            heapq.heappush(self._next, (key.expires_at_ms, key.key_id))

    async def run(self) -> None:
        while True:
            self.look()
            await self.clock.sleep(INTERVAL_S)

    def look(self) -> None:
        """Tells of those whose time has come. One that was changed since it was put down here is there a second time."""
        now_ns = self.clock.wall_ns()
        while self._next and self._next[0][0] <= now_ns // 1_000_000:
            expires_at_ms, key_id = heapq.heappop(self._next)
            found = self.find(key_id)
            if found is None:
                continue
            key, org_id = found
            if key.status is Status.ACTIVE and key.expires_at_ms == expires_at_ms:
                at_ns = expires_at_ms * 1_000_000
                self.notices.tell(expired_notice(key, tenant_id=self.tenant_id, org_id=org_id, at_ns=at_ns))
