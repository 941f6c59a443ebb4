"""OpenAI's responses: the object that a request is answered with, and the routes to those that are remembered.

Written from platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import msgspec

from onevault.simulator import responses_events
from onevault.simulator.ask import Answer, Ask, Choice
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.faults import Refused, invalid
from onevault.simulator.openai_chat import CREATED_S, logprob
from onevault.simulator.openai_format import OPENAI
from onevault.simulator.reply import SSE, Reply
from onevault.simulator.responses_requests import ENCRYPTED, Item, ResponsesRequest, ask_of, items_of, read_response
from onevault.simulator.tokens import pieces_of
from onevault.simulator.turn import Route, Turn

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_encode: Final = msgspec.json.encode


def serve(turn: Turn) -> Reply:
    request = read_response(turn.request.body)
    conversations = turn.state.conversations
    items = items_of(request, conversations)
    ask = ask_of(request, items)
    answer = turn.answer(ask, stream=bool(request.stream))
    response = response_of(request, ask, answer, turn.behaviour)
    body = _encode(response)
    if request.store is not False:
        conversations.keep(response["id"], items + response["output"], body)
    if not request.stream:
        return Reply(200, body, output_tokens=answer.output_tokens)
    options = request.stream_options
    hidden = options is None or options.include_obfuscation is not False
    return Reply(
        200,
        events=responses_events.events_of(response, answer.digest if hidden else ""),
        content_type=SSE,
        output_tokens=answer.output_tokens,
        error_event=responses_events.failure_of(response),
    )


def retrieve(turn: Turn) -> Reply:
    turn.enter("", known=True)
    kept = turn.state.conversations.response(turn.parts["id"])
    if kept is None:
        raise _unknown(turn.parts["id"])
    return Reply(200, kept)


def delete(turn: Turn) -> Reply:
    turn.enter("", known=True)
    identity = turn.parts["id"]
    if not turn.state.conversations.forget(identity):
        raise _unknown(identity)
    return Reply(200, _encode({"id": identity, "object": "response", "deleted": True}))


def _unknown(identity: str) -> Refused:
    return invalid(f"Response with id '{identity}' not found.", status=404)


def response_of(request: ResponsesRequest, ask: Ask, answer: Answer, behaviour: Behaviour) -> dict[str, Any]:
    """The response as it is when it has ended."""
    choice = answer.choices[0]
    reason = _INCOMPLETE.get(choice.finish)
    created_s = CREATED_S + int(answer.digest[:6], 16)
    reasoning, text = request.reasoning, request.text
    return {
        "id": f"resp_{_identity(answer, 0)}",
        "object": "response",
        "created_at": created_s,
        "status": "incomplete" if reason else "completed",
        "background": False,
        "completed_at": None if reason else created_s + 1,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "model": request.model,
        "output": _output(request, answer, "incomplete" if reason else "completed"),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "safety_identifier": request.safety_identifier,
        "service_tier": "default" if request.service_tier in (None, "auto") else request.service_tier,
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {
            "format": (text and text.format) or {"type": "text"},
            "verbosity": (text and text.verbosity) or "medium",
        },
        "tool_choice": request.tool_choice or "auto",
        "tools": [_completed(tool) for tool in request.tools or ()],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "usage": None if behaviour.no_usage else _usage(ask, answer, behaviour),
        "user": request.user,
        "metadata": request.metadata or {},
    }


def _completed(tool: Item) -> Item:
    """A function tool is given back with the fields that it left out."""
    return {"description": None, "parameters": None, "strict": True, **tool} if tool["type"] == "function" else tool


def _usage(ask: Ask, answer: Answer, behaviour: Behaviour) -> dict[str, Any]:
    return {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": min(behaviour.cached_tokens, ask.prompt_tokens)},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": ask.prompt_tokens + answer.output_tokens,
    }


def _identity(answer: Answer, place: int) -> str:
    return f"{answer.digest}{answer.digest[:14]}{place:02x}"


def _output(request: ResponsesRequest, answer: Answer, status: str) -> list[Item]:
    """Thinking first, then the message or the calls; what a limit cut off altogether is not there."""
    choice = answer.choices[0]
    items: list[Item] = []
    if answer.reasoning_tokens:
        items.append(_reasoning(request, answer, choice))
    if choice.calls:
        for at, call in enumerate(choice.calls, start=len(items)):
            item = {"id": f"fc_{_identity(answer, at)}", "type": "function_call", "status": "completed"}
            item |= {"arguments": call.arguments, "call_id": f"call_{answer.digest[8:28]}{at:04x}", "name": call.name}
            items.append(item)
        items[-1]["status"] = status
    elif choice.finish != "length" or choice.text or choice.refusal:
        parts = [_part(request, choice)]
        message = {"id": f"msg_{_identity(answer, len(items))}", "type": "message", "status": status}
        items.append({**message, "content": parts, "role": "assistant"})
    return items


def _reasoning(request: ResponsesRequest, answer: Answer, choice: Choice) -> Item:
    shown = request.reasoning is not None and request.reasoning.summary is not None
    item: Item = {"id": f"rs_{_identity(answer, 0)}", "type": "reasoning"}
    if request.includes("reasoning.encrypted_content"):
        opaque = hashlib.shake_128(answer.digest.encode()).digest(180)
        item["encrypted_content"] = ENCRYPTED + base64.urlsafe_b64encode(opaque).decode()
    item["summary"] = [{"type": "summary_text", "text": choice.thinking}] if shown else []
    return item


def _part(request: ResponsesRequest, choice: Choice) -> Item:
    if choice.refusal:
        return {"type": "refusal", "refusal": choice.refusal}
    logprobs: list[Any] = []
    if request.includes("message.output_text.logprobs"):
        logprobs = [logprob(piece, request.top_logprobs or 0) for piece in pieces_of(choice.text)]
    return {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": choice.text}


ROUTES: Final = (
    Route("POST", "/v1/responses", serve, OPENAI),
    Route("GET", "/v1/responses/{id}", retrieve, OPENAI),
    Route("DELETE", "/v1/responses/{id}", delete, OPENAI),
)
