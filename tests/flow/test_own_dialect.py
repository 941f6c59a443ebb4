"""The gateway's own dialect: a prompt in, an answer out that tells who gave it and what it cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http

FACTS = {"provider", "model", "cost", "cached", "request_id", "usage", "route_reason"}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def asked(gateway: GatewayProcess, body: Any, path: str = "/v1/ai/completions") -> tuple[int, dict[str, str], Any]:
    return http(f"{gateway.base_url}{path}", key=gateway.api_key, body=body)


def frames(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:")]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
def test_a_prompt_is_answered_with_what_it_cost(gateway: GatewayProcess, model: str) -> None:
    body = {"prompt": "Hello", "type": "greeting", "priority": "Standard", "max_cost": 0.5, "model": model}
    status, headers, answer = asked(gateway, body)
    assert status == 200
    assert answer.keys() >= FACTS | {"id", "object", "created", "content", "finish_reason"}
    assert answer["content"]
    assert answer["model"] == headers["x-gateway-model"] == model
    assert answer["provider"] == headers["x-gateway-provider"]
    assert answer["cost"] == float(headers["x-gateway-cost-usd"]) > 0
    assert answer["request_id"] == headers["x-request-id"]
    call = http(f"{gateway.base_url}/v1/requests/{answer['request_id']}", key=gateway.api_key)[2]
    assert (call["metadata"], call["dialect"]) == ({"type": "greeting", "priority": "standard"}, "own")
    assert call["usage"]["output_tokens"] == answer["usage"]["output_tokens"]


def test_no_model_means_that_the_gateway_decides(gateway: GatewayProcess) -> None:
    answer = asked(gateway, {"prompt": "Hello"})[2]
    assert answer["provider"]
    assert answer["model"]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
def test_a_stream_ends_with_what_it_cost(gateway: GatewayProcess, model: str) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "model": model, "stream": True}
    status, headers, text = asked(gateway, body)
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    *chunks, last = frames(text)
    assert "".join(chunk.get("content", "") for chunk in chunks)
    assert last["done"] is True
    assert last["finish_reason"] == "stop"
    assert last.keys() >= FACTS
    assert last["cost"] > 0
    whole = asked(gateway, body | {"stream": False})[2]
    assert whole["content"] == "".join(chunk.get("content", "") for chunk in chunks)
    assert whole["usage"] == last["usage"]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
@pytest.mark.parametrize("stream", [False, True])
def test_parallel_tool_calls_come_apart(gateway: GatewayProcess, model: str, stream: bool) -> None:
    body = {"prompt": "Weather? [[simulate: tools=2]]", "model": model, "tools": [TOOL], "stream": stream}
    got = asked(gateway, body)[2]
    calls: list[dict[str, Any]] = []
    if stream:
        for delta in (delta for chunk in frames(got) for delta in chunk.get("tool_calls", ())):
            if "id" in delta:
                calls.append(delta)
            else:
                calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]
    else:
        calls = got["tool_calls"]
    assert len(calls) == len({call["id"] for call in calls}) == 2
    assert [json.loads(call["function"]["arguments"]).keys() for call in calls] == [{"city"}, {"city"}]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 400, "INVALID_REQUEST", "prompt"),
        ({"prompt": ""}, 400, "INVALID_REQUEST", "prompt"),
        ({"prompt": "a", "messages": []}, 400, "INVALID_REQUEST", "prompt"),
        ({"messages": [{"role": "user", "content": 3}]}, 400, "INVALID_REQUEST", "messages[0].content"),
        ({"system": "s", "messages": [{"role": "user", "content": 3}]}, 400, "INVALID_REQUEST", "messages[0].content"),
        ({"prompt": "a", "priority": "hot"}, 400, "INVALID_REQUEST", "priority"),
        ({"prompt": "a", "max_cost": -1}, 400, "INVALID_REQUEST", "max_cost"),
        ({"prompt": "a", "max_cost": 1e-9}, 402, "BUDGET_EXCEEDED", "budget.max_cost_per_request"),
        ({"prompt": "a", "options": {}}, 400, "INVALID_REQUEST", "options"),
        ({"prompt": "a", "model": "gpt-4o-mimi"}, 404, "MODEL_NOT_FOUND", "model"),
    ],
)
def test_what_is_wrong_is_named(gateway: GatewayProcess, body: Any, status: int, code: str, param: str) -> None:
    got, _, answer = asked(gateway, body)
    assert (got, answer["error"]["code"], answer["error"]["param"]) == (status, code, param)


def test_generate_takes_options_and_gives_text(gateway: GatewayProcess) -> None:
    body = {"prompt": "Hello", "options": {"model": "gpt-4o-mini", "max_tokens": 5, "temperature": 0.2}}
    status, _, answer = asked(gateway, body, "/api/v1/ai/generate")
    assert status == 200
    assert answer["text"] == answer["content"]
    assert answer["usage"]["output_tokens"] <= 5
    status, _, answer = asked(gateway, {"prompt": "Hello", "options": {"heat": 1}}, "/api/v1/ai/generate")
    assert (status, answer["error"]["param"]) == (400, "options.heat")


def test_embeddings_tell_what_they_cost(gateway: GatewayProcess) -> None:
    body = {"input": ["one", "two"], "model": "text-embedding-3-small"}
    status, headers, answer = asked(gateway, body, "/v1/ai/embeddings")
    assert status == 200
    assert [entry["index"] for entry in answer["data"]] == [0, 1]
    assert answer["cost"] == float(headers["x-gateway-cost-usd"])
    assert answer["provider"] == "openai"


def test_images_tell_what_they_cost(gateway: GatewayProcess) -> None:
    body = {"prompt": "A cat", "model": "gpt-image-1", "size": "1024x1024"}
    status, headers, answer = asked(gateway, body, "/v1/ai/images/generations")
    assert status == 200
    assert answer["data"][0]["b64_json"]
    assert answer["cost"] == float(headers["x-gateway-cost-usd"]) > 0


def test_models_are_listed(gateway: GatewayProcess) -> None:
    status, _, listed = http(f"{gateway.base_url}/v1/ai/models", key=gateway.api_key)
    assert status == 200
    assert {"gpt-4o-mini", "claude-haiku-4-5"} <= {model["id"] for model in listed["data"]}


def test_health_says_who_can_be_reached(gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    status, _, health = http(f"{gateway.base_url}/api/v1/ai/health", key=gateway.api_key)
    assert (status, health["status"]) == (200, "healthy")
    assert {provider["name"] for provider in health["providers"]} == {"openai", "anthropic"}
    assert http(f"{gateway.base_url}/api/v1/ai/health")[0] == 401
