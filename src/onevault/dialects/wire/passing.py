"""Writes answers that are the target's own bytes."""

from __future__ import annotations

from collections.abc import Sequence

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import Event, Finished, Passed
from onevault.dialects.wire.framing import JsonAndEventStream


class PassingWriter(JsonAndEventStream):
    """Writes answers that only ever pass."""

    def write(self, events: Sequence[Event]) -> bytes:
        return b"".join(event.raw for event in events if isinstance(event, Passed))

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        return finished.raw if isinstance(finished, Finished) else b""

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        return self.write(events)
