"""Writes answers for callers of Google's dialect: whole, as server-sent events, or as one JSON array in pieces; passes what is theirs.

The last object of a stream has the ends of all candidates, and the usage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import (
    AnswerStarted,
    EmbeddingsMade,
    Event,
    Finished,
    LogprobsAdded,
    Passed,
    TextAdded,
    TokensCounted,
    UsageReported,
)
from onevault.core.faults import Fault
from onevault.core.usage import Usage
from onevault.dialects.gemini.faults import error_document
from onevault.dialects.gemini.finish import FINISH_REASONS
from onevault.dialects.gemini.logprobs import gemini_logprobs
from onevault.dialects.gemini.usage import usage_written
from onevault.dialects.gemini.writer_choice import ChoiceWriter

_encode = msgspec.json.encode
_Json = dict[str, Any]
_NOTHING: list[_Json] = [{"text": ""}]


class GeminiWriter:
    """One answer for a caller of Google's dialect. `array`: a stream is one JSON array."""

    whole_type: str | None = "application/json; charset=UTF-8"

    def __init__(self, *, request_id: str, array: bool) -> None:
        self._id = request_id
        self._array = array
        self.stream_type: str | None = "application/json; charset=UTF-8" if array else "text/event-stream"
        self._choices: dict[int, ChoiceWriter] = {}
        self._usage: Usage | None = None
        self._model = ""
        self._tail = b""
        self._begun = False

    def comment(self, text: str) -> bytes:
        """White space between the entries of an array. Google's own SDKs take a comment among events for JSON."""
        return b"\n" if self._array else b""

    # ---- a stream

    def write(self, events: Sequence[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if event.__class__ is Passed:
                self._begun = True
                out.append(event.raw)
            elif (
                self._tail or event.__class__ is AnswerStarted
            ):  # what comes beside passed frames is not for the caller
                self._write(event, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        if isinstance(finished, Finished) and not self._tail:
            return finished.raw
        last = self._framed(_encode({"candidates": self._ends(), **self._about(facts)}))
        return last + b"]" if self._array else last

    def error_frame(self, fault: Fault) -> bytes:
        """A fault after the first byte of this stream. An array ends with it."""
        frame = self._framed(_encode(error_document(fault)))
        return frame + b"]" if self._array else frame

    def _write(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, TextAdded):
            parts = self._choice(event.choice).parts(event)
            if len(parts) == 1:
                body = b'{"candidates":[{"content":{"parts":[{"text":%b}],"role":"model"},"index":%d}]%b' % (
                    _encode(event.text),
                    event.choice,
                    self._tail,
                )
                out.append(self._framed(body))
                return
            out.append(self._candidate(event.choice, parts))
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, AnswerStarted):
            self._model = event.model
            about = _encode({"modelVersion": event.model, "responseId": self._id})
            self._tail = b"," + about[1:]
        elif isinstance(event, LogprobsAdded):
            chosen, tops = gemini_logprobs(event.raw)
            if chosen:
                result = {"chosenCandidates": chosen, "topCandidates": tops}
                out.append(self._candidate(event.choice, _NOTHING, logprobsResult=result))
        elif not isinstance(event, Finished | Passed | EmbeddingsMade | TokensCounted):
            parts = self._choice(event.choice).parts(event)
            if parts:
                out.append(self._candidate(event.choice, parts))

    def _choice(self, index: int) -> ChoiceWriter:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = ChoiceWriter(index)
        return choice

    def _candidate(self, index: int, parts: list[_Json], **more: Any) -> bytes:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": index, **more}
        return self._framed(b'{"candidates":[%b]%b' % (_encode(candidate), self._tail))

    def _framed(self, body: bytes) -> bytes:
        if not self._array:
            return b"data: " + body + b"\r\n\r\n"
        before = b",\r\n" if self._begun else b"["
        self._begun = True
        return before + body

    def _ends(self) -> list[_Json]:
        ends: list[_Json] = []
        for index in sorted(self._choices):
            choice = self._choices[index]
            end: _Json = {"content": {"parts": _NOTHING, "role": "model"}, **_end(choice), "index": index}
            ends.append(end)
        return ends

    def _about(self, facts: AnswerFacts) -> _Json:
        usage = self._usage if self._usage is not None else facts.usage
        return {"usageMetadata": usage_written(usage), "modelVersion": self._model, "responseId": self._id}

    # ---- a whole answer

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        """The last usage counts."""
        gathered: dict[int, list[_Json]] = {}
        logprobs: dict[int, tuple[list[_Json], list[_Json]]] = {}
        for event in events:
            if isinstance(event, Passed):
                return event.raw
            if isinstance(event, AnswerStarted):
                self._model = event.model
            elif isinstance(event, UsageReported):
                self._usage = event.usage
            elif isinstance(event, LogprobsAdded):
                chosen, tops = gemini_logprobs(event.raw)
                kept = logprobs.setdefault(event.choice, ([], []))
                kept[0].extend(chosen)
                kept[1].extend(tops)
            elif not isinstance(event, Finished | EmbeddingsMade | TokensCounted):
                parts = gathered.setdefault(event.choice, [])
                _join(parts, self._choice(event.choice).parts(event))
        candidates: list[_Json] = []
        for index in sorted(self._choices):
            parts = gathered.get(index, [])
            _close(parts)
            content = {"parts": parts or _NOTHING, "role": "model"}
            candidate: _Json = {"content": content, **_end(self._choices[index]), "index": index}
            if index in logprobs and logprobs[index][0]:
                chosen, tops = logprobs[index]
                candidate["logprobsResult"] = {"chosenCandidates": chosen, "topCandidates": tops}
            candidates.append(candidate)
        return _encode({"candidates": candidates, **self._about(facts)})


def _end(choice: ChoiceWriter) -> _Json:
    """How a choice ended, and what it cites."""
    end: _Json = {"finishReason": FINISH_REASONS[choice.ended.reason] if choice.ended is not None else "STOP"}
    grounding = choice.grounding
    if grounding is not None:
        end["groundingMetadata"] = grounding
    return end


def _join(parts: list[_Json], added: list[_Json]) -> None:
    """Text goes on with text, thoughts with thoughts until they are signed. Texts are gathered as lists, for `_close` to join."""
    for part in added:
        last = parts[-1] if parts else None
        if (
            last is not None
            and isinstance(part.get("text"), str)
            and "partMetadata" not in part
            and isinstance(last.get("text"), list)
            and part.get("thought") == last.get("thought")
            and "thoughtSignature" not in last
        ):
            last["text"].append(part["text"])
            if "thoughtSignature" in part:
                last["thoughtSignature"] = part["thoughtSignature"]
        elif isinstance(part.get("text"), str) and "partMetadata" not in part:
            parts.append({**part, "text": [part["text"]]})
        else:
            parts.append(part)


def _close(parts: list[_Json]) -> None:
    for part in parts:
        if isinstance(part.get("text"), list):
            part["text"] = "".join(part["text"])
