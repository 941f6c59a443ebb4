"""Providers' own paths through the gateway: untouched bytes, authenticated, limited, metered, recorded."""

from __future__ import annotations

import json
import time
from typing import Any

import anthropic
import openai
import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http

ASKED = {
    "model": "gpt-4o-mini",
    "max_tokens": 8,
    "messages": [{"role": "user", "content": "Hi"}],
    "unheard_of": {"b": 1, "a": 2},
}


@pytest.fixture
def openai_path(gateway: GatewayProcess) -> str:
    return f"{gateway.base_url}/passthrough/openai/v1"


def record(gateway: GatewayProcess, call_id: str) -> Any:
    return http(f"{gateway.base_url}/v1/requests/{call_id}", key=gateway.api_key)[2]


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_bytes_pass_untouched_and_are_metered(
    gateway: GatewayProcess, simulator: SimulatorProcess, prefix: str
) -> None:
    simulator.reset()
    body = json.dumps(ASKED, indent=3).encode()
    url = f"{gateway.base_url}/passthrough/openai{prefix}/chat/completions"
    status, headers, answer = http(url, key=gateway.api_key, body=body, headers={"x-custom": "kept"})
    direct = http(f"{simulator.base_url}/v1/chat/completions", key="x", body=body)[2]
    assert status == 200
    assert answer == direct
    seen = simulator.calls()[0]
    assert seen["body"] == ASKED
    sent = dict(seen["headers"])
    assert sent["x-custom"] == "kept"
    assert gateway.api_key not in json.dumps(seen)
    call = record(gateway, headers["x-request-id"])
    assert call["usage"]["output_tokens"] == answer["usage"]["completion_tokens"]
    assert call["usage"]["source"] == "provider"
    assert call["cost_nanos"] > 0
    assert (call["provider"], call["model"], call["type"]) == ("openai", "gpt-4o-mini", "chat")


def test_official_sdks_work_through_it(gateway: GatewayProcess, openai_path: str) -> None:
    client = openai.OpenAI(base_url=openai_path, api_key=gateway.api_key, max_retries=0)
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    assert [chunk.usage for chunk in stream][-1] is not None
    claude = anthropic.Anthropic(
        base_url=f"{gateway.base_url}/passthrough/anthropic", api_key=gateway.api_key, max_retries=0
    )
    answer = claude.messages.create(
        model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    )
    assert answer.usage.output_tokens
    with claude.messages.stream(
        model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    ) as told:
        assert told.get_final_text()


def test_a_stream_is_billed_by_its_usage(gateway: GatewayProcess, openai_path: str) -> None:
    body = ASKED | {"stream": True, "stream_options": {"include_usage": True}}
    status, headers, text = http(f"{openai_path}/chat/completions", key=gateway.api_key, body=body)
    assert status == 200
    assert text.rstrip().endswith("data: [DONE]")
    assert "x-gateway-cost" not in text
    call = _settled(gateway, headers["x-request-id"])
    assert call["usage"]["source"] == "provider"
    usage = next(json.loads(line[5:])["usage"] for line in text.splitlines() if '"usage":{' in line)
    assert call["usage"]["output_tokens"] == usage["completion_tokens"]


def test_reading_costs_nothing(gateway: GatewayProcess, openai_path: str) -> None:
    status, headers, listed = http(f"{openai_path}/models", key=gateway.api_key)
    assert status == 200
    assert listed["object"] == "list"
    assert _settled(gateway, headers["x-request-id"])["cost_nanos"] == 0


def test_a_providers_refusal_passes_as_it_is_and_costs_nothing(gateway: GatewayProcess, openai_path: str) -> None:
    body = {"model": "gpt-4o-mini", "messages": "none"}
    status, headers, answer = http(f"{openai_path}/chat/completions", key=gateway.api_key, body=body)
    assert status == 400
    assert answer["error"].keys() >= {"message", "type"}
    assert answer["error"]["code"] != "INVALID_REQUEST"
    assert _settled(gateway, headers["x-request-id"])["cost_nanos"] == 0


def _settled(gateway: GatewayProcess, call_id: str) -> Any:
    for _ in range(100):
        call = record(gateway, call_id)
        if "cost_nanos" in call:
            return call
        time.sleep(0.02)
    raise AssertionError(call)


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/passthrough/nobody/v1/chat/completions", "POST", 404, "NOT_FOUND"),
        ("/passthrough/openai/v1/../../_simulator/calls", "POST", 400, "INVALID_REQUEST"),
        ("/passthrough/openai/v1/%2e%2e/%2e%2e/_simulator/calls", "POST", 400, "INVALID_REQUEST"),
        ("/passthrough/openai/", "POST", 400, "INVALID_REQUEST"),
        ("/passthrough/openai//v1/models", "POST", 400, "INVALID_REQUEST"),
    ],
)
def test_a_path_stays_where_it_belongs(gateway: GatewayProcess, path: str, method: str, status: int, code: str) -> None:
    got, _, answer = http(f"{gateway.base_url}{path}", key=gateway.api_key, body=ASKED, method=method)
    assert (got, answer["error"]["code"]) == (status, code)


def test_nobody_passes_without_a_key(gateway: GatewayProcess, simulator: SimulatorProcess, openai_path: str) -> None:
    simulator.reset()
    assert http(f"{openai_path}/chat/completions", body=ASKED)[0] == 401
    assert http(f"{openai_path}/models", key="gw_live_unknown")[0] == 401
    assert simulator.calls() == []


@pytest.fixture(scope="module")
def tight(gateway: GatewayProcess) -> dict[str, str]:
    return {
        "poor": gateway.new_key(organization={"monthly_budget_usd": 0.000001}).api_key,
        "rich": gateway.new_key(organization={"monthly_budget_usd": 5}).api_key,
        "narrow": gateway.new_key(allowed_models=["gpt-4o"]).api_key,
    }


@pytest.mark.parametrize(
    ("who", "path", "body", "status", "code"),
    [
        ("poor", "/chat/completions", ASKED, 402, "BUDGET_EXCEEDED"),
        ("rich", "/chat/completions", ASKED, 200, None),
        ("rich", "/vector_stores", {"name": "x"}, 422, "UNPRICED_MODEL"),
        ("narrow", "/chat/completions", ASKED, 403, "FORBIDDEN"),
        ("narrow", "/vector_stores", {"name": "x"}, 403, "FORBIDDEN"),
    ],
)
def test_limits_hold_here_too(
    tight: dict[str, str], openai_path: str, who: str, path: str, body: Any, status: int, code: str | None
) -> None:
    got, _, answer = http(f"{openai_path}{path}", key=tight[who], body=body)
    assert (got, (answer.get("error") or {}).get("code")) == (status, code)


def test_an_unknown_path_passes_where_no_budget_applies(gateway: GatewayProcess, openai_path: str) -> None:
    free = gateway.new_key().api_key
    status, _, answer = http(f"{openai_path}/vector_stores", key=free, body={"name": "x"})
    assert status == 404
    assert "INVALID_REQUEST" not in json.dumps(answer)


def test_a_refusal_that_quotes_the_gateways_credential_does_not_show_it(
    gateway: GatewayProcess, openai_path: str
) -> None:
    body = ASKED | {"messages": [{"role": "user", "content": "Hi [[simulate: error=authentication]]"}]}
    status, _, answer = http(f"{openai_path}/chat/completions", key=gateway.api_key, body=body)
    assert status == 401
    assert "sk-simulated-openai" not in json.dumps(answer)


@pytest.mark.parametrize("name", ["models", "fallbacks"])
@pytest.mark.parametrize(("who", "status"), [("rich", 422), ("narrow", 403), ("free", 200)])
def test_a_provider_chooses_the_model_only_where_nothing_depends_on_it(
    gateway: GatewayProcess, tight: dict[str, str], name: str, who: str, status: int
) -> None:
    body = {**ASKED, name: ["gpt-5"]}
    key = tight.get(who) or gateway.new_key().api_key
    for path in ("/v1/chat/completions", "/v1/messages", "/passthrough/openai/v1/chat/completions"):
        got, _, answer = http(f"{gateway.base_url}{path}", key=key, body=body)
        assert got == status, answer


def test_tools_that_are_charged_apart_are_refused_under_a_budget(
    gateway: GatewayProcess, tight: dict[str, str]
) -> None:
    body = {
        "model": "gpt-4o-mini",
        "input": "Hi",
        "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
    }
    status, _, answer = http(f"{gateway.base_url}/v1/responses", key=tight["rich"], body=body)
    assert (status, answer["error"]["code"]) == (422, "UNPRICED_MODEL")
    assert "code_interpreter" in answer["error"]["message"]


def test_a_longer_context_that_is_switched_on_is_held_for(gateway: GatewayProcess) -> None:
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "x" * 1_000_000}],
    }
    held = []
    for headers in ({}, {"anthropic-beta": "context-1m-2025-08-07"}):
        _, told, _ = http(f"{gateway.base_url}/v1/messages", key=gateway.api_key, body=body, headers=headers)
        held.append(record(gateway, told["x-request-id"])["held_usd"])
    assert held[1] > 2 * held[0]


def test_a_content_type_that_is_none_is_refused(gateway: GatewayProcess) -> None:
    for path in ("/passthrough/openai/v1/models", "/v1/audio/transcriptions", "/v1/chat/completions"):
        status, _, answer = http(
            f"{gateway.base_url}{path}", key=gateway.api_key, body=b"{}", headers={"content-type": "text/\u00e9"}
        )
        assert (status, answer["error"]["param"]) == (400, "content-type")
