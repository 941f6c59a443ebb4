"""Every kind of limit, set by the admin API, refuses the call that goes past it; those of one provider or model no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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


def ask(gateway: GatewayProcess, key: NewKey, *, model: str = "one/gpt-4o-mini", **more: Any) -> tuple[int, Any, Any]:
    body = {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]} | more
    return http(f"{gateway.base_url}/v1/chat/completions", key=key.api_key, body=body)


def call(gateway: GatewayProcess, key: NewKey, *, model: str = "one/gpt-4o-mini", **more: Any) -> tuple[int, str, Any]:
    status, headers, document = ask(gateway, key, model=model, **more)
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
    one, two = gateway.admin(f"/users/{key.user_id}/usage")["targets"]
    assert (one["provider"], one["model"], one["limits"]) == ("one", None, {"monthly_limit_usd": spent / 1e9})
    assert (one["month_usage_nanos"], one["request_count"], one["day_token_count"] > 0) == (spent, 1, True)
    assert (two["provider"], two["month_usage_nanos"], two["request_count"]) == ("two", 0, 0)


@pytest.mark.parametrize("limits", ["provider_limits", "model_limits"])
def test_a_reset_frees_what_one_provider_or_model_has_used_up(own_gateway: GatewayProcess, limits: str) -> None:
    name = "openai" if limits == "provider_limits" else "gpt-4o-mini"
    sets = {limits: {name: {"daily_request_limit": 1, "monthly_token_limit": 200}}}
    key = own_gateway.new_key(user=sets)

    def outcomes() -> list[int]:
        return [call(own_gateway, key, model="gpt-4o-mini")[0] for _ in range(2)]

    assert outcomes() == [200, 429]
    own_gateway.admin(f"/users/{key.user_id}/reset-quota", method="POST")
    assert outcomes() == [200, 429]
    own_gateway.admin(f"/users/{key.user_id}", {limits: None}, method="PATCH")
    own_gateway.admin(f"/users/{key.user_id}/reset-quota", method="POST")
    own_gateway.admin(f"/users/{key.user_id}", sets, method="PATCH")
    assert outcomes() == [200, 429], "set again it goes on from nothing"
    own_gateway.admin(f"/users/{key.user_id}/reset-quota", method="POST")
    own_gateway.kill()
    own_gateway.start()
    assert outcomes() == [200, 429]


def test_a_limit_for_a_provider_that_there_is_not_is_refused_with_what_was_meant(gateway: GatewayProcess) -> None:
    for limits, hint in (
        ({"oen": {"requests_per_minute": 1}}, "one"),
        ({"other": {"requests_per_minute": 1}}, "one, two"),
    ):
        status, _, answer = http(
            f"{gateway.base_url}/admin/organizations",
            key=gateway.credentials["admin_key"],
            body={"name": "Misspelt", "monthly_budget_usd": 1, "provider_limits": limits},
        )
        assert (status, answer["error"]["param"]) == (400, "provider_limits")
        assert hint in answer["error"]["message"]


ZONE = "Asia/Kathmandu"
WINDOWS = {
    "requests_per_minute": 50,
    "daily_request_limit": 60,
    "monthly_request_limit": 70,
    "tokens_per_minute": 50_000,
    "daily_token_limit": 60_000,
    "monthly_token_limit": 70_000,
}
SUFFIXES = ("requests", "requests-day", "requests-month", "tokens", "tokens-day", "tokens-month")


def seconds_of(duration: str) -> float:
    """`23h59m8s` or `12ms`."""
    if duration.endswith("ms"):
        return float(duration[:-2]) / 1000
    parts = re.findall(r"([\d.]+)([hms])", duration)
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)


def until_end_of(window: str) -> float:
    now = datetime.now(ZoneInfo(ZONE))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return (midnight + timedelta(days=1)).timestamp() - now.timestamp()
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp() - now.timestamp()


@pytest.mark.parametrize("level", ["user", "key", "provider_limits", "model_limits"])
def test_an_answer_tells_of_every_limit_and_when_it_is_free_again(gateway: GatewayProcess, level: str) -> None:
    organization = {"time_zone": ZONE} | {name: 1000 * most for name, most in WINDOWS.items()}
    name = {"provider_limits": "one", "model_limits": "gpt-4o-mini"}.get(level, "")
    user = WINDOWS if level == "user" else {level: {name: WINDOWS}} if name else {}
    key = gateway.new_key(organization=organization, user=user, **(WINDOWS if level == "key" else {}))
    used = 0
    for number in (1, 2):
        latest = {window: until_end_of(window) for window in ("day", "month")}
        status, headers, document = ask(gateway, key)
        assert status == 200
        assert [int(headers[f"x-ratelimit-limit-{suffix}"]) for suffix in SUFFIXES] == list(WINDOWS.values())
        left = [int(headers[f"x-ratelimit-remaining-{suffix}"]) for suffix in SUFFIXES]
        used += document["usage"]["total_tokens"]
        assert left == [50 - number, 60 - number, 70 - number, 50_000 - used, 60_000 - used, 70_000 - used]
        for suffix in SUFFIXES:
            resets_s = seconds_of(headers[f"x-ratelimit-reset-{suffix}"])
            window = suffix.partition("-")[2]
            if window:
                assert until_end_of(window) - 1 <= resets_s <= latest[window]
            else:
                assert 0 <= resets_s <= 60


def test_a_streams_headers_have_what_is_held_for_it(gateway: GatewayProcess) -> None:
    key = gateway.new_key(user={"daily_token_limit": 60_000, "monthly_limit_usd": 1})
    status, _, headers = call(gateway, key, stream=True)
    assert status == 200
    assert 0 < 60_000 - int(headers["x-ratelimit-remaining-tokens-day"]) < 1000
    assert float(headers["x-gateway-usage-usd"]) == 0
    assert 0.9 < float(headers["x-gateway-remaining-usd"]) < float(headers["x-gateway-limit-usd"]) == 1


@pytest.mark.parametrize(
    ("limits", "window"),
    [
        ({"requests_per_minute": 1}, "minute"),
        ({"daily_request_limit": 1}, "day"),
        ({"monthly_request_limit": 1}, "month"),
        ({"tokens_per_minute": 200}, "minute"),
        ({"daily_token_limit": 200}, "day"),
        ({"monthly_token_limit": 200}, "month"),
        ({"daily_limit_usd": 0.0001}, "day"),
        ({"monthly_limit_usd": 0.0001}, "month"),
        ({"total_limit_usd": 0.0001}, "never"),
        ({"max_cost_per_request_usd": 0.000001}, "never"),
        ({"daily_token_limit": 5}, "never"),
    ],
    ids=str,
)
def test_who_is_refused_is_told_when_to_come_back(gateway: GatewayProcess, limits: dict[str, Any], window: str) -> None:
    key = gateway.new_key(organization={"time_zone": ZONE}, user=limits)
    headers, told = {}, {"day": "-day", "month": "-month"}.get(window, "")
    for _ in range(40):
        before = headers
        latest = 60.0 if window == "minute" else 0.0 if window == "never" else until_end_of(window)
        status, headers, _ = ask(gateway, key)
        if status != 200:
            break
    assert status in (402, 429)
    limit, maximum = next(iter(limits.items()))
    if limit.startswith("max_cost"):
        assert not [name for name in headers if name.startswith(("x-ratelimit", "x-gateway-l"))]
    elif limit.endswith("_usd"):
        assert float(headers["x-gateway-limit-usd"]) == maximum
        assert headers["x-gateway-remaining-usd"] == before["x-gateway-remaining-usd"]
        assert headers["x-gateway-usage-usd"] == before["x-gateway-usage-usd"]
    else:
        suffix = (
            f"{'tokens' if 'token' in limit else 'requests'}{told or ('-day' if limit == 'daily_token_limit' else '')}"
        )
        assert headers[f"x-ratelimit-limit-{suffix}"] == str(maximum)
        assert headers[f"x-ratelimit-remaining-{suffix}"] == before.get(f"x-ratelimit-remaining-{suffix}", str(maximum))
        assert seconds_of(headers[f"x-ratelimit-reset-{suffix}"]) > 0
    if window == "never":
        assert "retry-after" not in headers
    else:
        soonest = 0 if window == "minute" else until_end_of(window)
        assert soonest <= int(headers["retry-after"]) <= latest + 1
        assert soonest <= int(headers["retry-after-ms"]) / 1000 <= latest + 0.001


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
    sets = {"openai": {"monthly_limit_usd": 12.5, "requests_per_minute": 60}}
    key = own_gateway.new_key(organization={"provider_limits": sets, "total_budget_usd": 3}, daily_token_limit=7)
    own_gateway.stop()
    own_gateway.start()
    organization = own_gateway.admin(f"/organizations/{key.org_id}")
    assert (organization["provider_limits"], organization["total_budget_usd"]) == (sets, 3)
    assert own_gateway.admin(f"/users/{key.user_id}/api-keys/{key.key_id}")["daily_token_limit"] == 7
    changed = own_gateway.admin(f"/organizations/{key.org_id}", {"provider_limits": None}, method="PATCH")
    assert changed["provider_limits"] is None
