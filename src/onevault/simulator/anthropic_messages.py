"""Anthropic's messages, whole and as a stream of events.

Written from docs.anthropic.com/en/api/messages and docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.anthropic_format import ANTHROPIC, ERROR_EVENT
from onevault.simulator.anthropic_requests import (
    MessagesRequest,
    Prompt,
    ask_of,
    prompt_of,
    read_count,
    read_messages,
)
from onevault.simulator.ask import Answer, Choice
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.reply import SSE, Reply
from onevault.simulator.tokens import pieces_of
from onevault.simulator.turn import Route, Turn

_FINISH: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tools": "tool_use",
    "stop_sequence": "stop_sequence",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_encode: Final = msgspec.json.encode
_PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'


def serve(turn: Turn) -> Reply:
    request = read_messages(turn.request.body)
    prompt = prompt_of(request)
    answer = turn.answer(ask_of(request, prompt), stream=bool(request.stream))
    return reply_to(request, prompt, answer, turn.behaviour)


def count_tokens(turn: Turn) -> Reply:
    request = read_count(turn.request.body)
    turn.enter(request.model)
    return Reply(200, _encode({"input_tokens": prompt_of(request).tokens}))


def reply_to(request: MessagesRequest, prompt: Prompt, answer: Answer, behaviour: Behaviour) -> Reply:
    usage = None if behaviour.no_usage else _usage(prompt, answer, behaviour)
    blocks = _blocks(answer, redacted=behaviour.redacted_thinking)
    if request.stream:
        events = _events(request, answer, blocks, usage)
        return Reply(200, events=events, content_type=SSE, output_tokens=answer.output_tokens, error_event=ERROR_EVENT)
    message = _message(request, answer, [_whole(block) for block in blocks])
    message.update(_ending(answer.choices[0]))
    if usage is not None:
        message["usage"] = usage
    return Reply(200, _encode(message), output_tokens=answer.output_tokens)


def _usage(prompt: Prompt, answer: Answer, behaviour: Behaviour) -> dict[str, Any]:
    """`cached_tokens` of the behaviour are read from the cache first; what else the marks cover is written to it."""
    read = min(behaviour.cached_tokens, prompt.tokens)
    kept_5m = max(0, prompt.marked_5m - read)
    kept_1h = max(0, prompt.marked_1h - max(0, read - prompt.marked_5m))
    usage = {
        "input_tokens": prompt.tokens - read - kept_5m - kept_1h,
        "cache_creation_input_tokens": kept_5m + kept_1h,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": kept_5m, "ephemeral_1h_input_tokens": kept_1h},
        "output_tokens": answer.output_tokens,
        "service_tier": "standard",
    }
    if answer.reasoning_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": answer.reasoning_tokens}
    return usage


def _message(request: MessagesRequest, answer: Answer, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.digest[:24]}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _ending(choice: Choice) -> dict[str, Any]:
    reason = _FINISH[choice.finish]
    ending: dict[str, Any] = {"stop_reason": reason, "stop_sequence": choice.stop_sequence}
    if reason == "refusal":
        ending["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return ending


def _signature(digest: str, size: int) -> str:
    """Opaque bytes as a provider signs its thinking with; the same for the same request."""
    return base64.b64encode(hashlib.shake_128(digest.encode()).digest(size)).decode()


def _blocks(answer: Answer, *, redacted: bool) -> list[dict[str, Any]]:
    """The content blocks; a tool call's arguments are still text, under `arguments`."""
    choice = answer.choices[0]
    blocks: list[dict[str, Any]] = []
    if choice.thinking and redacted:
        blocks.append({"type": "redacted_thinking", "data": _signature(answer.digest, 240)})
    elif choice.thinking:
        signature = _signature(answer.digest, 120)
        blocks.append({"type": "thinking", "thinking": choice.thinking, "signature": signature})
    text = choice.text or choice.refusal
    if text:
        blocks.append({"type": "text", "text": text})
    for at, call in enumerate(choice.calls):
        identity = f"toolu_{answer.digest[8:28]}{at:04x}"
        blocks.append({"type": "tool_use", "id": identity, "name": call.name, "arguments": call.arguments})
    return blocks


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] != "tool_use":
        return block
    try:
        arguments = msgspec.json.decode(block["arguments"])
    except msgspec.DecodeError:  # cut by max_tokens
        arguments = {}
    return {"type": "tool_use", "id": block["id"], "name": block["name"], "input": arguments}


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **data}))


def _events(
    request: MessagesRequest, answer: Answer, blocks: list[dict[str, Any]], usage: dict[str, Any] | None
) -> Iterator[bytes]:
    message = _message(request, answer, [])
    if usage is not None:
        opening = {key: value for key, value in usage.items() if key != "output_tokens_details"}
        message["usage"] = {**opening, "output_tokens": min(1, answer.output_tokens)}
    yield _event("message_start", {"message": message})
    for index, block in enumerate(blocks):
        yield _event("content_block_start", {"index": index, "content_block": _empty(block)})
        if index == 0:
            yield _PING
        yield from _deltas(index, block)
        yield _event("content_block_stop", {"index": index})
    ending: dict[str, Any] = {"delta": _ending(answer.choices[0])}
    if usage is not None:
        skipped = ("cache_creation", "service_tier")
        ending["usage"] = {key: value for key, value in usage.items() if key not in skipped}
    yield _event("message_delta", ending)
    yield _event("message_stop", {})


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    match block["type"]:
        case "text":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use":
            return {"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}
        case _:
            return block


def _deltas(index: int, block: dict[str, Any]) -> Iterator[bytes]:
    match block["type"]:
        case "text":
            yield from _pieces(index, "text_delta", "text", block["text"])
        case "thinking":
            yield from _pieces(index, "thinking_delta", "thinking", block["thinking"])
            yield from _pieces(index, "signature_delta", "signature", block["signature"], whole=True)
        case "tool_use":
            yield from _pieces(index, "input_json_delta", "partial_json", "", whole=True)
            yield from _pieces(index, "input_json_delta", "partial_json", block["arguments"])


def _pieces(index: int, kind: str, field: str, text: str, *, whole: bool = False) -> Iterator[bytes]:
    """One event for each piece of the text, or one for all of it."""
    opening = (
        f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{index},'
        f'"delta":{{"type":"{kind}","{field}":'
    ).encode()
    for piece in [text] if whole else pieces_of(text):
        yield opening + _encode(piece) + b"}}\n\n"


ROUTES: Final = (
    Route("POST", "/v1/messages", serve, ANTHROPIC),
    Route("POST", "/v1/messages/count_tokens", count_tokens, ANTHROPIC),
)
