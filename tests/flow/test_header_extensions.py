"""Extensions for clients that can set headers but not fields."""

from __future__ import annotations

import pytest

from tests.support.processes import GatewayProcess, http

ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}


def test_metadata_from_a_header_is_kept_with_the_record(gateway: GatewayProcess) -> None:
    _, headers, _ = http(
        f"{gateway.base_url}/v1/chat/completions",
        key=gateway.api_key,
        body=ASKED,
        headers={"x-gateway-metadata": '{"team":"red"}', "x-gateway-providers": "openai", "x-gateway-max-cost": "0.5"},
    )
    call = http(f"{gateway.base_url}/v1/requests/{headers['x-request-id']}", key=gateway.api_key)[2]
    assert call["metadata"] == {"team": "red"}


@pytest.mark.parametrize(
    ("header", "value", "status", "code"),
    [
        ("x-gateway-metadata", "red", 400, "INVALID_REQUEST"),
        ("x-gateway-metadata", '{"team": 1}', 400, "INVALID_REQUEST"),
        ("x-gateway-max-cost", "cheap", 400, "INVALID_REQUEST"),
        ("x-gateway-max-cost", "nan", 400, "INVALID_REQUEST"),
        ("x-gateway-max-cost", "0.000000001", 402, "BUDGET_EXCEEDED"),
        ("x-gateway-providers", "nobody", 400, "INVALID_REQUEST"),
        ("x-gateway-strategy", "cost_optimized", 400, "UNSUPPORTED_PARAMETER"),
        ("x-gateway-cache", "on", 400, "UNSUPPORTED_PARAMETER"),
    ],
)
def test_headers_that_cannot_be_obeyed_are_refused(
    gateway: GatewayProcess, header: str, value: str, status: int, code: str
) -> None:
    got, _, body = http(
        f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body=ASKED, headers={header: value}
    )
    assert (got, body["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("extension", "param"),
    [
        ({"routing": {"strategy": "cost_optimized"}}, "routing.strategy"),
        ({"routing": {"strategy": "quickest"}}, "routing.strategy"),
        ({"routing": {"region": "eu"}}, "routing.region"),
        ({"routing": {"provider": ["openai"]}}, "routing"),
        ({"cache": {"enabled": True}}, "cache.enabled"),
        ({"safety": {"pii_detection": True}}, "safety.pii_detection"),
        ({"budget": {"max_cost_per_request": -1}}, "budget.max_cost_per_request"),
    ],
)
def test_fields_that_cannot_be_obeyed_are_refused_by_name(gateway: GatewayProcess, extension: dict, param: str) -> None:
    got, _, body = http(f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body=ASKED | extension)
    assert got == 400
    assert body["error"]["param"].startswith(param)


def test_extensions_are_taken_out_before_the_provider_sees_the_request(gateway: GatewayProcess) -> None:
    asked = ASKED | {"routing": {"providers": ["openai"], "fallback": False}, "budget": {"max_cost_per_request": 0.5}}
    status, headers, _ = http(f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body=asked)
    assert status == 200
    assert headers["x-gateway-provider"] == "openai"
