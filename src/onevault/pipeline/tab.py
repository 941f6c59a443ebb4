"""What a running call owes so far, read off the events that pass by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from onevault.core.codec import InputSize
from onevault.core.events import (
    Event,
    Finished,
    Passed,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ToolArgumentsAdded,
    UsageReported,
)
from onevault.core.money import ZERO, Nanos
from onevault.core.ports import Plan, Target
from onevault.core.usage import NO_USAGE, Usage, UsageSource
from onevault.policy.pricing import cost
from onevault.policy.tokens import output_tokens_estimated


@dataclass(slots=True)
class Tab:
    """Opened with the hold, which covers `plan`. `reached` is set when a provider may have begun to work for the running attempt."""

    size: InputSize
    plan: Plan
    free: bool = False
    searches: int = 0
    """How many a complete answer did, where the request tells exactly."""
    target: Target | None = None
    reached: bool = False
    finished: bool = False
    usage: Usage | None = None
    output_bytes: int = 0

    def begin(self, target: Target) -> None:
        """A new attempt: what a failed one before it produced was never delivered, and is not billed."""
        self.target = target
        self.reached = self.finished = False
        self.usage, self.output_bytes = None, 0

    def set_reached(self) -> None:
        self.reached = True

    def refused(self) -> None:
        """The attempt ended in a provider's error: it owes nothing."""
        self.reached = False

    def note(self, events: Sequence[Event]) -> None:
        """Counts what a batch of events delivers."""
        for event in events:
            kind = type(event)
            if kind is Passed:
                self.output_bytes += event.output_bytes  # type: ignore[union-attr]
            elif kind is UsageReported:
                if event.usage.is_credible:  # type: ignore[union-attr]
                    self.usage = event.usage  # type: ignore[union-attr]
            elif kind is TextAdded or kind is ThinkingAdded or kind is RefusalAdded:
                self.output_bytes += len(event.text)  # type: ignore[union-attr]
            elif kind is ToolArgumentsAdded:
                self.output_bytes += len(event.json_text)  # type: ignore[union-attr]
            elif kind is Finished:
                self.finished = True

    def owed(self, amount_held: Nanos) -> tuple[Nanos, Usage, UsageSource]:
        """Cost, usage and its source, as things stand.

        A finished answer costs what its provider reports, be it more than was held. An answer that broke off costs what was
        delivered, estimated and never more than was held. A call that reached no provider costs nothing.
        """
        if self.target is None or self.free or not self.reached:
            return ZERO, NO_USAGE, UsageSource.PROVIDER
        price = self.target.price
        if self.finished and self.usage is not None:
            return (cost(price, self.usage) if price else ZERO), self.usage, UsageSource.PROVIDER
        usage = self._estimated()
        if price is None:
            return ZERO, usage, UsageSource.ESTIMATED
        return Nanos(min(cost(price, usage), amount_held)), usage, UsageSource.ESTIMATED

    def _estimated(self) -> Usage:
        """What was reported, completed by what is known of the request: what went in was used in any case, images only where
        the answer is complete. Searches of a chat count as far as they were reported."""
        reported, size = self.usage or NO_USAGE, self.size
        return msgspec.structs.replace(
            reported,
            input_tokens=reported.input_tokens or size.tokens_estimated,
            output_tokens=max(reported.output_tokens, output_tokens_estimated(self.output_bytes)),
            characters=reported.characters or size.characters,
            audio_ms=reported.audio_ms or size.audio_ms_estimated or size.audio_ms_at_most,
            images=reported.images or (size.images if self.finished else 0),
            searches=reported.searches or (self.searches if self.finished else 0),
        )
