"""The events of which a streamed response is made, numbered, from the response that they lead to.

Written from platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.tokens import pieces_of

_encode: Final = msgspec.json.encode
_HIDING: Final = 16
_FAILED_AT: Final = 3
_FAILURE: Final = "The server had an error while processing your request. Sorry about that!"


def failure_of(response: dict[str, Any]) -> bytes:
    """What a stream ends with that the server could not go on with: an error, and the response that failed of it."""
    error = {"code": "server_error", "message": _FAILURE}
    failed = {**response, "status": "failed", "error": error, "output": [], "usage": None, "completed_at": None}
    return _event(_FAILED_AT, "error", **error, param=None) + _event(_FAILED_AT + 1, "response.failed", response=failed)


def events_of(response: dict[str, Any], hiding: str) -> Iterator[bytes]:
    """`hiding` is what the obfuscation of deltas is made of; empty for none."""
    begun = {**response, "status": "in_progress", "completed_at": None, "incomplete_details": None, "output": []}
    begun["usage"] = None
    number = 0
    for name in ("response.created", "response.in_progress"):
        yield _event(number, name, response=begun)
        number += 1
    for index, item in enumerate(response["output"]):
        for name, fields in _item(index, item):
            if hiding and "delta" in fields:
                fields["obfuscation"] = hiding[: _HIDING - len(fields["delta"]) % _HIDING]
            yield _event(number, name, **fields)
            number += 1
    yield _event(number, f"response.{response['status']}", response=response)


def _event(number: int, name: str, **fields: Any) -> bytes:
    data = _encode({"type": name, "sequence_number": number, **fields})
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


Steps = Iterator[tuple[str, dict[str, Any]]]


def _item(index: int, item: dict[str, Any]) -> Steps:
    """The names and fields of one item's events."""
    empty: dict[str, Any]
    match item["type"]:
        case "reasoning":
            empty, steps = {"summary": []}, _reasoning(index, item)
        case "function_call":
            empty, steps = {"arguments": "", "status": "in_progress"}, _call(index, item)
        case _:
            empty, steps = {"content": [], "status": "in_progress"}, _message(index, item)
    yield "response.output_item.added", {"output_index": index, "item": {**item, **empty}}
    yield from steps
    yield "response.output_item.done", {"output_index": index, "item": item}


def _reasoning(index: int, item: dict[str, Any]) -> Steps:
    for at, part in enumerate(item["summary"]):
        place = {"item_id": item["id"], "output_index": index, "summary_index": at}
        yield "response.reasoning_summary_part.added", {**place, "part": {**part, "text": ""}}
        for piece in pieces_of(part["text"]):
            yield "response.reasoning_summary_text.delta", {**place, "delta": piece}
        yield "response.reasoning_summary_text.done", {**place, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**place, "part": part}


def _call(index: int, item: dict[str, Any]) -> Steps:
    place = {"item_id": item["id"], "output_index": index}
    for piece in pieces_of(item["arguments"]):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    yield "response.function_call_arguments.done", {**place, "arguments": item["arguments"]}


def _message(index: int, item: dict[str, Any]) -> Steps:
    for at, part in enumerate(item["content"]):
        place = {"item_id": item["id"], "output_index": index, "content_index": at}
        if part["type"] == "refusal":
            yield "response.content_part.added", {**place, "part": {**part, "refusal": ""}}
            for piece in pieces_of(part["refusal"]):
                yield "response.refusal.delta", {**place, "delta": piece}
            yield "response.refusal.done", {**place, "refusal": part["refusal"]}
        else:
            yield "response.content_part.added", {**place, "part": {**part, "text": "", "logprobs": []}}
            for step, piece in enumerate(pieces_of(part["text"])):
                yield (
                    "response.output_text.delta",
                    {**place, "delta": piece, "logprobs": part["logprobs"][step : step + 1]},
                )
            yield "response.output_text.done", {**place, "text": part["text"], "logprobs": part["logprobs"]}
        yield "response.content_part.done", {**place, "part": part}
