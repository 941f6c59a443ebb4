"""The gateway's own dialect, which has no library: its answers as `docs/decisions/0008-translation.md` has them, in JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs

from tests.matrix.cases import ASKED, TOOLS
from tests.matrix.golden import frames
from tests.matrix.said import Said, joined, without_nothing

_TEXT = {"type": "string"}
_CALL = {
    "type": "object",
    "properties": {
        "index": {"type": "integer", "minimum": 0},
        "id": {"type": "string", "minLength": 1},
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "properties": {"name": _TEXT, "arguments": _TEXT},
            "required": ["arguments"],
            "additionalProperties": False,
        },
        "extra_content": {"type": "object"},
    },
    "required": ["function"],
    "additionalProperties": False,
}
_BLOCK = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"type": {"const": "thinking"}, "thinking": _TEXT, "signature": _TEXT},
            "required": ["type", "thinking", "signature"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"type": {"const": "redacted_thinking"}, "data": _TEXT},
            "required": ["type", "data"],
            "additionalProperties": False,
        },
    ]
}
_SAID = {
    "content": {"type": ["string", "null"]},
    "reasoning": _TEXT,
    "refusal": _TEXT,
    "tool_calls": {"type": "array", "items": _CALL, "minItems": 1},
    "thinking_blocks": {"type": "array", "items": _BLOCK, "minItems": 1},
    "citations": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    "finish_reason": {"enum": ["stop", "length", "tool_calls", "content_filter"]},
}
_COUNT = {"type": "integer", "minimum": 0}
_FACTS = {
    "provider": _TEXT,
    "model": _TEXT,
    "cost": {"type": "number", "minimum": 0},
    "cached": {"type": "boolean"},
    "request_id": _TEXT,
    "route_reason": _TEXT,
    "usage": {
        "type": "object",
        "properties": dict.fromkeys(
            (
                "input_tokens",
                "output_tokens",
                "total_tokens",
                "cache_read_tokens",
                "cache_write_tokens",
                "cache_write_1h_tokens",
                "reasoning_tokens",
            ),
            _COUNT,
        )
        | {"tier": _TEXT},
        "required": ["input_tokens", "output_tokens", "total_tokens"],
        "additionalProperties": False,
    },
}
WHOLE = {
    "type": "object",
    "properties": {"id": _TEXT, "object": {"const": "ai.completion"}, "created": _COUNT, **_SAID, **_FACTS},
    "required": ["id", "object", "created", "content", "finish_reason", *_FACTS],
    "additionalProperties": False,
}
CHUNK = {"type": "object", "properties": _SAID, "minProperties": 1, "additionalProperties": False}
LAST = {
    "type": "object",
    "properties": {"done": {"const": True}, "finish_reason": _SAID["finish_reason"], **_FACTS},
    "required": ["done", "finish_reason", *_FACTS],
    "additionalProperties": False,
}
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"message": _TEXT, "type": _TEXT, "param": {"type": ["string", "null"]}, "code": _TEXT},
            "required": ["message", "type", "param", "code"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}


class OwnClient:
    def whole(self, body: bytes, *, passed: bool = False) -> Said:
        answer = json.loads(body)
        jsonschema_rs.validate(WHOLE, answer)
        return _said([answer])

    def stream(self, body: bytes, *, passed: bool = False) -> Said:
        *chunks, last = frames(body)
        for chunk in chunks:
            jsonschema_rs.validate(CHUNK, chunk)
        jsonschema_rs.validate(LAST, last)
        return _said([*chunks, last])

    def next_request(self, body: bytes) -> dict[str, Any]:
        """The own dialect takes OpenAI's messages; what can be sent back stands in the answer under their names."""
        answer = json.loads(body)
        message = {"role": "assistant"} | {
            name: answer[name] for name in ("content", "reasoning", "tool_calls", "thinking_blocks") if name in answer
        }
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in answer.get("tool_calls", ())
        ]
        return {
            "model": "m",
            "messages": [{"role": "user", "content": ASKED["own"]["prompt"]}, message, *results],
            "tools": TOOLS["own"],
        }


def _said(chunks: list[dict[str, Any]]) -> Said:
    calls: list[list[str]] = []
    for chunk in chunks:
        for call in chunk.get("tool_calls", ()):
            if "id" in call:
                assert call.get("index", len(calls)) == len(calls)
                calls.append([call["id"], call["function"]["name"], ""])
            calls[call.get("index", len(calls) - 1)][2] += call["function"]["arguments"]
    return Said(
        text=joined(chunk.get("content") for chunk in chunks),
        refusal=joined(chunk.get("refusal") for chunk in chunks),
        thinking=joined(chunk.get("reasoning") for chunk in chunks),
        signatures=tuple(
            block.get("signature") or block["data"] for chunk in chunks for block in chunk.get("thinking_blocks", ())
        ),
        calls=tuple((id, name, json.loads(arguments)) for id, name, arguments in calls),
        stop=chunks[-1]["finish_reason"],
        usage=without_nothing(chunks[-1]["usage"]),
    )
