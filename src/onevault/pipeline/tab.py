"""What a running call owes so far, read off the events that pass by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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
from onevault.core.prices import Price
from onevault.core.sending import Plan, Target
from onevault.core.usage import NO_USAGE, Usage, UsageSource
from onevault.policy.pricing import UNLIMITED, cost, cost_at_least, output_bytes_covered
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
    covered: Nanos | None = None
    """What is held, where no more may be spent; None: nobody limits it."""
    enlarge: Callable[[], Awaitable[bool]] | None = None
    """Asks for a larger hold, and says whether there is one now: it is told to `cover`. None: it is not to be asked for."""
    bytes_covered: int = UNLIMITED

    def begin(self, target: Target) -> None:
        """A new attempt: what a failed one before it produced was never delivered, and is not billed."""
        self.target = target
        self.reached = self.finished = False
        self.usage, self.output_bytes = None, 0
        if self.covered is not None:
            self.cover(self.covered)

    def cover(self, amount: Nanos) -> None:
        """So much is held from now on for a call that may cost no more."""
        self.covered, self.bytes_covered = amount, UNLIMITED
        if self.target is not None and self.target.price is not None:
            self.bytes_covered = output_bytes_covered(self.target.price, amount)

    @property
    def is_exhausted(self) -> bool:
        """Whether generated text has come beyond what the hold certainly pays for."""
        return self.output_bytes > self.bytes_covered and not self.finished

    @property
    def owed_at_least(self) -> Nanos:
        """What the answer costs for certain by now."""
        price = self.target.price if self.target is not None else None
        return cost_at_least(price, self.usage, self.output_bytes) if price is not None else ZERO

    def set_reached(self) -> None:
        self.reached = True

    def refused(self) -> None:
        """The attempt ended in a provider's error: it owes nothing."""
        self.reached = False

    def note(self, events: Sequence[Event]) -> None:
        """Counts what a batch of events delivers. Where the provider has counted more than is held, whatever comes next is beyond."""
        is_beyond = False
        for event in events:
            kind = type(event)
            if kind is Passed:
                self.output_bytes += event.output_bytes  # type: ignore[union-attr]
            elif kind is UsageReported:
                if event.usage.is_credible:  # type: ignore[union-attr]
                    self.usage = event.usage  # type: ignore[union-attr]
                    if self.covered is not None:
                        is_beyond = self.owed_at_least > self.covered
            elif kind is TextAdded or kind is ThinkingAdded or kind is RefusalAdded:
                self.output_bytes += len(event.text)  # type: ignore[union-attr]
            elif kind is ToolArgumentsAdded:
                self.output_bytes += len(event.json_text)  # type: ignore[union-attr]
            elif kind is Finished:
                self.finished = True
        if is_beyond and self.output_bytes < self.bytes_covered:
            self.bytes_covered = self.output_bytes

    def owed(self, amount_held: Nanos) -> tuple[Nanos, Usage, UsageSource]:
        """Cost, usage and its source, as things stand.

        A finished answer costs what its provider reports, be it more than was held; in units that it did not report, what the
        request tells of them. An answer that broke off costs what was
        delivered, estimated and never more than was held unless more is certain. A call that reached no provider costs nothing.
        """
        if self.target is None or self.free or not self.reached:
            return ZERO, NO_USAGE, UsageSource.PROVIDER
        price = self.target.price
        if self.finished and self.usage is not None:
            if price is None:
                return ZERO, self.usage, UsageSource.PROVIDER
            told = cost(price, self.usage)
            usage = self._with_untold_units(price, self.usage)
            if usage is self.usage or usage == self.usage:
                return told, usage, UsageSource.PROVIDER
            return Nanos(max(min(cost(price, usage), amount_held), told)), usage, UsageSource.ESTIMATED
        usage = self._estimated()
        if price is None:
            return ZERO, usage, UsageSource.ESTIMATED
        return Nanos(max(min(cost(price, usage), amount_held), self.owed_at_least)), usage, UsageSource.ESTIMATED

    def _with_untold_units(self, price: Price, reported: Usage) -> Usage:
        """What a provider that charges by the character, hour or image reports in tokens alone is completed by what the request tells;
        else it would be free."""
        rates, size = price.rates, self.size
        if rates.audio_hour and not reported.audio_ms:
            reported = msgspec.structs.replace(reported, audio_ms=size.audio_ms_estimated or size.audio_ms_at_most)
        if rates.characters and not reported.characters:
            reported = msgspec.structs.replace(reported, characters=size.characters)
        if rates.image and not reported.images:
            reported = msgspec.structs.replace(reported, images=size.images)
        return reported

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
