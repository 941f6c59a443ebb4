"""A thousand calls at once against budgets and limits: nothing above them is spent, and refusals are clean and free."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import vault_files
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, call, question

CALLS = 1_000
DOLLAR = 1_000_000_000
# Output is nearly all of the price and every answer is as long as its limit, so that a worst case is near to what a call costs.
# Nothing in it is round.
PRICES = "{input: 0.0370011, output: 99.9999371}"
OUTPUT_TOKENS = 97
CONFIG = """
providers:
  oa:
    type: openai
    api_key: sk-simulated-openai
    base_url: {url}/v1
    models:
      - {{name: priced-oa, prices: {prices}}}
      - {{name: unpriced-oa}}
  an:
    type: anthropic
    api_key: sk-ant-simulated
    base_url: {url}
    models:
      - {{name: priced-an, prices: {prices}}}
"""
VARIANTS = {
    "whole": (CHAT, "priced-oa", False),
    "streamed": (CHAT, "priced-oa", True),
    "translated": (CHAT, "priced-an", False),
    "streamed and translated": (MESSAGES, "priced-oa", True),
    "messages": (MESSAGES, "priced-an", False),
    "messages streamed": (MESSAGES, "priced-an", True),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    directory = tmp_path_factory.mktemp("gateway")
    started = GatewayProcess(directory, config=CONFIG.format(url=simulator.base_url, prices=PRICES))
    started.start()
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.process.output
    assert '"internal fault"' not in started.process.output


def affordable_call(variant: str) -> tuple[str, dict[str, Any]]:
    path, model, stream = VARIANTS[variant]
    simulate = f"output_tokens={OUTPUT_TOKENS}; latency_ms=100"
    return path, question(model=model, stream=stream, max_tokens=OUTPUT_TOKENS, simulate=simulate)


async def all_at_once(gateway: GatewayProcess, calls: list[tuple[str, Any, NewKey]]) -> list[Answer]:
    return list(await asyncio.gather(*(call(gateway.port, path, body, key=key.api_key) for path, body, key in calls)))


def upstream_calls(simulator: SimulatorProcess) -> int:
    return int(http(f"{simulator.base_url}/_simulator/stats")[2]["requests"])


def check_refusals(refused: list[Answer]) -> None:
    for answer in refused:
        assert answer.status == 402, bytes(answer.body)
        assert answer.headers["x-should-retry"] == "false"
        error = answer.document["error"]
        if answer.document.get("type") == "error":
            assert error["type"] == "billing_error"
            assert answer.document["request_id"] == answer.call_id
        else:
            assert (error["code"], error["type"]) == ("BUDGET_EXCEEDED", "insufficient_quota")
        assert error["message"].endswith("."), error


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_thousand_calls_at_once_spend_a_dollar_and_no_more(
    gateway: GatewayProcess, simulator: SimulatorProcess, variant: str
) -> None:
    key = gateway.new_key(organization={"monthly_budget_usd": 1})
    before = upstream_calls(simulator)

    answers = await all_at_once(gateway, [(*affordable_call(variant), key)] * CALLS)

    served = [answer for answer in answers if answer.finished]
    check_refusals([answer for answer in answers if not answer.finished])
    assert upstream_calls(simulator) - before == len(served), "a refused call was sent"
    spent = sum(answer.cost_nanos for answer in served)
    assert 0.9 * DOLLAR <= spent <= DOLLAR
    usage = gateway.admin(f"/organizations/{key.org_id}/usage")
    assert (usage["total_usage_nanos"], usage["held_nanos"], usage["overshoot_nanos"]) == (spent, 0, 0)
    assert usage["request_count"] == len(served)
    print(f"\n{variant}: {len(served)} served, {len(answers) - len(served)} refused, {spent / DOLLAR:.9f} of $1.00")


async def test_budgets_of_organization_users_and_keys_all_hold_at_once(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    first = gateway.new_key(
        organization={"monthly_budget_usd": 1, "daily_budget_usd": 0.95},
        user={"monthly_limit_usd": 0.4},
        daily_limit_usd=0.25,
    )
    twin_key = gateway.admin(f"/users/{first.user_id}/api-keys", {})
    twin = NewKey(first.org_id, first.user_id, twin_key["key_id"], twin_key["api_key"])
    other_user = gateway.admin("/users", {"org_id": first.org_id, "email": "other@example.com"})
    other_key = gateway.admin(f"/users/{other_user['user_id']}/api-keys", {"monthly_limit_usd": 0.8})
    other = NewKey(first.org_id, other_user["user_id"], other_key["key_id"], other_key["api_key"])
    before = upstream_calls(simulator)
    variants = list(VARIANTS)

    keys = [(first, twin, other)[number % 3] for number in range(CALLS)]
    calls = [(*affordable_call(variants[number % len(variants)]), key) for number, key in enumerate(keys)]
    answers = await all_at_once(gateway, calls)

    spent: Counter[str] = Counter()
    for answer, key in zip(answers, keys, strict=True):
        if answer.finished:
            spent.update({key.key_id: answer.cost_nanos, key.user_id: answer.cost_nanos, "org": answer.cost_nanos})
    check_refusals([answer for answer in answers if not answer.finished])
    assert upstream_calls(simulator) - before == sum(answer.finished for answer in answers)
    assert spent[first.key_id] <= 0.25 * DOLLAR
    assert 0.9 * 0.4 * DOLLAR <= spent[first.user_id] <= 0.4 * DOLLAR
    assert spent[other.key_id] <= 0.8 * DOLLAR
    assert 0.9 * 0.95 * DOLLAR <= spent["org"] <= 0.95 * DOLLAR
    for user_id in (first.user_id, other.user_id):
        usage = gateway.admin(f"/users/{user_id}/usage")
        assert (usage["total_usage_nanos"], usage["held_nanos"]) == (spent[user_id], 0)
    for key in (first, twin, other):
        own = http(f"{gateway.base_url}/v1/usage", key=key.api_key)[2]["key"]
        assert (own["month_usage_nanos"], own["held_usd"]) == (spent[key.key_id], 0)


async def test_refused_calls_are_recorded_without_cost_or_attempts(gateway: GatewayProcess) -> None:
    key = gateway.new_key(organization={"monthly_budget_usd": 0.00001})
    answers = await all_at_once(gateway, [(*affordable_call(variant), key) for variant in VARIANTS])
    check_refusals(answers)
    for answer in answers:
        seen = http(f"{gateway.base_url}/v1/requests/{answer.call_id}", key=key.api_key)[2]
        assert (seen["status"], seen["fault"]["code"], seen["cost_nanos"]) == ("ERROR", "BUDGET_EXCEEDED", 0)
        assert seen["explain"]["attempts"] == []
    assert {row.held for row in vault_files.rows(gateway.data_dir) if f"key:{key.key_id}" in row.scopes} == {False}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_model_without_a_price_is_refused_where_a_budget_applies_and_served_where_none_does(
    gateway: GatewayProcess, simulator: SimulatorProcess, path: str
) -> None:
    body = question(model="unpriced-oa")
    free, bound = gateway.new_key(), gateway.new_key(user={"daily_limit_usd": 5})
    before = upstream_calls(simulator)

    refused = await call(gateway.port, path, body, key=bound.api_key)
    assert refused.status == 422
    assert refused.error_code == ("UNPRICED_MODEL" if path == CHAT else "invalid_request_error")
    assert upstream_calls(simulator) == before

    served = await call(gateway.port, path, body, key=free.api_key)
    assert (served.status, served.cost_nanos) == (200, 0)


async def test_requests_per_minute_let_exactly_so_many_through_and_say_when_to_come_back(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    key = gateway.new_key(user={"requests_per_minute": 5})
    before = upstream_calls(simulator)
    answers = [await call(gateway.port, CHAT, question(model="priced-oa"), key=key.api_key) for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.headers["x-ratelimit-limit-requests"] for answer in answers] == ["5"] * 5
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["4", "3", "2", "1", "0"]
    assert all(answer.headers["x-ratelimit-reset-requests"].endswith("s") for answer in answers)

    over = await all_at_once(gateway, [(path, question(model="priced-oa"), key) for path in (CHAT, MESSAGES) * 20])
    for answer in over:
        assert answer.status == 429
        assert answer.error_code in ("RATE_LIMITED", "rate_limit_error")
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert 0 < int(answer.headers["retry-after-ms"]) <= 60_000
        assert "x-should-retry" not in answer.headers
    assert upstream_calls(simulator) - before == 5


async def test_calls_at_one_time_are_counted_while_they_run_and_not_after(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    key = gateway.new_key(concurrent_requests=3)
    before = upstream_calls(simulator)
    for stream in (False, True):
        body = question(model="priced-oa", stream=stream, simulate="latency_ms=300")
        answers = await all_at_once(gateway, [(CHAT, body, key)] * 20)
        statuses = Counter(answer.status for answer in answers)
        assert statuses == {200: 3, 429: 17}
        assert {a.headers["retry-after"] for a in answers if a.status == 429} == {"1"}
    assert upstream_calls(simulator) - before == 6


@pytest.mark.parametrize("scope", ["user", "key"])
async def test_a_daily_request_limit_holds_over_a_restart_and_ends_with_a_reset(
    own_gateway: GatewayProcess, scope: str
) -> None:
    limit = {"daily_request_limit": 3}
    key = own_gateway.new_key(user=limit) if scope == "user" else own_gateway.new_key(**limit)

    async def statuses(number: int) -> list[int]:
        return [(await call(own_gateway.port, CHAT, question(), key=key.api_key)).status for _ in range(number)]

    assert await statuses(2) == [200, 200]
    own_gateway.kill()
    own_gateway.start()
    assert await statuses(2) == [200, 429]
    for path, code in ((CHAT, "QUOTA_EXCEEDED"), (MESSAGES, "rate_limit_error")):
        refused = await call(own_gateway.port, path, question(), key=key.api_key)
        assert (refused.status, refused.error_code) == (429, code)
        assert refused.headers["x-should-retry"] == "false"
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
    if scope == "user":
        after = own_gateway.admin(f"/users/{key.user_id}/reset-quota", method="POST")
        assert (after["day_request_count"], after["month_usage_nanos"]) == (0, 0)
        assert after["total_usage_nanos"] > 0
        own_gateway.kill()
        own_gateway.start()
        assert await statuses(4) == [200, 200, 200, 429]


async def test_a_reset_gives_the_user_the_month_again_and_not_the_organization(gateway: GatewayProcess) -> None:
    key = gateway.new_key(organization={"monthly_budget_usd": 0.055}, user={"monthly_limit_usd": 0.025})
    path, body = affordable_call("whole")

    async def served(number: int) -> int:
        return sum(answer.finished for answer in await all_at_once(gateway, [(path, body, key)] * number))

    assert await served(10) == 2  # each costs a little less than $0.01
    gateway.admin(f"/users/{key.user_id}/reset-quota", method="POST")
    assert await served(10) == 2
    gateway.admin(f"/users/{key.user_id}/reset-quota", method="POST")
    assert await served(10) == 1, "the organization's budget is reached"
    usage = gateway.admin(f"/organizations/{key.org_id}/usage")
    assert 5 * 0.0096 * DOLLAR < usage["month_usage_nanos"] <= 0.055 * DOLLAR
