"""Every kind of limit, set by the admin API, refuses the call that goes past it; those of one provider or model no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http

CONFIG = """
providers:
  one: {{type: openai, api_key: sk-simulated-openai, base_url: "{url}/v1", models: [gpt-4o-mini, gpt-4o]}}
  two: {{type: openai, api_key: sk-simulated-openai, base_url: "{url}/v1", models: [gpt-4o-mini]}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("limits"), config=CONFIG.format(url=simulator.base_url))
    started.start()
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.process.output


def call(gateway: GatewayProcess, key: NewKey, *, model: str = "one/gpt-4o-mini", **more: Any) -> tuple[int, str, Any]:
    body = {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]} | more
    status, headers, document = http(f"{gateway.base_url}/v1/chat/completions", key=key.api_key, body=body)
    return status, "" if status == 200 else document["error"]["code"], headers if status == 200 else document["error"]


LIMITS: list[tuple[dict[str, Any], str, int]] = [
    ({"total_limit_usd": 0.00002}, "BUDGET_EXCEEDED", 402),
    ({"max_cost_per_request_usd": 0.000001}, "BUDGET_EXCEEDED", 402),
    ({"daily_token_limit": 60}, "QUOTA_EXCEEDED", 429),
    ({"monthly_token_limit": 60}, "QUOTA_EXCEEDED", 429),
    ({"daily_request_limit": 1}, "QUOTA_EXCEEDED", 429),
    ({"monthly_request_limit": 1}, "QUOTA_EXCEEDED", 429),
    ({"tokens_per_minute": 60}, "RATE_LIMITED", 429),
    ({"requests_per_minute": 1}, "RATE_LIMITED", 429),
]


def for_organization(limits: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_limit_usd", "_budget_usd"): value for name, value in limits.items()}


def goes_past(gateway: GatewayProcess, key: NewKey, **asked: Any) -> tuple[int, str]:
    for _ in range(4):
        status, code, _ = call(gateway, key, **asked)
        if status != 200:
            return status, code
    return 200, ""


@pytest.mark.parametrize("level", ["organization", "team", "user", "key"])
@pytest.mark.parametrize(("limits", "code", "status"), LIMITS, ids=[next(iter(each[0])) for each in LIMITS])
def test_a_limit_of_any_scope_refuses_what_goes_past_it(
    gateway: GatewayProcess, level: str, limits: dict[str, Any], code: str, status: int
) -> None:
    if level == "organization":
        key = gateway.new_key(organization=for_organization(limits))
    elif level == "user":
        key = gateway.new_key(user=limits)
    elif level == "key":
        key = gateway.new_key(**limits)
    else:
        key = gateway.new_key()
        team = gateway.admin("/teams", {"org_id": key.org_id, "name": "Team"} | limits)
        gateway.admin(f"/users/{key.user_id}", {"team_id": team["team_id"]}, method="PATCH")
    assert goes_past(gateway, key) == (status, code)


@pytest.mark.parametrize(
    "limit",
    [
        {"monthly_limit_usd": 0.00002},
        {"total_limit_usd": 0.00002},
        {"daily_request_limit": 1},
        {"requests_per_minute": 1},
        {"monthly_token_limit": 60},
        {"concurrent_requests": 0},
    ],
    ids=lambda limit: next(iter(limit)),
)
@pytest.mark.parametrize(("field", "name"), [("provider_limits", "one"), ("model_limits", "one/gpt-4o-mini")])
def test_a_limit_for_one_provider_or_model_refuses_nothing_else(
    gateway: GatewayProcess, field: str, name: str, limit: dict[str, Any]
) -> None:
    key = gateway.new_key(organization={field: {name: limit}})
    status, _ = goes_past(gateway, key)
    assert status in (402, 429)
    _, _, error = call(gateway, key)
    assert f"organization for the {field.partition('_')[0]} {name}" in error["message"]
    assert goes_past(gateway, key, model="two/gpt-4o-mini") == (200, "")
    if field == "model_limits":
        assert goes_past(gateway, key, model="one/gpt-4o") == (200, "")


def test_what_one_provider_may_cost_is_counted_where_it_is_spent(gateway: GatewayProcess) -> None:
    key = gateway.new_key(user={"provider_limits": {"one": {"monthly_limit_usd": 1}, "two": {"monthly_limit_usd": 1}}})
    status, _, headers = call(gateway, key, model="gpt-4o-mini")
    assert status == 200
    explained = http(f"{gateway.base_url}/v1/requests/{headers['x-request-id']}", key=key.api_key)[2]
    assert "counts in other limits" in str(explained)
    spent = gateway.admin(f"/users/{key.user_id}/usage")["month_usage_nanos"]
    gateway.admin(
        f"/users/{key.user_id}",
        {"provider_limits": {"one": {"monthly_limit_usd": spent / 1e9}, "two": {"monthly_limit_usd": spent / 1e9}}},
        method="PATCH",
    )
    assert call(gateway, key, model="one/gpt-4o-mini")[1] == "BUDGET_EXCEEDED"


def test_a_caller_may_say_what_its_key_spends_a_day(gateway: GatewayProcess) -> None:
    key = gateway.new_key()
    assert call(gateway, key, budget={"max_cost_per_day": 1})[0] == 200
    spent = http(f"{gateway.base_url}/v1/usage", key=key.api_key)[2]["key"]["day_usage_usd"]
    assert call(gateway, key, budget={"max_cost_per_day": spent})[:2] == (402, "BUDGET_EXCEEDED")
    assert call(gateway, key)[0] == 200
    status, code, error = call(gateway, key, budget={"max_cost_per_day": -1})
    assert (status, code, error["param"]) == (400, "INVALID_REQUEST", "budget.max_cost_per_day")


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider_limits": {"one": {}}},
        {"provider_limits": {"one": {"monthly_limit": 5}}},
        {"provider_limits": {"one": {"monthly_limit_usd": -5}}},
        {"provider_limits": {"one": {"requests_per_minute": 1.5}}},
        {"provider_limits": {"one": 5}},
        {"provider_limits": []},
        {"provider_limits": {"a|b": {"requests_per_minute": 1}}},
        {"model_limits": {f"m{n}": {"requests_per_minute": 1} for n in range(101)}},
        {"daily_token_limit": -1},
        {"total_budget_usd": "much"},
        {"max_cost_per_request_usd": True},
    ],
    ids=str,
)
def test_a_limit_that_is_none_is_refused_with_its_field(gateway: GatewayProcess, wrong: dict[str, Any]) -> None:
    status, _, answer = http(
        f"{gateway.base_url}/admin/organizations",
        key=gateway.credentials["admin_key"],
        body={"name": "Wrong", "monthly_budget_usd": 1} | wrong,
    )
    assert (status, answer["error"]["param"]) == (400, next(iter(wrong)))


def test_limits_are_shown_as_they_were_set_and_last_over_a_restart(own_gateway: GatewayProcess) -> None:
    sets = {"one": {"monthly_limit_usd": 12.5, "requests_per_minute": 60}}
    key = own_gateway.new_key(organization={"provider_limits": sets, "total_budget_usd": 3}, daily_token_limit=7)
    own_gateway.stop()
    own_gateway.start()
    organization = own_gateway.admin(f"/organizations/{key.org_id}")
    assert (organization["provider_limits"], organization["total_budget_usd"]) == (sets, 3)
    assert own_gateway.admin(f"/users/{key.user_id}/api-keys/{key.key_id}")["daily_token_limit"] == 7
    changed = own_gateway.admin(f"/organizations/{key.org_id}", {"provider_limits": None}, method="PATCH")
    assert changed["provider_limits"] is None
