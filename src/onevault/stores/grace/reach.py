"""Whether the shared store answers: found out by the calls as long as it does, and by a probe in the background once it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock

_AWAY = "The store that counts limits and budgets does not answer; nothing was counted. Try again in a moment."
_RETRY_AFTER_S = 1.0


class Reach:
    """There is no breaker: the first failure only starts the probe, and calls go on asking the store themselves until the probe has
    failed too. From then on nobody waits for it any more, until a probe succeeds; the next probe follows within `interval_s`.

    `on_change` is told of each outage's beginning (False) and end (True). `since_ns` is the wall time of the running outage, None
    where there is none.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        clock: Clock,
        *,
        on_change: Callable[[bool], None],
        interval_s: float = 0.1,
    ) -> None:
        """`probe` does what calls do, writing included. It raises Fault STORE_UNAVAILABLE as they would."""
        self._probe = probe
        self._clock = clock
        self._on_change = on_change
        self._interval_s = interval_s
        self._lost = asyncio.Event()
        self.since_ns: int | None = None
        self.is_worth_asking = True
        self.outages = 0

    def lost(self) -> None:
        """A call has found that the store does not answer."""
        if self.since_ns is None:
            self.since_ns = self._clock.wall_ns()
            self.outages += 1
            self._lost.set()
            self._on_change(False)

    def away(self) -> Fault:
        """What callers are told without the store having been asked."""
        return Fault(FaultKind.STORE_UNAVAILABLE, _AWAY, retry_after_s=_RETRY_AFTER_S)

    async def watch(self) -> None:
        """Probes during each outage, until it is cancelled."""
        while True:
            await self._lost.wait()
            try:
                await self._probe()
            except Fault:
                self.is_worth_asking = False
                await self._clock.sleep(self._interval_s)
                continue
            self._lost.clear()
            self.since_ns = None
            self.is_worth_asking = True
            self._on_change(True)
