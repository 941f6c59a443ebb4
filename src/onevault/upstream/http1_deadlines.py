"""Wakes what waits on a connection, or lets it expire: one lazy timer and at most one waiter."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

FOREVER: Final = float("inf")


class Deadlines(asyncio.Protocol):
    """A protocol with a deadline. The timer looks at `_deadline`, a plain float in monotonic seconds that moves with the
    exchange, and sets itself again when that has moved on meanwhile; so most exchanges never touch it."""

    __slots__ = ("_deadline", "_loop", "_timer", "_timer_at", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = FOREVER
        self._deadline = FOREVER

    def _expired(self) -> None:
        """The deadline has passed."""
        raise NotImplementedError

    async def _woken(self, deadline: float) -> None:
        """Returns when `_wake_waiter` is called; whoever expires calls it too."""
        self._deadline = deadline
        if self._timer_at > deadline:
            self._arm(monotonic())
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        except BaseException:
            self._waiter = None
            raise

    def _wake_waiter(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _set_deadline(self, deadline: float, *, now: float) -> None:
        self._deadline = deadline
        if self._timer_at > deadline:
            self._arm(now)

    def _disarm(self) -> None:
        self._deadline = FOREVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = FOREVER

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        # Loops round to milliseconds: a timer that fires early must not spin.
        self._timer = self._loop.call_later(max(self._deadline - now, 0.001), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = FOREVER
        if self._deadline == FOREVER:
            return
        now = monotonic()
        if now < self._deadline:
            self._arm(now)
        else:
            self._expired()
