"""Makes a repeated POST answer what the first one did, instead of doing it twice."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock

KEPT_S = 24 * 3600
ANSWERS_MAX = 10_000


A = TypeVar("A")


class _Done(NamedTuple):
    fingerprint: str
    at_s: float
    answer: Any


class Idempotency:
    """Answers by `Idempotency-Key`, in this process's memory, for 24 hours or until 10,000 newer ones push them out.

    Requests with a key wait for each other, so a repetition that overtakes the first one finds its answer. A fault is not
    kept: what failed may be tried again with the same key.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: OrderedDict[str, _Done] = OrderedDict()
        self._lock = asyncio.Lock()

    async def once(
        self,
        key: str | None,
        fingerprint: str,
        act: Callable[[], Awaitable[A]],
        *,
        keep: Callable[[A], A | Fault],
        by: str,
    ) -> A:
        """Acts and keeps `keep(answer)`; a repetition gets that, raised if it is a Fault. `fingerprint` says what is asked,
        `by` who asks: nobody is answered with what another was.

        Raises Fault CONFLICT where the key was used to ask for something else.
        """
        if key is None:
            return await act()
        key = f"{by} {key}"
        async with self._lock:
            done = self._known(key)
            if done is None:
                answer = await act()
                self._done[key] = _Done(fingerprint, self._clock.monotonic_s(), keep(answer))
                if len(self._done) > ANSWERS_MAX:
                    self._done.popitem(last=False)
                return answer
        if done.fingerprint != fingerprint:
            message = "This Idempotency-Key was used for a different request; use a new one."
            raise Fault(FaultKind.CONFLICT, message, param="Idempotency-Key")
        if isinstance(done.answer, Fault):
            raise Fault(done.answer.kind, done.answer.message, param=done.answer.param)
        kept: A = done.answer
        return kept

    def _known(self, key: str) -> _Done | None:
        now_s = self._clock.monotonic_s()
        while self._done:
            oldest = next(iter(self._done))
            if now_s - self._done[oldest].at_s < KEPT_S:
                break
            del self._done[oldest]
        return self._done.get(key)
