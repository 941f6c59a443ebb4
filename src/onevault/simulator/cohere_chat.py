"""Cohere's chat, whole and as a stream of events.

Written from docs.cohere.com/v2/reference/chat, /v2/reference/chat-stream and /v2/docs/streaming.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Answer, Ask, Choice
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.cohere_format import COHERE, identity_of
from onevault.simulator.cohere_requests import Source, ask_of, read_chat, sources_of
from onevault.simulator.reply import SSE, Reply
from onevault.simulator.tokens import pieces_of
from onevault.simulator.turn import Route, Turn

_FRAME_TOKENS: Final = 64
"""Of the template around a prompt: counted as `tokens`, not billed."""

_CITED_CHARACTERS: Final = 12
_FINISH: Final = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tools": "TOOL_CALL",
    "stop_sequence": "STOP_SEQUENCE",
    "content_filter": "ERROR",
    "refusal": "COMPLETE",
    "pause": "COMPLETE",
}
_encode: Final = msgspec.json.encode


def _event(name: str, **data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **data}))


ERROR_EVENT: Final = _event(
    "message-end",
    delta={"error": "internal server error, this has been reported to our developers.", "finish_reason": "ERROR"},
)


def serve(turn: Turn) -> Reply:
    request = read_chat(turn.request.body)
    ask = ask_of(request)
    answer = turn.answer(ask, stream=request.stream)
    message = _message(answer, sources_of(request))
    usage = None if turn.behaviour.no_usage else _usage(ask, answer, turn.behaviour)
    finish = _FINISH[answer.choices[0].finish]
    identity = identity_of(answer.digest)
    if request.stream:
        events = _events(identity, message, finish, usage)
        return Reply(200, events=events, content_type=SSE, output_tokens=answer.output_tokens, error_event=ERROR_EVENT)
    whole = {"id": identity, "finish_reason": finish, "message": message}
    if usage is not None:
        whole["usage"] = usage
    return Reply(200, _encode(whole), output_tokens=answer.output_tokens)


def _usage(ask: Ask, answer: Answer, behaviour: Behaviour) -> dict[str, Any]:
    """Thinking and the template are counted, but not billed."""
    usage: dict[str, Any] = {
        "billed_units": {
            "input_tokens": ask.prompt_tokens,
            "output_tokens": answer.output_tokens - answer.reasoning_tokens,
        },
        "tokens": {"input_tokens": ask.prompt_tokens + _FRAME_TOKENS, "output_tokens": answer.output_tokens},
    }
    if behaviour.cached_tokens:
        usage["cached_tokens"] = min(behaviour.cached_tokens, ask.prompt_tokens)
    return usage


def _message(answer: Answer, sources: list[Source]) -> dict[str, Any]:
    choice = answer.choices[0]
    text = choice.text or choice.refusal
    message: dict[str, Any] = {"role": "assistant"}
    content: list[dict[str, Any]] = []
    if choice.thinking:
        content.append({"type": "thinking", "thinking": choice.thinking})
    if text or not choice.calls:
        content.append({"type": "text", "text": text})
    if content:
        message["content"] = content
    if choice.calls:
        if not choice.thinking:
            message["tool_plan"] = f"I will use the '{choice.calls[0].name}' tool."
        message["tool_calls"] = _calls(answer, choice)
    if sources and text:
        message["citations"] = _citations(text, sources, len(content) - 1)
    return message


def _calls(answer: Answer, choice: Choice) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{call.name}_{answer.digest[8:16]}{at:04x}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for at, call in enumerate(choice.calls)
    ]


def _citations(text: str, sources: list[Source], content_index: int) -> list[dict[str, Any]]:
    """One for each source, one after the other in the text for as long as it lasts."""
    starts = range(0, len(text), _CITED_CHARACTERS)
    return [
        {
            "start": start,
            "end": min(start + _CITED_CHARACTERS, len(text)),
            "text": text[start : start + _CITED_CHARACTERS],
            "sources": [source.shape()],
            "content_index": content_index,
            "type": "TEXT_CONTENT",
        }
        for start, source in zip(starts, sources, strict=False)
    ]


def _events(identity: str, message: dict[str, Any], finish: str, usage: dict[str, Any] | None) -> Iterator[bytes]:
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield b"event: message-start\ndata: %b\n\n" % _encode(
        {"id": identity, "type": "message-start", "delta": {"message": empty}}
    )
    for piece in pieces_of(message.get("tool_plan", "")):
        yield _event("tool-plan-delta", delta={"message": {"tool_plan": piece}})
    for index, part in enumerate(message.get("content", ())):
        yield from _part(index, part, message.get("citations", ()))
    for index, call in enumerate(message.get("tool_calls", ())):
        yield from _call(index, call)
    ending: dict[str, Any] = {"finish_reason": finish}
    if usage is not None:
        ending["usage"] = usage
    yield _event("message-end", delta=ending)
    yield b"data: [DONE]\n\n"


def _part(index: int, part: dict[str, Any], citations: Any) -> Iterator[bytes]:
    """Citations come between the pieces, as soon as what they cite has been said."""
    kind = part["type"]
    yield _event("content-start", index=index, delta={"message": {"content": {"type": kind, kind: ""}}})
    waiting = [(at, one) for at, one in enumerate(citations) if one["content_index"] == index]
    said = 0
    for piece in pieces_of(part[kind]):
        yield _event("content-delta", index=index, delta={"message": {"content": {kind: piece}}})
        said += len(piece)
        while waiting and waiting[0][1]["end"] <= said:
            at, citation = waiting.pop(0)
            yield _event("citation-start", index=at, delta={"message": {"citations": citation}})
            yield _event("citation-end", index=at)
    yield _event("content-end", index=index)


def _call(index: int, call: dict[str, Any]) -> Iterator[bytes]:
    begun = {**call, "function": {**call["function"], "arguments": ""}}
    yield _event("tool-call-start", index=index, delta={"message": {"tool_calls": begun}})
    for piece in pieces_of(call["function"]["arguments"]):
        yield _event(
            "tool-call-delta", index=index, delta={"message": {"tool_calls": {"function": {"arguments": piece}}}}
        )
    yield _event("tool-call-end", index=index)


ROUTES: Final = (Route("POST", "/v2/chat", serve, COHERE),)
