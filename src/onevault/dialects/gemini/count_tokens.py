"""Answers callers of Google's dialect who ask how many tokens an input has."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import Event, TokensCounted
from onevault.dialects.wire.passing import PassingWriter


class CountWriter(PassingWriter):
    """Writes `{"totalTokens": n}`."""

    whole_type = "application/json; charset=UTF-8"

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        for event in events:
            if isinstance(event, TokensCounted):
                return msgspec.json.encode({"totalTokens": event.input_tokens})
        return self.write(events)
