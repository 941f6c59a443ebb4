"""No request in any format makes the simulator stumble, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.simulator.test_robustness import JSON, OPENAI, SCHEMA, places, replaced

from onevault.simulator.calls import Call
from onevault.simulator.provider import Provider
from onevault.simulator.request import Request
from onevault.simulator.settings import Settings

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
PARTS = [{"type": "text", "text": "u"}, {"type": "image_url", "image_url": {"url": "x:"}}]
RESPONSES = {
    "model": "m",
    "instructions": "s",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "u"}, {"type": "input_image", "image_url": "x:"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAA"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "r"}]},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}, {"type": "web_search"}],
    "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "max_output_tokens": 50,
    "metadata": {"a": "b"},
    "stream": True,
    "stream_options": {"include_obfuscation": True},
}
COMPLETIONS = {
    "model": "m",
    "prompt": ["a", [1, 2]],
    "n": 2,
    "echo": True,
    "logprobs": 2,
    "stop": ["x"],
    "max_tokens": 9,
    "stream": True,
    "stream_options": {"include_usage": True},
}
IMAGES = {
    "model": "gpt-image-1",
    "prompt": "p",
    "n": 1,
    "size": "1024x1024",
    "quality": "low",
    "stream": True,
    "partial_images": 1,
}
SPEECH = {
    "model": "m",
    "input": "hello",
    "voice": {"id": "v"},
    "response_format": "wav",
    "speed": 1.5,
    "stream_format": "sse",
}
MODERATIONS = {
    "model": "m",
    "input": [{"type": "text", "text": "hate"}, {"type": "image_url", "image_url": {"url": "x:"}}],
}
RERANK = {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True}
COHERE = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": PARTS},
        {
            "role": "assistant",
            "tool_plan": "p",
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "document", "document": {"data": {"a": 1}}}]},
    ],
    "tools": [FUNCTION],
    "tool_choice": "REQUIRED",
    "documents": ["d", {"id": "i", "data": {"text": "t"}}],
    "citation_options": {"mode": "FAST"},
    "response_format": {"type": "json_object", "json_schema": SCHEMA},
    "thinking": {"type": "enabled", "token_budget": 9},
    "max_tokens": 50,
    "stop_sequences": ["x"],
    "stream": True,
}
EMBED = {
    "model": "m",
    "inputs": [{"content": PARTS}],
    "input_type": "image",
    "embedding_types": ["int8"],
    "output_dimension": 256,
}
OLLAMA = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "u", "images": ["AAAA"]},
        {"role": "assistant", "thinking": "t", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "tool_name": "f", "content": "r"},
    ],
    "tools": [FUNCTION],
    "format": SCHEMA,
    "think": "low",
    "options": {"num_predict": 50, "stop": ["x"], "temperature": 0.5},
    "logprobs": True,
    "top_logprobs": 1,
}
CLOUDFLARE = {**OPENAI, "model": "openai/m"}
BODIES = {
    "/v1/responses": RESPONSES,
    "/v1/completions": COMPLETIONS,
    "/v1/images/generations": IMAGES,
    "/v1/audio/speech": SPEECH,
    "/v1/moderations": MODERATIONS,
    "/v1/rerank": RERANK,
    "/openai/deployments/m/chat/completions?api-version=1": OPENAI,
    "/compat/chat/completions": CLOUDFLARE,
    "/v2/chat": COHERE,
    "/v2/embed": EMBED,
    "/v2/rerank": RERANK,
    "/api/chat": OLLAMA,
    "/api/embed": {"model": "m", "input": ["a", "b"], "dimensions": 8},
}


@pytest.mark.parametrize("path", BODIES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_request_with_any_value_in_any_place_is_answered_or_refused(path: str, data: st.DataObject) -> None:
    changed: Any = BODIES[path]
    for _ in range(data.draw(st.integers(0, 2))):
        changed = replaced(changed, data.draw(st.sampled_from(places(changed))), data.draw(JSON))
    provider = Provider(Settings())
    request = Request("POST", path.encode(), {b"authorization": b"Bearer key"}, body=json.dumps(changed).encode())
    reply, _ = provider.answer(request, Call("POST", path, 0.0))
    assert reply.status in (200, 400, 422)
    if reply.events is not None:
        sound = reply.content_type.startswith(b"audio/") or all(event.endswith(b"\n") for event in reply.events)
        assert sound
    else:
        json.loads(reply.body)


@pytest.mark.parametrize("path", BODIES)
def test_the_requests_that_are_changed_are_sound_to_begin_with(path: str) -> None:
    body = json.dumps(BODIES[path]).encode()
    request = Request("POST", path.encode(), {b"authorization": b"Bearer key"}, body=body)
    assert Provider(Settings()).answer(request, Call("POST", path, 0.0))[0].status == 200


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b'{"model":"\\ud800"}', b"[" * 100_000], ids=repr
)
def test_a_body_that_is_no_object_is_refused(path: str, body: bytes) -> None:
    request = Request("POST", path.encode(), {b"authorization": b"Bearer key"}, body=body)
    reply, _ = Provider(Settings()).answer(request, Call("POST", path, 0.0))
    assert reply.status in (400, 422)
    json.loads(reply.body)
