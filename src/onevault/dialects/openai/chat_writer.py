"""Writes answers for callers of the OpenAI chat dialect, whole or as chunks, and passes what is theirs already.

Beside the dialect's own fields a message carries `reasoning_content`, `thinking_blocks` (with signatures) and `citations` as
LiteLLM writes them, `images` as OpenRouter does, a call's signature in `extra_content` as Google does, `files` that a model made, and
`opaque_blocks` for what only another dialect can say; clients that do not know them skip them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    EmbeddingsMade,
    Event,
    Finished,
    LogprobsAdded,
    Passed,
    StopReason,
    TextAdded,
    ThinkingAdded,
    TokensCounted,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.usage import NO_USAGE, Usage
from onevault.dialects.openai.chat_choice import ChoiceWritten, Fields, fold
from onevault.dialects.openai.citations import Annotation
from onevault.dialects.openai.usage import usage_written
from onevault.dialects.wire.framing import JsonAndEventStream

_encode = msgspec.json.encode

FINISH_REASONS = {
    StopReason.END: "stop",
    StopReason.STOP_SEQUENCE: "stop",
    StopReason.PAUSE: "stop",
    StopReason.LENGTH: "length",
    StopReason.CONTEXT_LENGTH: "length",
    StopReason.TOOL_CALLS: "tool_calls",
    StopReason.CONTENT_FILTER: "content_filter",
    StopReason.REFUSAL: "content_filter",
}
_SERVICE_TIERS = {"standard": "default", "priority": "priority"}
_OPENAI_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
DONE_FRAME = b"data: [DONE]\n\n"


class OpenAIChatWriter(JsonAndEventStream):
    """One answer for a caller of the OpenAI chat dialect. `created_s` in seconds since the epoch.

    A caller of the older `functions_interface` gets the first call as `function_call`.
    """

    def __init__(
        self, *, request_id: str, created_s: int, usage_asked: bool, functions_interface: bool = False
    ) -> None:
        self._id = f"chatcmpl-{request_id}"
        self._created_s = created_s
        self._usage_asked = usage_asked
        self._function = 0 if functions_interface else -1
        self._usage = NO_USAGE
        self._texts: dict[int, ChoiceWritten] = {}
        self._head = b""
        self._tail = b',"finish_reason":null}]}\n\n'

    # ---- a stream

    def write(self, events: Sequence[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if event.__class__ is Passed:
                out.append(event.raw)
            elif (
                self._head or event.__class__ is AnswerStarted
            ):  # what comes beside passed frames is not for the caller
                self._write(event, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        if isinstance(finished, Finished) and not self._head:
            return finished.raw
        if not self._usage_asked:
            return DONE_FRAME
        usage = _encode(usage_written(self._usage))
        return self._head + b'"choices":[],"usage":' + usage + b"}\n\n" + DONE_FRAME

    def _write(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, TextAdded):
            text = self._texts.get(event.choice)
            if text is None:
                text = self._begun(event.choice, out)
            if event.part != text.part:
                self._write_citations(event.choice, text.begin(event.part), out)
            text.length += len(event.text)
            out.append(self._delta(event.choice, b'{"content":' + _encode(event.text) + b"}"))
        elif isinstance(event, ToolArgumentsAdded):
            if event.call == self._function:
                called = b'{"function_call":{"arguments":' + _encode(event.json_text) + b"}}"
                out.append(self._delta(event.choice, called))
                return
            call = b'{"index":%d,"function":{"arguments":' % event.call + _encode(event.json_text) + b"}}"
            out.append(self._delta(event.choice, b'{"tool_calls":[' + call + b"]}"))
        elif isinstance(event, ThinkingAdded):
            self._begun(event.choice, out).think(event)
            out.append(self._delta(event.choice, b'{"reasoning_content":' + _encode(event.text) + b"}"))
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, AnswerStarted):
            self._start(event)
        elif isinstance(event, ChoiceEnded):
            self._write_citations(event.choice, self._begun(event.choice, out).citations(), out)
            reason = self._finish_reason(event).encode()
            end = b'"choices":[{"index":%d,"delta":{},"finish_reason":"%b"}]}\n\n' % (event.choice, reason)
            out.append(self._head + end)
        elif isinstance(event, Finished | Passed):
            return
        else:
            self._write_rare(event, out)

    def _write_rare(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, AnswerStarted | UsageReported | Passed | Finished | EmbeddingsMade | TokensCounted):
            return
        text = self._begun(event.choice, out)
        delta: Fields | None
        if isinstance(event, ToolCallStarted):
            call = text.call(event)
            older = event.call == self._function
            delta = {"function_call": call["function"]} if older else {"tool_calls": [{"index": event.call, **call}]}
        elif isinstance(event, CitationAdded):
            if event.part != text.part:
                self._write_citations(event.choice, text.begin(event.part), out)
            text.cite(event)
            return
        elif isinstance(event, LogprobsAdded):
            choice = b'{"index":%d,"delta":{},"logprobs":' % event.choice + bytes(event.raw)
            out.append(self._head + b'"choices":[' + choice + self._tail)
            return
        else:
            delta = text.fields(event)
            if delta is not None:
                delta = text.placed(delta)
        if delta is not None:
            out.append(self._delta(event.choice, _encode(delta)))

    def _write_citations(self, choice: int, cited: list[tuple[str, Annotation | Raw]], out: list[bytes]) -> None:
        for name, citation in cited:
            out.append(self._delta(choice, _encode(self._texts[choice].placed({name: [citation]}))))

    def _start(self, event: AnswerStarted) -> None:
        head: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": event.created_s if event.created_s is not None else self._created_s,
            "model": event.model,
        }
        tier = _tier(event.service_tier)
        if tier is not None:
            head["service_tier"] = tier
        self._head = b"data: " + _encode(head)[:-1] + b","

    def _begun(self, choice: int, out: list[bytes]) -> ChoiceWritten:
        """The state of a choice, its first chunk (with the role) written."""
        text = self._texts.get(choice)
        if text is None:
            text = self._texts[choice] = ChoiceWritten()
            out.append(self._delta(choice, b'{"role":"assistant","content":""}'))
        return text

    def _delta(self, choice: int, delta: bytes) -> bytes:
        return b'%b"choices":[{"index":%d,"delta":%b%b' % (self._head, choice, delta, self._tail)

    # ---- a whole answer

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        """The last usage counts. Fields that the answer has no content for are null, as OpenAI writes them."""
        answer: dict[str, Any] = {}
        choices: dict[int, dict[str, Any]] = {}
        usage: Usage | None = None
        for event in events:
            if isinstance(event, Passed):
                return event.raw
            if isinstance(event, AnswerStarted):
                created = event.created_s if event.created_s is not None else self._created_s
                answer = {"id": self._id, "object": "chat.completion", "created": created, "model": event.model}
                tier = _tier(event.service_tier)
                if tier is not None:
                    answer["service_tier"] = tier
            elif isinstance(event, UsageReported):
                usage = event.usage
            elif not isinstance(event, Finished | EmbeddingsMade | TokensCounted):
                choice = choices.get(event.choice)
                if choice is None:
                    message = {"role": "assistant", "content": None, "refusal": None}
                    choice = {"index": event.choice, "message": message, "logprobs": None, "finish_reason": None}
                    choices[event.choice] = choice
                self._fold(event, choice)
        answer["choices"] = [choices[index] for index in sorted(choices)]
        if usage is not None:
            answer["usage"] = usage_written(usage)
        return _encode(answer)

    def _fold(self, event: Event, choice: Fields) -> None:
        message = choice["message"]
        text = self._texts.get(choice["index"])
        if text is None:
            text = self._texts[choice["index"]] = ChoiceWritten()
        if isinstance(event, TextAdded):
            if event.part != text.part:
                _fold_citations(message, text.begin(event.part))
            text.length += len(event.text)
            message["content"] = (message["content"] or "") + event.text
        elif isinstance(event, ThinkingAdded):
            message["reasoning_content"] = message.get("reasoning_content", "") + event.text
            text.think(event)
        elif isinstance(event, ToolCallStarted):
            call = text.call(event)
            if event.call == self._function:
                message["function_call"] = call["function"]
            else:
                message.setdefault("tool_calls", []).append(call)
        elif isinstance(event, ToolArgumentsAdded):
            if event.call == self._function:
                message["function_call"]["arguments"] += event.json_text
            else:
                message["tool_calls"][event.call - self._function - 1]["function"]["arguments"] += event.json_text
        elif isinstance(event, CitationAdded):
            if event.part != text.part:
                _fold_citations(message, text.begin(event.part))
            text.cite(event)
        elif isinstance(event, LogprobsAdded):
            choice["logprobs"] = event.raw
        elif isinstance(event, ChoiceEnded):
            _fold_citations(message, text.citations())
            choice["finish_reason"] = self._finish_reason(event)
        else:
            fold(message, text.fields(event) or {}, text)

    def _finish_reason(self, event: ChoiceEnded) -> str:
        if self._function == 0 and event.reason is StopReason.TOOL_CALLS:
            return "function_call"
        return FINISH_REASONS[event.reason]


def _fold_citations(message: dict[str, Any], cited: list[tuple[str, Annotation | Raw]]) -> None:
    for name, citation in cited:
        message.setdefault(name, []).append(citation)


def _tier(tier: str | None) -> str | None:
    """A service tier in OpenAI's words; None for one that it does not have."""
    if tier is None or tier in _OPENAI_TIERS:
        return tier
    return _SERVICE_TIERS.get(tier)
