"""Writes answers in the gateway's own dialect: the fold of the chunks that a stream would have, and what the call cost.

A chunk is `{"content"?, "reasoning"?, "tool_calls"?, …}`; the last one of a stream has `done: true` and the same facts as a
whole answer. Tool calls, images and audio look as in OpenAI's chat; `thinking_blocks` and `opaque_blocks` can be sent back as
they came. With several choices a chunk names its `choice`, and a whole answer lists them in `choices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.codec import NO_FACTS, AnswerFacts
from onevault.core.events import (
    ChoiceEnded,
    CitationAdded,
    Event,
    LogprobsAdded,
    MediaAdded,
    OpaqueAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
)
from onevault.core.money import usd_for_json
from onevault.core.usage import Usage
from onevault.dialects.openai.chat_writer import FINISH_REASONS
from onevault.dialects.wire.framing import JsonAndEventStream
from onevault.dialects.wire.signatures import tagged

_encode = msgspec.json.encode
_Json = dict[str, Any]
_JOINED = frozenset({"content", "reasoning", "refusal"})
_LISTED = frozenset({"thinking_blocks", "opaque_blocks", "citations", "images"})


class OwnWriter(JsonAndEventStream):
    """One answer for a caller of the own dialect. `text_field` names a second field for the content of a whole answer."""

    def __init__(self, *, request_id: str, created_s: int, text_field: str | None = None) -> None:
        self._id = request_id
        self._created_s = created_s
        self._text_field = text_field
        self._thought: dict[int, str] = {}
        self._finish_reason: str | None = None

    # ---- a stream

    def write(self, events: Sequence[Event]) -> bytes:
        return b"".join(
            b"data: " + _encode(chunk) + b"\n\n" for event in events if (chunk := self._chunk(event)) is not None
        )

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        last = {"done": True, "finish_reason": self._finish_reason, **facts_written(facts)}
        return b"data: " + _encode(last) + b"\n\n"

    def _chunk(self, event: Event) -> _Json | None:
        """What one event adds. None: nothing."""
        chunk: _Json
        match event:
            case TextAdded():
                chunk = {"content": event.text}
            case ThinkingAdded():
                self._thought[event.choice] = self._thought.get(event.choice, "") + event.text
                chunk = {"reasoning": event.text}
            case ToolArgumentsAdded():
                chunk = {"tool_calls": [{"index": event.call, "function": {"arguments": event.json_text}}]}
            case ToolCallStarted():
                function = {"name": event.name, "arguments": ""}
                call = {"index": event.call, "id": event.id, "type": "function", "function": function}
                chunk = {"tool_calls": [call]}
            case ChoiceEnded():
                reason = FINISH_REASONS[event.reason]
                self._finish_reason = self._finish_reason or reason
                chunk = {"finish_reason": reason}
            case RefusalAdded():
                chunk = {"refusal": event.text}
            case ThinkingSigned():
                thinking = self._thought.pop(event.choice, "")
                signature = tagged(event.signature, event.by, "anthropic-messages")
                block = {"type": "thinking", "thinking": thinking, "signature": signature}
                chunk = {"thinking_blocks": [block]}
            case ThinkingRedacted():
                data = tagged(event.data, event.by, "anthropic-messages")
                chunk = {"thinking_blocks": [{"type": "redacted_thinking", "data": data}]}
            case CitationAdded():
                chunk = {"citations": [_citation(event)]}
            case MediaAdded():
                chunk = _media(event)
            case OpaqueAdded():
                chunk = {"opaque_blocks": [{"dialect": event.dialect, "kind": event.kind, "block": Raw(event.raw)}]}
            case LogprobsAdded():
                chunk = {"logprobs": event.raw}
            case _:
                return None
        if event.choice:
            chunk["choice"] = event.choice
        return chunk

    # ---- a whole answer

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        choices: dict[int, _Json] = {}
        for event in events:
            chunk = self._chunk(event)
            if chunk is not None:
                _fold(choices.setdefault(chunk.pop("choice", 0), {"content": None}), chunk)
        folded = [choices[index] for index in sorted(choices)] or [{"content": None}]
        answer: _Json = {"id": self._id, "object": "ai.completion", "created": self._created_s, **folded[0]}
        if self._text_field is not None:
            answer[self._text_field] = folded[0]["content"] or ""
        if len(folded) > 1:
            answer["choices"] = [{"index": index, **choice} for index, choice in enumerate(folded)]
        return _encode({**answer, **facts_written(facts)})


def _fold(choice: _Json, chunk: _Json) -> None:
    for name, value in chunk.items():
        if name in _JOINED:
            choice[name] = (choice.get(name) or "") + value
        elif name in _LISTED:
            choice.setdefault(name, []).extend(value)
        elif name == "tool_calls":
            _fold_calls(choice.setdefault(name, []), value)
        elif name == "audio" and "audio" in choice:
            heard = choice["audio"]
            heard["data"] += value["data"]
            heard["transcript"] += value["transcript"]
        elif name == "logprobs":
            choice.setdefault(name, []).append(value)
        else:
            choice[name] = value


def _fold_calls(calls: list[_Json], added: list[_Json]) -> None:
    for call in added:
        if "id" in call:
            calls.append({name: value for name, value in call.items() if name != "index"})
        else:
            calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]


def _citation(event: CitationAdded) -> _Json:
    cited = event.cited
    said = {} if cited is None else {name: getattr(cited, name) for name in cited.__struct_fields__}
    told = {name: value for name, value in said.items() if value is not None}
    return told or {"dialect": event.dialect, "citation": event.raw}


def _media(event: MediaAdded) -> _Json:
    if event.media_type.startswith("audio/"):
        return {"audio": {"data": event.data, "transcript": event.transcript, "media_type": event.media_type}}
    url = event.url or f"data:{event.media_type};base64,{event.data}"
    return {"images": [{"type": "image_url", "image_url": {"url": url}}]}


def facts_written(facts: AnswerFacts) -> _Json:
    """What every answer of the own dialect tells of the call; `cost` in US dollars."""
    return {
        "provider": facts.provider,
        "model": facts.model,
        "cost": usd_for_json(facts.cost),
        "cached": facts.cached,
        "request_id": facts.request_id,
        "usage": usage_told(facts.usage),
        "route_reason": facts.route_reason,
    }


def usage_told(usage: Usage) -> _Json:
    """Tokens in the gateway's convention; the details only where there are any."""
    told: _Json = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    for name in usage.__struct_fields__:
        if name not in told and (value := getattr(usage, name)):
            told[name] = value
    return told
