"""Writes answers for callers of the legacy completions dialect, whole or as chunks, and passes what is theirs already.

Beside the dialect's own fields a choice carries `reasoning_content`, as chat servers write it, for a model that thinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    Event,
    Finished,
    Passed,
    RefusalAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    UsageReported,
)
from onevault.core.usage import Usage
from onevault.dialects.openai.usage import usage_written
from onevault.dialects.wire.framing import JsonAndEventStream

_encode = msgspec.json.encode

FINISH_REASONS = {
    StopReason.LENGTH: "length",
    StopReason.CONTEXT_LENGTH: "length",
    StopReason.CONTENT_FILTER: "content_filter",
    StopReason.REFUSAL: "content_filter",
}
"""Every other reason is a `stop`."""
DONE_FRAME = b"data: [DONE]\n\n"


class CompletionsWriter(JsonAndEventStream):
    """One answer for a caller of the completions dialect. `created_s` in seconds since the epoch."""

    def __init__(self, *, request_id: str, created_s: int, usage_asked: bool) -> None:
        self._id = f"cmpl-{request_id}"
        self._created_s = created_s
        self._usage_asked = usage_asked
        self._usage: Usage | None = None
        self._head = b""

    def write(self, events: Sequence[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if event.__class__ is Passed:
                out.append(event.raw)
            elif isinstance(event, AnswerStarted):
                self._head = b"data: " + _encode(self._answer(event))[:-1] + b","
            elif self._head:  # what comes beside passed frames is not for the caller
                self._write(event, out)
        return b"".join(out)

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        if isinstance(finished, Finished) and not self._head:
            return finished.raw
        if not self._usage_asked or self._usage is None:
            return DONE_FRAME
        usage = _encode(usage_written(self._usage))
        return self._head + b'"choices":[],"usage":' + usage + b"}\n\n" + DONE_FRAME

    def _write(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, TextAdded | RefusalAdded):
            out.append(self._chunk({**_choice(event.choice), "text": event.text}))
        elif isinstance(event, ThinkingAdded):
            out.append(self._chunk({**_choice(event.choice), "reasoning_content": event.text}))
        elif isinstance(event, ChoiceEnded):
            out.append(
                self._chunk({**_choice(event.choice), "finish_reason": FINISH_REASONS.get(event.reason, "stop")})
            )
        elif isinstance(event, UsageReported):
            self._usage = event.usage

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        return self._head + b'"choices":[' + _encode(choice) + b"]}\n\n"

    def _answer(self, event: AnswerStarted) -> dict[str, Any]:
        created_s = event.created_s if event.created_s is not None else self._created_s
        return {"id": self._id, "object": "text_completion", "created": created_s, "model": event.model}

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        """The last usage counts."""
        answer: dict[str, Any] = {}
        choices: dict[int, dict[str, Any]] = {}
        for event in events:
            if isinstance(event, Passed):
                return event.raw
            if isinstance(event, AnswerStarted):
                answer = self._answer(event)
            elif isinstance(event, UsageReported):
                self._usage = event.usage
            elif isinstance(event, TextAdded | RefusalAdded):
                _of(choices, event.choice)["text"] += event.text
            elif isinstance(event, ThinkingAdded):
                choice = _of(choices, event.choice)
                choice["reasoning_content"] = choice.get("reasoning_content", "") + event.text
            elif isinstance(event, ChoiceEnded):
                _of(choices, event.choice)["finish_reason"] = FINISH_REASONS.get(event.reason, "stop")
        answer["choices"] = [choices[index] for index in sorted(choices)]
        if self._usage is not None:
            answer["usage"] = usage_written(self._usage)
        return _encode(answer)


def _choice(index: int) -> dict[str, Any]:
    return {"text": "", "index": index, "logprobs": None, "finish_reason": None}


def _of(choices: dict[int, dict[str, Any]], index: int) -> dict[str, Any]:
    return choices.setdefault(index, _choice(index))
