"""Reads an answer on after its caller has hung up, where its provider bills all of it anyway: for the usage that it reports.

Bounded in number, time and size. What is not read to its end is settled at what came, as any answer that broke off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from onevault.core.sending import Target
from onevault.pipeline.tab import Tab
from onevault.policy.tokens import output_tokens_estimated


class DrainBounds(msgspec.Struct, frozen=True):
    """How many answers are read on at once, for how long each, and how much of its generated text."""

    drains_max: int = 1_000
    timeout_s: float = 120.0
    output_bytes_max: int = 16 << 20


class Drains:
    """All that are under way in this process, and what came of those before. `bounds` are swapped with the configuration."""

    def __init__(self, bounds: DrainBounds) -> None:
        self.bounds = bounds
        self.running = 0
        self.finished = self.cut_off = self.no_room = 0
        """How many were read to their end, were not, and were not begun because so many were running."""
        self.tokens = 0
        """Output tokens that came after their callers had gone."""

    def of(self, target: Target, tab: Tab, *, stream: bool) -> Drain | None:
        """What may become of one attempt; None where hanging up stops its provider's bill, or there is none."""
        stops = target.cancelling_stops_bill
        if tab.free or stops == "always" or (stops == "streams" and stream):
            return None
        return Drain(self, tab)


class Drain:
    """One attempt's answer, which may have to be read on."""

    __slots__ = ("_bytes_before", "_drains", "_is_running", "_tab", "_timer")

    def __init__(self, drains: Drains, tab: Tab) -> None:
        self._drains = drains
        self._tab = tab
        self._is_running = False
        self._bytes_before = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, cancel: Callable[[], object]) -> bool:
        """Whether the answer is read on; `cancel` is then called when the time is up. Not where the provider was not reached yet,
        nor where all of the answer is here."""
        drains, tab = self._drains, self._tab
        if not tab.reached or tab.finished:
            return False
        if drains.running >= drains.bounds.drains_max:
            drains.no_room += 1
            return False
        drains.running += 1
        self._is_running = True
        self._bytes_before = tab.output_bytes
        self._timer = asyncio.get_running_loop().call_later(drains.bounds.timeout_s, cancel)
        return True

    @property
    def is_full(self) -> bool:
        """Whether as much has been read on as may be."""
        return self._tab.output_bytes - self._bytes_before > self._drains.bounds.output_bytes_max

    def end(self) -> None:
        """The attempt is over, however it ended."""
        if not self._is_running or self._timer is None:
            return
        self._timer.cancel()
        self._is_running = False
        drains, tab = self._drains, self._tab
        drains.running -= 1
        if tab.finished:
            drains.finished += 1
        else:
            drains.cut_off += 1
        before, now = output_tokens_estimated(self._bytes_before), output_tokens_estimated(tab.output_bytes)
        reported = tab.usage.output_tokens if tab.usage is not None else 0
        drains.tokens += max(now, reported, before) - before
