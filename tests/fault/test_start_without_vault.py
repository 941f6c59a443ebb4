"""Two workers that start while PostgreSQL takes connections and never answers: with what Redis counts, and with an empty Redis too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from onevault.stores.snapshot.file import FILE_NAME
from tests.support.postgres_server import PostgresServer
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http, wait_until_ready
from tests.support.raw_client import CHAT, question
from tests.support.redis_server import RedisServer

WITHIN_S = 120.0
WORKERS = 2
ASKED = 24
"""So often that both workers have answered."""


@pytest.fixture
def gateway(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer, simulator: SimulatorProcess
) -> Iterator[GatewayProcess]:
    environment = {
        "ONEVAULT_DATABASE_URL": f"{postgres.url(postgres.database())}?connect_timeout=2",
        "ONEVAULT_REDIS_URL": redis.url,
    } | simulator.as_provider
    config = f"gateway: {{workers: {WORKERS}, drain_timeout: 1}}\n"
    made = GatewayProcess(tmp_path, environment=environment, config=config)
    yield made
    if hasattr(made.process, "popen") and made.process.popen.poll() is None:
        kill_all(made)
    assert "Traceback" not in made.process.output


def until(true: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < WITHIN_S, what
        time.sleep(0.05)


def start(gateway: GatewayProcess) -> float:
    gateway.process.start()
    took_s = wait_until_ready(f"{gateway.base_url}/livez", gateway.process, WITHIN_S)
    until(lambda: all(f'worker="{n}"' in metrics(gateway) for n in range(1, WORKERS + 1)), "both workers serve")
    return took_s


def kill_all(gateway: GatewayProcess) -> None:
    """kill -9, of the workers too."""
    workers = psutil.Process(gateway.process.popen.pid).children()
    gateway.kill()
    for process in workers:
        process.kill()
    psutil.wait_procs(workers, WITHIN_S)


def metrics(gateway: GatewayProcess) -> str:
    return str(http(f"{gateway.base_url}/metrics", raw=True)[2])


def answers(gateway: GatewayProcess, key: str) -> set[tuple[int, str | None]]:
    """What the workers answer: the status, and how the call was counted."""
    found = set()
    for _ in range(ASKED):  # each by a connection of its own
        status, headers, _ = http(f"{gateway.base_url}{CHAT}", key=key, body=question())
        found.add((status, headers.get("x-gateway-ledger")))
    return found


def is_told(gateway: GatewayProcess) -> None:
    status, _, health = http(f"{gateway.base_url}/admin/health", key=gateway.credentials["admin_key"])
    directory = health["components"]["directory"]
    assert "signed snapshot" in directory["detail"], (status, health)
    assert "directory.degraded" in gateway.process.output
    for line in metrics(gateway).splitlines():
        if line.startswith("onevault_directory_snapshot_age_seconds"):
            assert float(line.rpartition(" ")[2]) > 0, line


def test_keys_authenticate_at_every_worker_while_the_vault_hangs_and_the_ledger_is_kept_or_empty(
    gateway: GatewayProcess, postgres: PostgresServer, redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    start(gateway)
    closed = gateway.new_key()
    opens = gateway.new_key(
        organization={"failure_mode": "fail_open", "fallback_daily_limit": 1, "monthly_budget_usd": 5}
    )
    file = gateway.data_dir / FILE_NAME
    until(lambda: opens.key_id.encode() in file.read_bytes(), "the keys are in the file")
    until(lambda: answers(gateway, opens.api_key) == {(200, None)}, "both workers know the keys")
    assert gateway.stop() == 0

    postgres.pause()
    took: dict[str, float] = {}
    try:
        took["the vault hangs"] = start(gateway)
        assert answers(gateway, closed.api_key) == answers(gateway, opens.api_key) == {(200, None)}
        assert answers(gateway, closed.api_key[:-1] + "x") == {(401, None)}
        is_told(gateway)
        kill_all(gateway)  # to end well it would wait for the vault

        redis.empty()
        took["the vault hangs, Redis is empty"] = start(gateway)
        assert answers(gateway, closed.api_key[:-1] + "x") == {(401, None)}
        assert answers(gateway, closed.api_key) == {(503, None)}
        until(lambda: answers(gateway, opens.api_key) == {(200, "grace")}, "who fails open is served")
        is_told(gateway)
        assert "ledger.degraded" in gateway.process.output
        with capsys.disabled():
            print("\n" + "; ".join(f"{what}: served after {seconds:.1f} s" for what, seconds in took.items()))
    finally:
        postgres.resume()
    until(lambda: answers(gateway, closed.api_key) == {(200, None)}, "the ledger is filled from the vault")
    until(lambda: answers(gateway, opens.api_key) == {(200, None)}, "nobody needs grace")
    assert restored(gateway, opens)
    assert gateway.stop() == 0


def restored(gateway: GatewayProcess, key: NewKey) -> Any:
    until(lambda: "directory.restored" in gateway.process.output, "that is told")
    return gateway.admin(f"/organizations/{key.org_id}/usage")["request_count"] >= 2 * ASKED
