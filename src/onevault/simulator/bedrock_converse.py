"""Bedrock's Converse, whole and as an event stream, and the count of a conversation's tokens.

Written from docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and .../API_runtime_CountTokens.html.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Answer, Choice
from onevault.simulator.bedrock_format import BEDROCK, model_of, with_credentials
from onevault.simulator.bedrock_requests import Prompt, ask_of, prompt_of
from onevault.simulator.bedrock_rules import Block, ConverseRequest, check, read_converse
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.eventstream import EVENT_STREAM, corrupted, event_headers, exception, frame
from onevault.simulator.faults import invalid
from onevault.simulator.reply import Reply
from onevault.simulator.tokens import pieces_of, tokens_of_json
from onevault.simulator.turn import Route, Turn

_FINISH: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tools": "tool_use",
    "stop_sequence": "stop_sequence",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "end_turn",
}
_PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_STREAM_ERROR: Final = exception(
    "modelStreamErrorException",
    b'{"message":"An error occurred while streaming the response. Retry your request.","originalStatusCode":500,'
    b'"originalMessage":"The model has stopped."}',
)
_KINDS: Final = (
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
)
_HEADERS: Final = {kind: event_headers(kind) for kind in _KINDS}
_encode: Final = msgspec.json.encode


@with_credentials
def converse(turn: Turn) -> Reply:
    request, prompt, answer = _answered(turn, stream=False)
    blocks = _blocks(answer, redacted=turn.behaviour.redacted_thinking)
    message = {"role": "assistant", "content": [_whole(block) for block in blocks]}
    whole: Block = {"output": {"message": message}, "stopReason": _stop_reason(request, answer.choices[0])}
    whole |= _metadata(request, prompt, answer, turn.behaviour)
    if answer.choices[0].finish == "stop_sequence":
        whole["additionalModelResponseFields"] = {"stop_sequence": answer.choices[0].stop_sequence}
    return Reply(200, _encode(whole), output_tokens=answer.output_tokens)


@with_credentials
def converse_stream(turn: Turn) -> Reply:
    request, prompt, answer = _answered(turn, stream=True)
    blocks = _blocks(answer, redacted=turn.behaviour.redacted_thinking)
    return Reply(
        200,
        events=_events(request, answer, blocks, _metadata(request, prompt, answer, turn.behaviour)),
        content_type=EVENT_STREAM,
        output_tokens=answer.output_tokens,
        error_event=_STREAM_ERROR,
        broken=corrupted,
    )


@with_credentials
def count_tokens(turn: Turn) -> Reply:
    """Of a conversation, or of the body of an invocation, which counts as the JSON that it is."""
    try:
        given = msgspec.json.decode(turn.request.body).get("input", {})
        turn.enter(model_of(turn))
        if "converse" in given:
            request = msgspec.convert(given["converse"], ConverseRequest)
            check(request)
            tokens = prompt_of(request).tokens
        else:
            tokens = tokens_of_json(msgspec.json.decode(base64.b64decode(given["invokeModel"]["body"])))
    except (msgspec.DecodeError, binascii.Error, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise invalid(
            "1 validation error detected: Value at 'input' must have the member converse or invokeModel"
        ) from None
    return Reply(200, _encode({"inputTokens": tokens}))


def _answered(turn: Turn, *, stream: bool) -> tuple[ConverseRequest, Prompt, Answer]:
    request = read_converse(turn.request.body)
    prompt = prompt_of(request)
    return request, prompt, turn.answer(ask_of(request, model_of(turn), prompt), stream=stream)


def _stop_reason(request: ConverseRequest, choice: Choice) -> str:
    """With a guardrail it is the guardrail that filters."""
    if request.guardrail_config and choice.finish in ("content_filter", "refusal"):
        return "guardrail_intervened"
    return _FINISH[choice.finish]


def _metadata(request: ConverseRequest, prompt: Prompt, answer: Answer, behaviour: Behaviour) -> Block:
    """What the whole answer has beside the message, and a stream at its end."""
    made: Block = {"metrics": {"latencyMs": 100 + int(answer.digest[:3], 16)}}
    if not behaviour.no_usage:
        made["usage"] = _usage(prompt, answer, behaviour)
    if request.performance_config:
        made["performanceConfig"] = {"latency": request.performance_config.get("latency", "standard")}
    if request.service_tier:
        made["serviceTier"] = {"type": request.service_tier.get("type", "default")}
    guardrail = request.guardrail_config or {}
    if guardrail.get("trace") in ("enabled", "enabled_full"):
        made["trace"] = {"guardrail": _trace(request, answer, str(guardrail.get("guardrailIdentifier")))}
    return made


def _trace(request: ConverseRequest, answer: Answer, identity: str) -> Block:
    choice = answer.choices[0]
    blocked = _stop_reason(request, choice) == "guardrail_intervened"
    assessed: Block = {"invocationMetrics": {"guardrailProcessingLatency": 1}}
    if blocked:
        filtered = {"type": "MISCONDUCT", "confidence": "HIGH", "action": "BLOCKED", "detected": True}
        assessed["contentPolicy"] = {"filters": [filtered]}
    return {
        "actionReason": "Guardrail blocked." if blocked else "No action.",
        "inputAssessment": {identity: assessed},
        "modelOutput": [choice.text or choice.refusal],
    }


def _usage(prompt: Prompt, answer: Answer, behaviour: Behaviour) -> Block:
    """`inputTokens` leaves out what was read from the cache and what was written to it; the total has them."""
    read = min(behaviour.cached_tokens, prompt.tokens)
    kept_5m = max(0, prompt.marked_5m - read)
    kept_1h = max(0, prompt.marked_1h - max(0, read - prompt.marked_5m))
    usage: Block = {
        "inputTokens": prompt.tokens - read - kept_5m - kept_1h,
        "outputTokens": answer.output_tokens,
        "totalTokens": prompt.tokens + answer.output_tokens,
        "cacheReadInputTokens": read,
        "cacheReadInputTokenCount": read,
        "cacheWriteInputTokens": kept_5m + kept_1h,
        "cacheWriteInputTokenCount": kept_5m + kept_1h,
        "serverToolUsage": {},
    }
    details = [{"inputTokens": kept, "ttl": ttl} for kept, ttl in ((kept_1h, "1h"), (kept_5m, "5m")) if kept]
    return {**usage, "cacheDetails": details} if details else usage


def _opaque(digest: str, size: int) -> str:
    """Bytes as a model signs its reasoning with; the same for the same request."""
    return base64.b64encode(hashlib.shake_128(digest.encode()).digest(size)).decode()


def _blocks(answer: Answer, *, redacted: bool) -> list[Block]:
    """The content blocks; the input of a tool's use is still text."""
    choice = answer.choices[0]
    blocks: list[Block] = []
    if choice.thinking and redacted:
        blocks.append({"reasoningContent": {"redactedContent": _opaque(answer.digest, 240)}})
    elif choice.thinking:
        signed = {"text": choice.thinking, "signature": _opaque(answer.digest, 120)}
        blocks.append({"reasoningContent": {"reasoningText": signed}})
    if text := choice.text or choice.refusal:
        blocks.append({"text": text})
    for at, call in enumerate(choice.calls):
        use = {"toolUseId": f"tooluse_{answer.digest[8:28]}{at:02x}", "name": call.name, "input": call.arguments}
        blocks.append({"toolUse": use})
    return blocks


def _whole(block: Block) -> Block:
    if "toolUse" not in block:
        return block
    try:
        arguments = msgspec.json.decode(block["toolUse"]["input"])
    except msgspec.DecodeError:  # cut by maxTokens
        arguments = {}
    return {"toolUse": {**block["toolUse"], "input": arguments}}


def _events(request: ConverseRequest, answer: Answer, blocks: list[Block], metadata: Block) -> Iterator[bytes]:
    number = 0

    def event(kind: str, **payload: Any) -> bytes:
        """With padding of changing length, as Bedrock hides the lengths of what it sends."""
        nonlocal number
        number += 1
        payload["p"] = _PADDING[: 1 + (number * 17 + int(answer.digest[0], 16)) % len(_PADDING)]
        return frame(_HEADERS[kind], _encode(payload))

    yield event("messageStart", role="assistant")
    for index, block in enumerate(blocks):
        if "toolUse" in block:
            use = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
            yield event("contentBlockStart", contentBlockIndex=index, start={"toolUse": use})
        for delta in _deltas(block):
            yield event("contentBlockDelta", contentBlockIndex=index, delta=delta)
        yield event("contentBlockStop", contentBlockIndex=index)
    stop: Block = {"stopReason": _stop_reason(request, answer.choices[0])}
    if answer.choices[0].finish == "stop_sequence":
        stop["additionalModelResponseFields"] = {"stop_sequence": answer.choices[0].stop_sequence}
    yield event("messageStop", **stop)
    yield event("metadata", **metadata)


def _deltas(block: Block) -> Iterator[Block]:
    if "text" in block:
        yield from ({"text": piece} for piece in pieces_of(block["text"]))
    elif "toolUse" in block:
        yield from ({"toolUse": {"input": piece}} for piece in pieces_of(block["toolUse"]["input"]))
    elif "redactedContent" in block["reasoningContent"]:
        yield block
    else:
        reasoning = block["reasoningContent"]["reasoningText"]
        yield from ({"reasoningContent": {"text": piece}} for piece in pieces_of(reasoning["text"]))
        yield {"reasoningContent": {"signature": reasoning["signature"]}}


ROUTES: Final = (
    Route("POST", "/model/{model}/converse", converse, BEDROCK),
    Route("POST", "/model/{model}/converse-stream", converse_stream, BEDROCK),
    Route("POST", "/model/{model}/count-tokens", count_tokens, BEDROCK),
)
