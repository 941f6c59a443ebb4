"""The shared ledger's Redis stops, dies, comes back with its data or without: who fails closed is refused, who fails open spends its
fallback limit and not a call more, and afterwards the ledger has counted every one of them once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Shell
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, question
from tests.support.redis_server import RedisServer

CONFIG = """
providers:
  oa:
    type: openai
    api_key: sk-simulated-openai
    base_url: {url}/v1
    models:
      - {{name: priced, prices: {{input: 0, output: 1000}}}}
      - {{name: unpriced}}
gateway: {{workers: {workers}}}
"""
TOKENS = 10
CENT = 10_000_000
"""What a call costs, in nanos: it is held for as much as it costs."""
BACK_WITHIN_S = PATIENCE_S
OPEN = {"failure_mode": "fail_open", "fallback_daily_limit": 0.05}
GRANTED = 5


@pytest.fixture
def redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    server = RedisServer(keep=getattr(request, "param", True))
    try:
        yield server.start()
    finally:
        server.remove()


def gateway_on(directory: Path, simulator: SimulatorProcess, redis: RedisServer, *, workers: int = 1) -> GatewayProcess:
    return GatewayProcess(
        directory,
        config=CONFIG.format(url=simulator.base_url, workers=workers),
        environment={"ONEVAULT_REDIS_URL": redis.url},
    )


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess, redis: RedisServer) -> Iterator[GatewayProcess]:
    made = gateway_on(tmp_path, simulator, redis)
    made.start()
    yield made
    if made.process.popen.poll() is None:
        made.kill()
    assert "Traceback" not in made.process.output
    assert '"internal fault"' not in made.process.output


def ask(gateway: GatewayProcess, key: NewKey, model: str = "priced") -> tuple[int, dict[str, str], Any]:
    body = question(model=model, max_tokens=TOKENS, simulate=f"output_tokens={TOKENS}")
    status, headers, answer = http(f"{gateway.base_url}{CHAT}", key=key.api_key, body=body)
    return status, {name.lower(): value for name, value in headers.items()}, answer


def statuses(gateway: GatewayProcess, key: NewKey, calls: int) -> list[int]:
    return [ask(gateway, key)[0] for _ in range(calls)]


def usage(gateway: GatewayProcess, key: NewKey) -> tuple[int, int]:
    """Nanos spent this month, and calls."""
    status, _, found = http(
        f"{gateway.base_url}/admin/organizations/{key.org_id}/usage", key=gateway.credentials["admin_key"]
    )
    return (found["month_usage_nanos"], found["request_count"]) if status == 200 else (-1, -1)


def eventually(condition: Callable[[], bool], what: Callable[[], object]) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < BACK_WITHIN_S, what()
        time.sleep(0.05)


def metric(gateway: GatewayProcess, name: str) -> float:
    text = http(f"{gateway.base_url}/metrics")[2]
    lines = [line for line in str(text).splitlines() if line.startswith(name)]
    return float(lines[0].rpartition(" ")[2])


def verified(gateway: GatewayProcess, redis: RedisServer) -> None:
    said = Shell(gateway.directory)("verify", "ledger", "--json", ONEVAULT_REDIS_URL=redis.url)
    assert said.code == 0, said


def away(redis: RedisServer, how: str) -> None:
    redis.pause() if how == "stopped" else redis.kill()


def back(redis: RedisServer, how: str) -> None:
    if how == "stopped":
        redis.resume()
    else:
        redis.start()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_who_fails_closed_is_refused_and_who_fails_open_spends_its_fallback_limit_exactly_and_it_is_counted_once(
    gateway: GatewayProcess, redis: RedisServer, how: str
) -> None:
    limited = OPEN | {"monthly_budget_usd": 100}
    opened, closed = gateway.new_key(organization=limited), gateway.new_key(organization={"monthly_budget_usd": 100})
    for key in (opened, closed):
        status, headers, _ = ask(gateway, key)
        assert status == 200
        assert "x-gateway-ledger" not in headers
    away(redis, how)
    status, headers, answer = ask(gateway, closed)
    assert (status, answer["error"]["code"]) == (503, "STORE_UNAVAILABLE")
    assert int(headers["retry-after"]) >= 1
    status, _, answer = ask(gateway, opened, "unpriced")
    assert (status, answer["error"]["code"]) == (422, "UNPRICED_MODEL")
    for _ in range(GRANTED):
        status, headers, answer = ask(gateway, opened)
        assert status == 200, answer
        assert headers["x-gateway-ledger"] == "grace"
    status, _, answer = ask(gateway, opened)
    assert (status, answer["error"]["code"]) == (402, "BUDGET_EXCEEDED")
    assert "fallback_daily_limit" in answer["error"]["message"]
    assert ask(gateway, closed)[0] == 503
    health = gateway.admin("/health")
    assert health["components"]["ledger"]["status"] == "failed"
    assert opened.org_id in health["components"]["ledger"]["detail"]
    assert metric(gateway, 'onevault_ledger_mode{mode="grace"}') == 1
    assert metric(gateway, "onevault_grace_calls_total") == GRANTED
    assert metric(gateway, "onevault_grace_cost_usd_total") == GRANTED * 0.01
    back(redis, how)
    counted = (CENT * (GRANTED + 1), GRANTED + 1)
    eventually(lambda: usage(gateway, opened) == counted, lambda: usage(gateway, opened))
    status, headers, _ = ask(gateway, opened)
    assert status == 200, "the shared budget has room, whatever was granted meanwhile"
    assert "x-gateway-ledger" not in headers
    assert ask(gateway, closed)[0] == 200
    assert metric(gateway, 'onevault_ledger_mode{mode="shared"}') == 1
    said = gateway.process.output
    assert said.count('"ledger.degraded"') == said.count('"ledger.restored"') == 3, "the tenant and both organizations"
    assert gateway.stop() == 0
    verified(gateway, redis)


def test_a_restart_forgets_neither_what_was_granted_today_nor_what_is_still_to_be_counted(
    gateway: GatewayProcess, redis: RedisServer
) -> None:
    key = gateway.new_key(organization=OPEN)
    redis.kill()
    assert statuses(gateway, key, 3) == [200] * 3
    gateway.kill()
    gateway.start()
    assert statuses(gateway, key, 3) == [200, 200, 402]
    redis.start()
    counted = (CENT * GRANTED, GRANTED)
    eventually(lambda: usage(gateway, key) == counted, lambda: usage(gateway, key))
    gateway.kill()
    gateway.start()
    assert usage(gateway, key) == counted
    redis.kill()
    assert statuses(gateway, key, 1) == [402], "the day's allowance is used up, in whatever outage"
    redis.start()
    eventually(lambda: ask(gateway, key)[0] == 200, lambda: usage(gateway, key))
    assert usage(gateway, key) == (CENT * (GRANTED + 1), GRANTED + 1)
    assert gateway.stop() == 0
    verified(gateway, redis)


@pytest.mark.parametrize("redis", [False], indirect=True)
def test_a_store_that_comes_back_empty_has_every_grace_call_once_though_the_vault_had_some_of_them(
    gateway: GatewayProcess, redis: RedisServer
) -> None:
    key = gateway.new_key(organization=OPEN)
    assert statuses(gateway, key, 2) == [200, 200]
    redis.kill()
    assert statuses(gateway, key, 3) == [200] * 3
    time.sleep(1)  # the vault has them by then, or not: both must come out the same
    assert statuses(gateway, key, 3) == [200, 200, 402]
    redis.start()
    counted = (CENT * (GRANTED + 2), GRANTED + 2)
    eventually(lambda: usage(gateway, key) == counted, lambda: usage(gateway, key))
    assert ask(gateway, key)[0] == 200
    assert usage(gateway, key) == (CENT * (GRANTED + 3), GRANTED + 3)
    assert gateway.stop() == 0
    verified(gateway, redis)


def test_workers_that_cannot_ask_each_other_grant_no_more_than_the_limit_together(
    tmp_path: Path, simulator: SimulatorProcess, redis: RedisServer
) -> None:
    gateway = gateway_on(tmp_path, simulator, redis, workers=2)
    gateway.start()
    try:
        key = gateway.new_key(organization=OPEN)
        eventually(lambda: ask(gateway, key)[0] == 200, lambda: "the key is known to both")
        before = usage(gateway, key)[1]
        redis.pause()
        served = statuses(gateway, key, 40).count(200)
        redis.resume()
        assert 2 <= served <= 4, "each of two grants two cents of five"
        counted = (CENT * (before + served), before + served)
        eventually(lambda: usage(gateway, key) == counted, lambda: (usage(gateway, key), counted))
    finally:
        gateway.stop()
    verified(gateway, redis)
