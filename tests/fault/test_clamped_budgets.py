"""Budgets that do not cover the worst case: a chat's output is lowered to what is left, exactly, or the call is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, call, question

CALLS = 1_000
DOLLAR = 1_000_000_000
PRICES = "{input: 0.0370011, output: 99.9999371}"
OUTPUT_NANOS = 100_000
"""A token of output, rounded up."""
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
      - {{name: embedding-oa, prices: {{input: 1000, output: 0}}}}
  an:
    type: anthropic
    api_key: sk-ant-simulated
    base_url: {url}
    models:
      - {{name: priced-an, prices: {prices}}}
limits: {{on_insufficient: clamp}}
"""
RESPONSES = "/v1/responses"
GEMINI = "/v1beta/models/priced-oa:generateContent"
VARIANTS = {
    "whole": (CHAT, "priced-oa", False),
    "streamed": (CHAT, "priced-oa", True),
    "translated": (CHAT, "priced-an", False),
    "streamed and translated": (MESSAGES, "priced-oa", True),
    "messages": (MESSAGES, "priced-an", False),
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


def chat(variant: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    path, model, stream = VARIANTS[variant]
    simulate = f"output_tokens={OUTPUT_TOKENS}; latency_ms=50"
    return path, question(model=model, stream=stream, max_tokens=OUTPUT_TOKENS, simulate=simulate) | fields


def limit_told(answer: Answer) -> int | None:
    told = answer.headers.get("x-gateway-output-limit")
    return None if told is None else int(told)


def upstream_calls(simulator: SimulatorProcess) -> int:
    return int(http(f"{simulator.base_url}/_simulator/stats")[2]["requests"])


async def spent_to_the_end(gateway: GatewayProcess, key: NewKey, variant: str, how: str) -> tuple[list[Answer], int]:
    """A thousand calls at once, then one after the other until one is refused; all answers, and what the served ones cost."""
    path, body = chat(variant, budget={"on_insufficient": how})
    answers = list(await asyncio.gather(*(call(gateway.port, path, body, key=key.api_key) for _ in range(CALLS))))
    while True:
        answers.append(await call(gateway.port, path, body, key=key.api_key))
        if not answers[-1].finished:
            break
    assert {answer.status for answer in answers} == {200, 402}
    return answers, sum(answer.cost_nanos for answer in answers if answer.finished)


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_thousand_clamped_calls_at_once_spend_a_dollar_to_the_last_token_and_no_more(
    gateway: GatewayProcess, simulator: SimulatorProcess, variant: str
) -> None:
    refusing, clamping = (gateway.new_key(organization={"monthly_budget_usd": 1}) for _ in range(2))
    rejected, with_reject = await spent_to_the_end(gateway, refusing, variant, "reject")
    before = upstream_calls(simulator)
    clamped, with_clamp = await spent_to_the_end(gateway, clamping, variant, "clamp")

    served = [answer for answer in clamped if answer.finished]
    assert upstream_calls(simulator) - before == len(served), "a refused call was sent"
    assert with_reject < with_clamp <= DOLLAR
    assert DOLLAR - with_clamp < 1.1 * OUTPUT_NANOS, "a token was left that could have been had"
    usage = gateway.admin(f"/organizations/{clamping.org_id}/usage")
    assert (usage["total_usage_nanos"], usage["held_nanos"], usage["overshoot_nanos"]) == (with_clamp, 0, 0)
    limits = [limit for answer in served if (limit := limit_told(answer)) is not None]
    assert limits
    assert all(1 <= limit < OUTPUT_TOKENS for limit in limits)
    assert all(limit_told(answer) is None for answer in rejected)
    print(
        f"\n{variant}: {len(limits)} of {len(served)} clamped; {with_clamp / DOLLAR:.9f}, {with_reject / DOLLAR:.9f} with reject"
    )


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_clamped_call_costs_what_its_limit_does_and_says_so(gateway: GatewayProcess, variant: str) -> None:
    key = gateway.new_key(user={"monthly_limit_usd": 0.0051})
    path, body = chat(variant)
    answer = await call(gateway.port, path, body, key=key.api_key)
    assert answer.finished
    limit = limit_told(answer)
    assert limit is not None
    assert 45 < limit < 51
    seen = http(f"{gateway.base_url}/v1/requests/{answer.call_id}", key=key.api_key)[2]
    assert limit * (OUTPUT_NANOS - 1) < answer.cost_nanos <= 5_100_000
    assert seen["usage"]["output_tokens"] == limit, "the provider was told it"
    assert seen["explain"]["route_reason"].endswith(", output limited by the budget")


@pytest.mark.parametrize(
    ("path", "body", "ended"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "x"}]}, lambda body: body["choices"][0]["finish_reason"] == "length"),
        (MESSAGES, {"messages": [{"role": "user", "content": "x"}], "max_tokens": 500}, lambda body: body["stop_reason"] == "max_tokens"),
        (RESPONSES, {"input": "x"}, lambda body: body["incomplete_details"]["reason"] == "max_output_tokens"),
        (GEMINI, {"contents": [{"parts": [{"text": "x"}]}]}, lambda body: body["candidates"][0]["finishReason"] == "MAX_TOKENS"),
    ],
)  # fmt: skip
async def test_callers_of_every_dialect_are_told_in_their_own_words_that_the_length_ended_the_answer(
    gateway: GatewayProcess, path: str, body: dict[str, Any], ended: Any
) -> None:
    key = gateway.new_key(daily_limit_usd=0.002)
    body = body if path == GEMINI else body | {"model": "priced-oa"}
    answer = await call(
        gateway.port, path, body, key=key.api_key, headers={"x-simulate": f"output_tokens={OUTPUT_TOKENS}"}
    )
    assert answer.status == 200, bytes(answer.body)
    assert 10 < (limit_told(answer) or 0) < 20
    assert ended(answer.document), answer.document


async def test_the_callers_own_budget_clamps_too_and_a_request_may_choose_to_be_refused(
    gateway: GatewayProcess,
) -> None:
    key = gateway.new_key()
    for limit_usd, how, status, told in [
        (0.0011, None, 200, range(5, 11)),
        (0.0011, "reject", 402, None),
        (0.0000001, None, 402, None),
        (1, None, 200, None),
    ]:
        path, body = chat(
            "whole", budget={"max_cost_per_request": limit_usd} | ({"on_insufficient": how} if how else {})
        )
        answer = await call(gateway.port, path, body, key=key.api_key)
        assert answer.status == status
        limit = limit_told(answer)
        assert limit is None if told is None else limit in told
    both = gateway.new_key(organization={"monthly_budget_usd": 0.002})
    path, body = chat("whole", budget={"max_cost_per_request": 0.003})
    answer = await call(gateway.port, path, body, key=both.api_key)
    assert answer.finished
    assert 10 < (limit_told(answer) or 0) < 20, "the budget is tighter than the caller's own"


async def test_each_of_several_choices_is_limited_so_that_all_of_them_are_covered(gateway: GatewayProcess) -> None:
    key = gateway.new_key(user={"daily_limit_usd": 0.0051})
    path, body = chat("whole", n=4)
    answer = await call(gateway.port, path, body, key=key.api_key)
    assert answer.finished
    assert 10 <= (limit_told(answer) or 0) <= 12
    assert answer.cost_nanos <= 5_100_000


async def test_what_has_no_price_or_no_output_to_lower_is_refused_as_ever(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    key = gateway.new_key(user={"daily_limit_usd": 0.000001})
    before = upstream_calls(simulator)
    unpriced = await call(gateway.port, CHAT, question(model="unpriced-oa"), key=key.api_key)
    assert (unpriced.status, unpriced.error_code) == (422, "UNPRICED_MODEL")
    embeddings = {"model": "embedding-oa", "input": "a long text"}
    refused = await call(gateway.port, "/v1/embeddings", embeddings, key=key.api_key)
    assert (refused.status, refused.error_code) == (402, "BUDGET_EXCEEDED")
    wrong = await call(gateway.port, *chat("whole", budget={"on_insufficient": "cut"}), key=key.api_key)
    assert (wrong.status, wrong.document["error"]["param"]) == (400, "budget.on_insufficient")
    assert upstream_calls(simulator) == before


async def test_a_provider_that_refuses_so_small_a_limit_is_quoted_with_where_it_came_from(
    gateway: GatewayProcess,
) -> None:
    key = gateway.new_key(user={"daily_limit_usd": 0.0012})
    path, body = chat("messages", thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2048)
    answer = await call(gateway.port, path, body, key=key.api_key)
    assert answer.status == 400
    assert "The budget left limited the output to " in answer.document["error"]["message"]
    usage = gateway.admin(f"/users/{key.user_id}/usage")
    assert (usage["total_usage_nanos"], usage["held_nanos"]) == (0, 0)
