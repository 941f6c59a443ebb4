"""What one scope has tried: calls of the last 60 seconds, of each day and month, and those running now."""

from __future__ import annotations

from collections import deque
from typing import Final

from onevault.core.windows import NS_PER_S, day_and_month
from onevault.stores.memory.labels import far_from, is_day
from onevault.stores.memory.minutes import CLOCK_STEP_NS, MINUTE_NS

_WINDOW_OVER_NS: Final = 48 * 3600 * NS_PER_S
"""A day that is two days past in UTC is past in every time zone."""


class Attempts:
    """The counts of one scope. `counts` are by label (`2026-11-21`, `2026-11`); `starts_ns` is the sliding minute, None
    where no limit asked for it."""

    __slots__ = ("asked_ns", "counts", "running", "starts_ns")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.running = 0
        self.starts_ns: deque[int] | None = None
        self.asked_ns = 0

    def minute(self, now_ns: int) -> tuple[deque[int], int]:
        """The attempts of the last 60 s, a moment 60 s ago not included; and the time that counts, never before the newest.

        A clock that was set back takes the whole minute back with it, so that nobody waits for it to catch up.
        """
        starts = self.starts_ns
        if starts is None:
            starts = self.starts_ns = deque()
        if starts:
            ahead_ns = starts[-1] - now_ns
            if ahead_ns > CLOCK_STEP_NS:
                starts = self.starts_ns = deque(start - ahead_ns for start in starts)
            elif ahead_ns > 0:
                now_ns += ahead_ns
            gone_ns = now_ns - MINUTE_NS
            while starts and starts[0] <= gone_ns:
                starts.popleft()
        return starts, now_ns

    def count(self, label: str, number: int = 1) -> None:
        """Counts attempts in a day or month; beginning one forgets those far from it."""
        count = self.counts.get(label)
        if count is None:
            for far in far_from(label, self.counts):
                del self.counts[far]
            count = 0
        self.counts[label] = count + number

    def is_idle(self, now_ns: int) -> bool:
        """Nothing runs, the minute is empty, and every day and month that was counted is over in all time zones."""
        if self.running or abs(now_ns - self.asked_ns) <= MINUTE_NS:
            return False
        day, month = day_and_month(now_ns - _WINDOW_OVER_NS, "UTC")
        if any(label >= (day if is_day(label) else month) for label in self.counts):
            return False
        return self.starts_ns is None or not self.minute(now_ns)[0]
