"""OpenAI's chat completions, whole and as a stream of events.

Written from platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Answer, Ask, Choice
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.openai_format import ERROR_EVENT, OPENAI
from onevault.simulator.openai_requests import ChatRequest, ask_of, read_chat
from onevault.simulator.reply import SSE, Reply
from onevault.simulator.tokens import pieces_of
from onevault.simulator.turn import Route, Turn

CREATED_S: Final = 1_750_000_000
_TELL_USAGE_UNASKED: Final = (
    "mistral-",
    "ministral-",
    "magistral-",
    "codestral-",
    "devstral-",
    "pixtral-",
    "open-mistral-",
)
"""Mistral's streams end with their usage; `stream_options` is not among its parameters."""
_FINISH: Final = {
    "stop": "stop",
    "length": "length",
    "tools": "tool_calls",
    "stop_sequence": "stop",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
}
_encode: Final = msgspec.json.encode


def serve(turn: Turn) -> Reply:
    request = read_chat(turn.request.body)
    ask = ask_of(request)
    answer = turn.answer(ask, stream=bool(request.stream))
    return reply_to(request, ask, answer, turn.behaviour)


def reply_to(request: ChatRequest, ask: Ask, answer: Answer, behaviour: Behaviour) -> Reply:
    usage = None if behaviour.no_usage else usage_of(ask, answer, behaviour)
    if not request.stream:
        whole = _whole(request, answer, usage)
        return Reply(200, _encode(whole), output_tokens=answer.output_tokens)
    options = request.stream_options
    unasked = request.model.startswith(_TELL_USAGE_UNASKED)
    with_usage = unasked or (options is not None and bool(options.include_usage))
    events = _events(request, answer, usage, with_usage=with_usage)
    return Reply(200, events=events, content_type=SSE, output_tokens=answer.output_tokens, error_event=ERROR_EVENT)


def usage_of(ask: Ask, answer: Answer, behaviour: Behaviour) -> dict[str, Any]:
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": ask.prompt_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": min(behaviour.cached_tokens, ask.prompt_tokens), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _head(request: ChatRequest, answer: Answer, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{answer.digest[:29]}",
        "object": kind,
        "created": CREATED_S + int(answer.digest[:6], 16),
        "model": request.model,
        "service_tier": "default" if request.service_tier in (None, "auto") else request.service_tier,
        "system_fingerprint": "fp_51a1a700",
    }


def _call_id(answer: Answer, choice: int, call: int) -> str:
    return f"call_{answer.digest[8:28]}{choice:02x}{call:02x}"


def _whole(request: ChatRequest, answer: Answer, usage: dict[str, Any] | None) -> dict[str, Any]:
    whole = _head(request, answer, "chat.completion")
    whole["choices"] = [_choice(request, answer, index, choice) for index, choice in enumerate(answer.choices)]
    if usage is not None:
        whole["usage"] = usage
    return whole


def _choice(request: ChatRequest, answer: Answer, index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls or choice.refusal else choice.text,
        "refusal": choice.refusal or None,
        "annotations": [],
    }
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(answer, index, at),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for at, call in enumerate(choice.calls)
        ]
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(request, choice),
        "finish_reason": _FINISH[choice.finish],
    }


def _logprobs(request: ChatRequest, choice: Choice) -> dict[str, Any] | None:
    if not request.logprobs:
        return None
    top = request.top_logprobs or 0
    rows = [msgspec.Raw(_encode(logprob(piece, top))) for piece in pieces_of(choice.text or choice.refusal)]
    return {"content": rows if choice.text else None, "refusal": rows if choice.refusal else None}


def logprob(piece: str, top: int) -> dict[str, Any]:
    """One token's row: the token itself is the likeliest; the alternatives are the same letters turned around."""
    alternatives = [piece] + [f"{piece[::-1]}{rank}" for rank in range(1, top)]
    rows = [
        {"token": text, "logprob": -0.125 * (rank + 1), "bytes": list(text.encode())}
        for rank, text in enumerate(alternatives)
    ]
    return {**rows[0], "top_logprobs": rows[:top]}


def _events(request: ChatRequest, answer: Answer, usage: dict[str, Any] | None, *, with_usage: bool) -> Iterator[bytes]:
    """One event for each piece of text or arguments; the choices take turns as they would in a real stream."""
    opening = b"data: " + _encode(_head(request, answer, "chat.completion.chunk"))[:-1]
    ending = b',"usage":null}\n\n' if with_usage else b"}\n\n"
    turns = [_deltas(request, answer, index, choice) for index, choice in enumerate(answer.choices)]
    opening += b',"choices":['
    ending = b"]" + ending
    while turns:
        for turn in tuple(turns):
            delta = next(turn, None)
            if delta is None:
                turns.remove(turn)
            else:
                yield opening + delta + ending
    if with_usage and usage is not None:
        yield opening + b'],"usage":' + _encode(usage) + b"}\n\n"
    yield b"data: [DONE]\n\n"


def _deltas(request: ChatRequest, answer: Answer, index: int, choice: Choice) -> Iterator[bytes]:
    opening = b'{"index":%d,"delta":' % index
    ending = b',"logprobs":null,"finish_reason":null}'
    first = {"role": "assistant", "content": None if choice.calls or choice.refusal else "", "refusal": None}
    yield opening + _encode(first) + ending
    for name, text in (("content", choice.text), ("refusal", choice.refusal)):
        start = opening + b'{"%b":' % name.encode()
        if request.logprobs:
            for piece in pieces_of(text):
                logprobs = {"content": None, "refusal": None, name: [logprob(piece, request.top_logprobs or 0)]}
                yield start + _encode(piece) + b'},"logprobs":' + _encode(logprobs) + b',"finish_reason":null}'
        else:
            end = b"}" + ending
            for at in range(0, len(text), 4):
                yield start + _encode(text[at : at + 4]) + end
    for at, call in enumerate(choice.calls):
        head = {
            "index": at,
            "id": _call_id(answer, index, at),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        yield opening + _encode({"tool_calls": [head]}) + ending
        start = opening + b'{"tool_calls":[{"index":%d,"function":{"arguments":' % at
        for piece in pieces_of(call.arguments):
            yield start + _encode(piece) + b"}}]}" + ending
    yield opening + b'{},"logprobs":null,"finish_reason":"' + _FINISH[choice.finish].encode() + b'"}'


ROUTES: Final = (Route("POST", "/v1/chat/completions", serve, OPENAI),)
