"""Requests reach each provider in the form that it takes: schemas closed and without bounds, texts that say something."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest

from onevault.core.faults import Fault
from onevault.dialects.registry import CODECS, INGRESS

CLOSED = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
    "additionalProperties": False,
}
BOUNDED = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "description": "In years", "minimum": 0, "maximum": 150},
        "pet": {"oneOf": [{"$ref": "#/$defs/Cat"}, {"type": "null"}], "discriminator": {"propertyName": "kind"}},
    },
    "required": ["age"],
    "$defs": {"Cat": {"type": "object", "properties": {"lives": {"type": "array", "items": {}, "minItems": 1}}}},
}
FITTED = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "description": "In years\n\n{minimum: 0, maximum: 150}"},
        "pet": {"anyOf": [{"$ref": "#/$defs/Cat"}, {"type": "null"}]},
    },
    "required": ["age"],
    "$defs": {
        "Cat": {
            "type": "object",
            "properties": {"lives": {"type": "array", "items": {}, "minItems": 1}},
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
NAMED = ("response_format.schema.minimum", "response_format.schema.maximum")


def _gemini(schema: dict[str, Any]) -> dict[str, Any]:
    config = {"responseMimeType": "application/json", "responseJsonSchema": schema}
    return {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": config}


def _anthropic(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }


def _sent(caller: str, body: dict[str, Any], target: str, model: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = INGRESS[caller].read(msgspec.json.encode(body)).canonical()
    request = msgspec.structs.replace(request, model=model)
    wire = CODECS[target].encode(request, output_tokens_max=4_096)
    return json.loads(wire.body), wire.dropped


@pytest.mark.parametrize(("caller", "asked"), [("gemini", _gemini), ("anthropic-messages", _anthropic)])
def test_openai_is_strict_about_a_schema_only_where_it_can_be(caller: str, asked: Any) -> None:
    still_open = {name: value for name, value in CLOSED.items() if name != "additionalProperties"}
    for given in (CLOSED, still_open):
        chat, _ = _sent(caller, asked(given), "openai-chat", "gpt-5")
        assert chat["response_format"]["json_schema"] == {"name": "answer", "schema": CLOSED, "strict": True}
    optional = {**CLOSED, "required": []}
    defaulted = {**CLOSED, "properties": {"age": {"type": "integer", "default": 1}}}
    for given in (optional, defaulted, BOUNDED, {"type": "array", "items": {"type": "string"}}):
        chat, _ = _sent(caller, asked(given), "openai-chat", "gpt-5")
        assert chat["response_format"]["json_schema"] == {"name": "answer", "schema": given}
        responses, _ = _sent(caller, asked(given), "openai-responses", "gpt-5")
        assert responses["text"]["format"] == {"type": "json_schema", "name": "answer", "schema": given}


def test_anthropic_gets_closed_objects_and_bounds_in_words() -> None:
    body, dropped = _sent("gemini", _gemini(BOUNDED), "anthropic-messages", "claude-haiku-4-5")
    assert body["output_config"]["format"]["schema"] == FITTED
    assert dropped == NAMED


def test_bedrock_gets_closed_objects_and_bounds_in_words() -> None:
    body, dropped = _sent("gemini", _gemini(BOUNDED), "bedrock-converse", "anthropic.claude-haiku-4-5")
    assert json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == FITTED
    assert dropped == NAMED


@pytest.mark.parametrize("strict", [True, False])
def test_only_a_strict_tool_of_claude_is_fitted(strict: bool) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": BOUNDED, "strict": strict}}
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    anthropic, _ = _sent("openai-chat", asked, "anthropic-messages", "claude-haiku-4-5")
    assert anthropic["tools"][0]["input_schema"] == (FITTED if strict else BOUNDED)
    bedrock, _ = _sent("openai-chat", asked, "bedrock-converse", "anthropic.claude-haiku-4-5")
    assert bedrock["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {"json": FITTED if strict else BOUNDED}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"additionalProperties": False}, {"additionalProperties": False, "type": "object"}),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}, "type": "object"}),
        ({"type": "object", "$ref": "#/$defs/A", "$defs": {"A": {}}}, None),
        ({"type": "string"}, None),
    ],
)
def test_the_schema_of_a_tool_says_that_it_is_an_object_and_of_what(given: dict[str, Any], told: Any) -> None:
    told = given if told is None else told
    tool = {"type": "function", "function": {"name": "f", "parameters": given}}
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    assert _sent("openai-chat", asked, "openai-chat", "m")[0]["tools"][0]["function"]["parameters"] == told
    assert _sent("openai-chat", asked, "openai-responses", "m")[0]["tools"][0]["parameters"] == told
    assert _sent("openai-chat", asked, "anthropic-messages", "m")[0]["tools"][0]["input_schema"] == told
    bedrock = _sent("openai-chat", asked, "bedrock-converse", "anthropic.claude-haiku-4-5")[0]
    assert bedrock["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {"json": told}


@pytest.mark.parametrize("target", ["anthropic-messages", "bedrock-converse"])
def test_white_space_alone_is_nobodys_text(target: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    parts = [{"type": "text", "text": " "}, {"type": "text", "text": "Hi"}]
    asked = {
        "model": "anthropic.claude-haiku-4-5",
        "messages": [
            {"role": "system", "content": "\n"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "\n\n", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "4"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    body, _ = _sent("openai-chat", asked, target, "anthropic.claude-haiku-4-5")
    assert "system" not in body
    user, assistant, _ = body["messages"]
    assert [block["text"] for block in user["content"]] == ([" ", "Hi"] if target == "anthropic-messages" else ["Hi"])
    assert [block.get("text") for block in assistant["content"]] == [None]


def test_a_users_name_that_is_too_long_for_openai_is_told_as_its_hash() -> None:
    for name, told in (("u" * 64, "u" * 64), ("u" * 65, hashlib.sha256(b"u" * 65).hexdigest())):
        asked = {**_anthropic(CLOSED), "metadata": {"user_id": name}}
        for target in ("openai-chat", "openai-responses"):
            body, dropped = _sent("anthropic-messages", asked, target, "gpt-5")
            assert (body["user"], dropped) == (told, ())


@pytest.mark.parametrize(
    ("edits", "carried"),
    [
        ([{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}], True),
        ([], True),
        ([{"type": "clear_thinking_20251015"}, {"type": "compact_20260112"}], False),
    ],
)
def test_clearing_the_context_is_a_hint_and_summing_it_up_is_not(edits: list[dict[str, Any]], carried: bool) -> None:
    asked = {**_anthropic(CLOSED), "context_management": {"edits": edits}}
    if carried:
        assert _sent("anthropic-messages", asked, "gemini", "gemini-3-pro")[1] == ("context_management",)
        return
    with pytest.raises(Fault) as fault:
        _sent("anthropic-messages", asked, "gemini", "gemini-3-pro")
    assert fault.value.param == "context_management"
