"""Reads new notices from the vault while somebody listens, once for all who do, and hands each those of its organization."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from onevault.core.delivery import Asked, Kept, NoticeStore
from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock

INTERVAL_S: Final = 0.25
PAGE_MAX: Final = 500
WAITING_MAX: Final = 1_000
"""For one listener. A slow one that more wait for is told to begin again where it was."""
BACKLOG_PAGE_MAX: Final = 100
LISTENERS_MAX: Final = 1_000
OF_ONE_ORGANIZATION_MAX: Final = 50


class _Listener:
    """Implements `core.live.Listener`. `since` is the number of the last that it had, where it wants what came after that first."""

    def __init__(self, notices: NoticeStore, asked: Asked, kinds: Collection[str] | None) -> None:
        self.asked = asked
        self.since: int | None = None
        self.is_behind = False
        self._notices = notices
        self._kinds = kinds
        self._had = 0
        self._waiting: deque[Kept] = deque()
        self._woken = asyncio.Event()

    def offer(self, kept: Kept) -> None:
        if kept.notice.org_id != self.asked.org_id or not self._wants(kept):
            return
        if len(self._waiting) >= WAITING_MAX:
            self.is_behind = True
        else:
            self._waiting.append(kept)
        self._woken.set()

    async def next(self, *, timeout_s: float) -> Sequence[Kept]:
        if self.since is not None:
            page = await self._notices.page(self.asked, after=self.since, limit=BACKLOG_PAGE_MAX, newest_first=False)
            if page:
                self.since = page[-1].number
                return [kept for kept in page if self._wants(kept)]
            self._had, self.since = self.since, None
        if not self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._woken.wait()
        self._woken.clear()
        found = [kept for kept in self._waiting if kept.number > self._had]
        self._waiting.clear()
        return found

    def _wants(self, kept: Kept) -> bool:
        return self._kinds is None or kept.notice.kind.value in self._kinds


@dataclass(slots=True)
class LiveEvents:
    """Implements `core.live.Live`. `_position` is the number up to which all was handed out; None while nobody listens."""

    notices: NoticeStore
    clock: Clock
    tenant_id: str
    _position: int | None = None
    _listeners: set[_Listener] = field(default_factory=set)

    @asynccontextmanager
    async def listening(
        self, org_id: str, *, kinds: Collection[str] | None, after: str | None
    ) -> AsyncGenerator[_Listener]:
        """As `core.live.Live.listening`."""
        if len(self._listeners) >= LISTENERS_MAX:
            raise Fault(FaultKind.OVERLOADED, "Too many listen to events here; try again later.", retry_after_s=10.0)
        if Counter(each.asked.org_id for each in self._listeners)[org_id] >= OF_ONE_ORGANIZATION_MAX:
            message = f"Your organization listens to events {OF_ONE_ORGANIZATION_MAX} times already."
            raise Fault(FaultKind.RATE_LIMITED, message, retry_after_s=10.0)
        listener = _Listener(self.notices, Asked(tenant_id=self.tenant_id, org_id=org_id), kinds)
        self._listeners.add(listener)
        try:
            newest = await self.notices.newest()
            if self._position is None:
                self._position = newest
            if after is not None:
                listener.since = await self._number(org_id, after)
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._position = None

    async def run(self) -> None:
        """Goes on forever; begun again, it goes on where it was. Raises what the store raises."""
        while True:
            more = await self.look()
            if not more:
                await self.clock.sleep(INTERVAL_S)

    async def look(self) -> bool:
        """Hands out what is new; whether there may be more."""
        position = self._position
        if position is None:
            return False
        asked = Asked(tenant_id=self.tenant_id)
        page = await self.notices.page(asked, after=position, limit=PAGE_MAX, newest_first=False)
        if not page or self._position != position:
            return False
        self._position = page[-1].number
        for kept in page:
            for listener in self._listeners:
                listener.offer(kept)
        return len(page) == PAGE_MAX

    async def _number(self, org_id: str, notice_id: str) -> int:
        asked = Asked(tenant_id=self.tenant_id, org_id=org_id, notice_id=notice_id)
        found = await self.notices.page(asked, after=None, limit=1, newest_first=True)
        if not found:
            message = (
                "Last-Event-ID: there is no event of this id (they are kept for 90 days); leave it out to begin now"
            )
            raise Fault(FaultKind.INVALID_REQUEST, message, param="Last-Event-ID")
        return found[0].number
