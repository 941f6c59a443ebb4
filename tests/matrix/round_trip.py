"""What of a turn only its provider can check again: signatures, and the calls that results will name. Found by shape, in any dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from onevault.dialects.gemini.signatures import ANY_SIGNATURE

_SIGNATURES = ("signature", "thoughtSignature", "encrypted_content", "redactedContent")


def signatures_in(document: Any) -> list[str]:
    """Every signature and every piece of encrypted reasoning, but for Google's stand-in for one that another model made."""
    return [text for each in _objects(document) for text in _signed(each)]


def _signed(each: dict[str, Any]) -> Iterator[str]:
    for name in _SIGNATURES:
        if isinstance(each.get(name), str) and each[name] != ANY_SIGNATURE:
            yield each[name]
    if each.get("type") == "redacted_thinking":
        yield each["data"]


def calls_in(document: Any) -> list[tuple[str | None, str, Any]]:
    """Every call that the model made: its id, its name, its arguments."""
    return [call for each in _objects(document) if (call := _called(each)) is not None]


def _called(each: dict[str, Any]) -> tuple[str | None, str, Any] | None:
    match each:
        case {"function": {"name": name, "arguments": str() as arguments}}:
            return each.get("id"), name, json.loads(arguments)
        case {"function": {"name": name, "arguments": dict() as arguments}}:
            return each.get("id"), name, arguments
        case {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}:
            return id, name, json.loads(arguments)
        case {"type": "tool_use", "id": id, "name": name, "input": arguments}:
            return id, name, arguments
        case {"functionCall": {"name": name, "args": arguments} as call}:
            return call.get("id"), name, arguments
        case {"toolUse": {"toolUseId": id, "name": name, "input": arguments}}:
            return id, name, arguments
    return None


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
        for inner in document.values():
            yield from _objects(inner)
    elif isinstance(document, list):
        for inner in document:
            yield from _objects(inner)


def results_in(document: Any) -> list[str | None]:
    """The ids of the calls that results are given for."""
    return [call for each in _objects(document) for call in _resulted(each)]


def _resulted(each: dict[str, Any]) -> Iterator[str | None]:
    match each:
        case {"role": "tool"}:
            yield each.get("tool_call_id")
        case {"type": "function_call_output", "call_id": id} | {"type": "tool_result", "tool_use_id": id}:
            yield id
        case {"functionResponse": result}:
            yield result.get("id")
        case {"toolResult": {"toolUseId": id}}:
            yield id
