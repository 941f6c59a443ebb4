"""Several processes on one Redis: exact together, also where one is killed, the store stops, or it loses all it had."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fault.conftest import LONG
from tests.support import vault_files
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, Answer, begin, call, connect, question
from tests.support.redis_server import RedisServer

WORKERS = 4 if LONG else 2
CALLS = 10_000 if LONG else 1_500
OUTPUT_TOKENS = 3 if LONG else 20
"""The budget is enough for a third of the calls."""
CONNECTED_TOGETHER = 500
AT_ONCE = 500
DOLLAR = 1_000_000_000
ALL_ANSWERED_WITHIN_S = 500.0
KNOWN_EVERYWHERE_S = 1.0
"""What is promised of every change."""
CONFIG = """
gateway: {{workers: {workers}, drain_timeout: 2, redis_url: "{redis}"}}
providers:
  oa:
    type: openai
    api_key: sk-simulated-openai
    base_url: {url}/v1
    models:
      - {{name: priced-oa, prices: {{input: 0.0370011, output: 99.9999371}}}}
"""


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess, redis: RedisServer) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path, config=CONFIG.format(url=simulator.base_url, redis=redis.url, workers=WORKERS))
    made.start()
    until(lambda: sum(listens(each, made.port) for each in workers_of(made)) == WORKERS)
    yield made
    if made.process.popen.poll() is None:
        assert made.stop() == 0, made.process.output
    assert "Traceback" not in made.process.output
    assert '"internal fault"' not in made.process.output


def until(what: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """What it gives as soon as that is something."""
    deadline = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)
    return found


async def eventually(what: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """As `until`, while calls go on."""
    return await asyncio.to_thread(until, what, within_s)


def new_key(gateway: GatewayProcess, **limits: Any) -> NewKey:
    """One that every worker knows: it was made at one of them."""
    made = gateway.new_key(**limits)
    time.sleep(KNOWN_EVERYWHERE_S)
    return made


def workers_of(gateway: GatewayProcess) -> list[psutil.Process]:
    return psutil.Process(gateway.process.popen.pid).children()


def listens(process: psutil.Process, port: int) -> bool:
    """Whether the system gives it connections of this address."""
    try:
        return any(each.laddr.port == port and each.status == "LISTEN" for each in process.net_connections())
    except psutil.Error:
        return False  # it has just ended


def metrics_of(gateway: GatewayProcess) -> set[str]:
    """The workers whose metrics are shown, by whichever is asked."""
    text = http(f"{gateway.base_url}/metrics", raw=True)[2]
    return set(re.findall(r'onevault_calls_in_flight\{worker="(\d+)"\}', text))


def affordable(output_tokens: int = 97, **more: Any) -> dict[str, Any]:
    simulate = f"output_tokens={output_tokens}; latency_ms=50"
    return question(model="priced-oa", max_tokens=output_tokens, simulate=simulate, **more)


async def calls(gateway: GatewayProcess, key: NewKey, number: int, **more: Any) -> list[Answer]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> Answer:
        async with gate:
            return await call(gateway.port, CHAT, affordable(**more), key=key.api_key)

    return list(await asyncio.gather(*(one() for _ in range(number))))


def used(gateway: GatewayProcess, key: NewKey) -> Any:
    return gateway.admin(f"/organizations/{key.org_id}/usage")


def in_vault(gateway: GatewayProcess, key: NewKey, expected: int) -> int:
    """What the vault has settled for the organization, once it has so many calls of it."""
    rows = until(lambda: _rows(gateway, key, expected))
    return sum(row.cost for row in rows)


def _rows(gateway: GatewayProcess, key: NewKey, expected: int) -> list[vault_files.Row]:
    rows = [row for row in vault_files.rows(gateway.data_dir) if f"org:{key.org_id}" in row.scopes and row.held]
    return rows if len(rows) >= expected else []


async def all_at_once(gateway: GatewayProcess, key: NewKey, number: int) -> list[Answer]:
    """So many calls, each on a connection of its own that is open before the first is sent, and all sent before any answer is read."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    answers: list[Answer] = []
    while len(answers) < number:
        together = min(CONNECTED_TOGETHER, number - len(answers))
        answers += await asyncio.gather(*(connect(gateway.port) for _ in range(together)))
    simulate = f"output_tokens={OUTPUT_TOKENS}; latency_ms=2000"
    body = question(model="priced-oa", max_tokens=OUTPUT_TOKENS, simulate=simulate)
    for answer in answers:
        answer.send(gateway.port, CHAT, body, key=key.api_key)
    return list(await asyncio.gather(*(answer.wait(ALL_ANSWERED_WITHIN_S) for answer in answers)))


@pytest.mark.timeout(600)
async def test_a_dollar_is_spent_by_all_workers_together_and_not_a_nano_more(gateway: GatewayProcess) -> None:
    key = new_key(gateway, organization={"monthly_budget_usd": 1})
    began = time.monotonic()
    answers = await all_at_once(gateway, key, CALLS)
    took_s = time.monotonic() - began
    paid = [answer for answer in answers if answer.status == 200]
    spent = sum(answer.cost_nanos for answer in paid)
    statuses = dict(Counter(answer.status for answer in answers))
    print(f"\n{CALLS} calls at once: {statuses}, {spent} nanos settled ({spent / DOLLAR:.2%} of it), {took_s:.1f} s")
    assert statuses.keys() == {200, 402}, next(answer.body for answer in answers if answer.status not in (200, 402))
    assert 0.95 * DOLLAR <= spent <= DOLLAR
    figures = await eventually(lambda: (now := used(gateway, key))["held_nanos"] == 0 and now)
    assert figures["month_usage_nanos"] == spent
    assert await asyncio.to_thread(in_vault, gateway, key, len(paid)) == spent
    took = re.findall(r'onevault_calls_total\{worker="(\d+)"', http(f"{gateway.base_url}/metrics", raw=True)[2])
    assert len(set(took)) == WORKERS, "some worker had nothing to do"


async def test_what_a_killed_worker_held_is_settled_and_its_place_taken_again(gateway: GatewayProcess) -> None:
    key = new_key(gateway, organization={"monthly_budget_usd": 1})
    waiting = [
        await begin(gateway.port, CHAT, question(model="priced-oa", simulate="latency_ms=60000"), key=key.api_key)
        for _ in range(12)
    ]
    await eventually(lambda: used(gateway, key)["held_nanos"] and len(waiting) == 12)
    victim = workers_of(gateway)[0]
    os.kill(victim.pid, signal.SIGKILL)
    lost = [answer for answer in waiting if await _ends(answer)]
    assert lost, "no call was with the worker that was killed"
    await eventually(
        lambda: len(metrics_of(gateway)) == WORKERS and victim.pid not in {each.pid for each in workers_of(gateway)}
    )
    rows = await eventually(lambda: [row for row in vault_files.rows(gateway.data_dir) if row.source == "worst_case"])
    await eventually(lambda: len(vault_files.rows(gateway.data_dir)) >= len(lost))
    rows = [row for row in vault_files.rows(gateway.data_dir) if row.source == "worst_case"]
    assert len(rows) == len(lost)
    figures = await eventually(lambda: (now := used(gateway, key))["month_usage_nanos"] and now)
    assert figures["month_usage_nanos"] == sum(row.cost for row in rows)
    assert gateway.process.output.count("a worker died and is started again") == 1
    for answer in waiting:
        answer.hang_up()
        await answer.over.wait()


async def _ends(answer: Answer) -> bool:
    try:
        async with asyncio.timeout(2):
            await answer.over.wait()
    except TimeoutError:
        return False
    return True


async def test_a_store_that_lost_everything_is_filled_again_and_nothing_is_forgotten(
    gateway: GatewayProcess, redis: RedisServer
) -> None:
    key = new_key(gateway, organization={"monthly_budget_usd": 1})
    first = await calls(gateway, key, 40)
    assert {answer.status for answer in first} == {200}
    redis.empty()
    statuses = set()
    answers: list[Answer] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        some = await calls(gateway, key, 4)
        answers += some
        statuses = {answer.status for answer in some}
        if statuses == {200}:
            break
    assert statuses == {200}, "it never counted again"
    assert 503 in {answer.status for answer in answers}, "it counted without its data"
    spent = sum(answer.cost_nanos for answer in [*first, *answers] if answer.status == 200)
    await eventually(lambda: used(gateway, key)["month_usage_nanos"] == spent)
    rest = await calls(gateway, key, 150)
    spent += sum(answer.cost_nanos for answer in rest if answer.status == 200)
    assert 402 in {answer.status for answer in rest}
    assert spent <= DOLLAR
    assert used(gateway, key)["month_usage_nanos"] == spent


async def test_a_store_that_does_not_answer_refuses_calls_and_counts_what_was_under_way(
    gateway: GatewayProcess, redis: RedisServer
) -> None:
    key = new_key(gateway, organization={"monthly_budget_usd": 1})
    under_way, held = [], 0
    for _ in range(4):
        body = question(model="priced-oa", simulate="latency_ms=4000")
        under_way.append(await begin(gateway.port, CHAT, body, key=key.api_key))
        held = await eventually(lambda: (now := used(gateway, key)["held_nanos"]) > held and now)  # noqa: B023
    redis.pause()
    refused = await call(gateway.port, CHAT, affordable(), key=key.api_key)
    assert (refused.status, refused.document["error"]["code"]) == (503, "STORE_UNAVAILABLE")
    assert "retry-after" in refused.headers
    for answer in under_way:
        await answer.over.wait()
        answer.hang_up()
        assert answer.status == 200
    assert gateway.admin("/health")["components"]["ledger"]["status"] != "ok"
    redis.resume()
    spent = sum(answer.cost_nanos for answer in under_way)
    await eventually(lambda: _usage_or_nothing(gateway, key) == (spent, 0))
    while (answer := await call(gateway.port, CHAT, affordable(), key=key.api_key)).status == 503:
        await asyncio.sleep(0.1)
    assert answer.status == 200


def _usage_or_nothing(gateway: GatewayProcess, key: NewKey) -> tuple[int, int] | None:
    path = f"{gateway.base_url}/admin/organizations/{key.org_id}/usage"
    status, _, document = http(path, key=gateway.credentials["admin_key"])
    return (document["month_usage_nanos"], document["held_nanos"]) if status == 200 else None


async def test_one_process_takes_over_from_workers_that_were_killed(
    gateway: GatewayProcess, redis: RedisServer, simulator: SimulatorProcess
) -> None:
    key = new_key(gateway, organization={"monthly_budget_usd": 1})
    answers = await calls(gateway, key, 20)
    waiting, held = [], 0
    for _ in range(4):
        body = question(model="priced-oa", simulate="latency_ms=60000")
        waiting.append(await begin(gateway.port, CHAT, body, key=key.api_key))
        held = await eventually(lambda: (now := used(gateway, key)["held_nanos"]) > held and now)  # noqa: B023
    pids = [each.pid for each in workers_of(gateway)]
    gateway.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for answer in waiting:
        await answer.over.wait()
        answer.hang_up()
    await eventually(
        lambda: not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)
    )
    text = CONFIG.format(url=simulator.base_url, redis=redis.url, workers=1)
    gateway.config.write_text(text.replace(f', redis_url: "{redis.url}"', ""))
    gateway.start()
    spent = sum(answer.cost_nanos for answer in answers)
    figures = used(gateway, key)
    assert figures["held_nanos"] == 0
    assert figures["month_usage_nanos"] == spent + held


def test_workers_whose_process_above_was_killed_end_and_the_next_start_serves(gateway: GatewayProcess) -> None:
    key = new_key(gateway)
    orphans = workers_of(gateway)
    gateway.kill()
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in orphans), PATIENCE_S)
    gateway.start()
    assert http(f"{gateway.base_url}{CHAT}", key=key.api_key, body=affordable())[0] == 200


def test_a_change_reaches_every_worker_within_a_second(gateway: GatewayProcess) -> None:
    key = new_key(gateway)
    url = f"{gateway.base_url}/v1/models"
    for _ in range(8):
        assert http(url, key=key.api_key)[0] == 200
    gateway.admin(f"/users/{key.user_id}/api-keys/{key.key_id}", method="DELETE")
    time.sleep(1.0)
    assert {http(url, key=key.api_key)[0] for _ in range(20)} == {401}


def test_two_gateways_of_one_directory_or_address_are_refused(gateway: GatewayProcess, tmp_path: Path) -> None:
    other = GatewayProcess(tmp_path / "x", environment={}) if (tmp_path / "x").mkdir() is None else gateway
    other.process.arguments = ["serve", "--port", str(gateway.port)]
    other.process.start()
    assert other.process.popen.wait(20) == 1
    assert "in use" in other.process.output
    alone = GatewayProcess(tmp_path / "x")
    alone.process.environment = {"ONEVAULT_DATA_DIR": str(gateway.data_dir)}
    alone.process.start()
    assert alone.process.popen.wait(20) == 1
    assert "in use" in alone.process.output
