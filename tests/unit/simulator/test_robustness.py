"""No request makes the simulator stumble, whatever is in it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.simulator.conftest import CHAT, MESSAGES

from onevault.simulator.calls import Call
from onevault.simulator.provider import Provider
from onevault.simulator.request import Request
from onevault.simulator.settings import Settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "function", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "array", "items": {"type": "string", "pattern": "^a+$"}, "minItems": 1},
        "b": {"enum": [1]},
    },
    "required": ["a"],
    "$defs": {"x": {"anyOf": [{"type": "integer", "minimum": 1}, {"allOf": [{"type": "null"}]}]}},
}
OPENAI = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "t"}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "u"}, {"type": "image_url", "image_url": {"url": "x:"}}],
        },
    ],
    "n": 2,
    "stop": ["x"],
    "max_tokens": 50,
    "logprobs": True,
    "top_logprobs": 2,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "stream": True,
    "stream_options": {"include_usage": True},
}
ANTHROPIC = {
    "model": "m",
    "max_tokens": 2000,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "u"}, {"type": "image", "source": {"url": "x:"}}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "r"}]}],
        },
    ],
    "tools": [{"name": "f", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "stop_sequences": ["x"],
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "stream": True,
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, member in members for place in places(member, (*path, key))]


def replaced(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    target = changed
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, OPENAI), (MESSAGES, ANTHROPIC), ("/v1/messages/count_tokens", ANTHROPIC)]
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_request_with_any_value_in_any_place_is_answered_or_refused(
    path: str, body: dict[str, Any], data: st.DataObject
) -> None:
    changed = body
    for _ in range(data.draw(st.integers(0, 2))):
        changed = replaced(changed, data.draw(st.sampled_from(places(changed))), data.draw(JSON))
    provider = Provider(Settings())
    request = Request("POST", path.encode(), {b"authorization": b"Bearer key"}, body=json.dumps(changed).encode())
    reply, _ = provider.answer(request, Call("POST", path, 0.0))
    assert reply.status in (200, 400)
    if reply.events is not None:
        assert all(event.endswith(b"\n\n") for event in reply.events)
    else:
        json.loads(reply.body)


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='[]";=: \\simulate text0123.é', max_size=40))
def test_any_directives_are_followed_or_refused(text: str) -> None:
    provider = Provider(Settings())
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"[[simulate:{text}]]"}]}).encode()
    request = Request("POST", CHAT.encode(), {b"authorization": b"Bearer key", b"x-simulate": text.encode()}, body=body)
    reply, _ = provider.answer(request, Call("POST", CHAT, 0.0))
    assert reply.status in (200, 400)


def test_without_directives_a_text_is_only_text() -> None:
    provider = Provider(Settings(directives=False))
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "[[simulate: error=500]]"}]}).encode()
    request = Request("POST", CHAT.encode(), {b"authorization": b"Bearer key", b"x-simulate": b"error=500"}, body=body)
    assert provider.answer(request, Call("POST", CHAT, 0.0))[0].status == 200
