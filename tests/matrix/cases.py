"""What the matrix is made of: who calls, who is called, and the fixtures of both sides."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from onevault.core.codec import Incoming, RequestLine
from onevault.dialects.registry import INGRESS

GOLDEN = Path(__file__).parents[1] / "golden"

CALLERS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini", "own")

MODELS = {
    "openai-chat": "gpt-5-mini",
    "openai-responses": "gpt-5-mini",
    "anthropic-messages": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro-preview",
    "bedrock-converse": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere-chat": "command-a-03-2025",
    "ollama-chat": "gpt-oss:20b",
}
"""Each target with the model that it is asked for; some write a thing as the model's family wants it."""

TARGETS = tuple(MODELS)
PAIRS = tuple((caller, target) for caller in CALLERS for target in TARGETS)

ASKED: dict[str, dict[str, Any]] = {
    "openai-chat": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    "openai-responses": {"model": "m", "input": "x"},
    "anthropic-messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
    "own": {"model": "m", "prompt": "x"},
}
"""The least that a caller can ask."""

_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_FUNCTION = {"name": "get_weather", "description": "The weather of a city.", "parameters": _SCHEMA}
TOOLS: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [{"type": "function", "function": _FUNCTION}],
    "openai-responses": [{"type": "function", **_FUNCTION, "strict": False}],
    "anthropic-messages": [{"name": "get_weather", "description": "The weather of a city.", "input_schema": _SCHEMA}],
    "gemini": [{"functionDeclarations": [_FUNCTION]}],
    "own": [{"type": "function", "function": _FUNCTION}],
}
"""One tool, as each caller says it."""


@lru_cache(maxsize=16)
def _fixtures(path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / path).read_text(encoding="utf-8"))
    return document


def requests_of(caller: str) -> dict[str, Any]:
    """Bodies by case."""
    return _fixtures(f"caller/{caller}.json")


def answers_of(target: str, form: str) -> dict[str, bytes]:
    """A provider's answers by case; `form` is `whole` or `stream`."""
    return {case: _bytes(given) for case, given in _fixtures(f"provider/{target}.json")[form].items()}


def errors_of(target: str) -> dict[str, tuple[int, dict[str, str], bytes]]:
    """A provider's error answers by case: status, headers, body."""
    errors = _fixtures(f"provider/{target}.json")["errors"]
    return {case: (error["status"], error["headers"], _bytes(error["body"])) for case, error in errors.items()}


def thinking_with_calls(target: str) -> bytes:
    """A provider's whole answer that thinks, signs it, and calls two tools."""
    return _bytes(_fixtures("round_trips.json")[target])


def _bytes(given: Any) -> bytes:
    if isinstance(given, dict) and set(given) == {"base64"}:
        return base64.b64decode(given["base64"])
    if isinstance(given, str):
        return given.encode()
    return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()


def read(caller: str, body: dict[str, Any], *, stream: bool = False) -> Incoming:
    """A caller's request; the dialects that say in the body whether they want a stream are made to."""
    if caller == "gemini":
        verb, query = ("streamGenerateContent", {"alt": "sse"}) if stream else ("generateContent", {})
        line = RequestLine(path=f"/v1beta/models/gemini-2.5-pro:{verb}", query=query)
        return INGRESS[caller].read(json.dumps(body, ensure_ascii=False).encode(), line)
    if stream:
        body = {**body, "stream": True}
        if caller == "openai-chat":
            body["stream_options"] = {"include_usage": True}
    return INGRESS[caller].read(json.dumps(body, ensure_ascii=False).encode())
