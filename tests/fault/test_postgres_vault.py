"""A gateway whose vault is on a real PostgreSQL: what is there after a restart, and what happens while the server is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Shell
from tests.support.patience import PATIENCE_S
from tests.support.postgres_server import PostgresServer
from tests.support.processes import GatewayProcess, SimulatorProcess, http

COST_NANOS = "SELECT count(*), coalesce(sum(cost_nanos), 0) FROM gateway.api_request_detail_s WHERE held"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer().start()
    yield server
    server.remove()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    name = postgres.database()
    yield name
    postgres.drop(name)


@pytest.fixture
def start(
    tmp_path: Path, postgres: PostgresServer, database: str, simulator: SimulatorProcess
) -> Iterator[Callable[[str], GatewayProcess]]:
    """Makes gateways of this database, each in a directory of its own, that are killed at the end if they still live."""
    made: list[GatewayProcess] = []

    def start(name: str) -> GatewayProcess:
        directory = tmp_path / name
        directory.mkdir()
        environment = {"ONEVAULT_DATABASE_URL": postgres.url(database)} | simulator.as_provider
        made.append(GatewayProcess(directory, environment=environment))
        return made[-1]

    yield start
    for gateway in made:
        if hasattr(gateway.process, "popen") and gateway.process.popen.poll() is None:
            gateway.kill()


def call(gateway: GatewayProcess) -> tuple[int, Any]:
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    return http(f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body=body)[::2]


def until(true: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < timeout_s, what
        time.sleep(0.02)


def spent(gateway: GatewayProcess) -> dict[str, Any]:
    """What the first user used this month, as the ledger has it."""
    used: dict[str, Any] = http(f"{gateway.base_url}/v1/usage", key=gateway.api_key)[2]["user"]
    return used


def test_what_was_spent_and_changed_is_there_after_a_restart_and_a_kill(
    start: Callable[[str], GatewayProcess], postgres: PostgresServer, database: str
) -> None:
    gateway = start("one")
    gateway.start()
    org = gateway.admin("/organizations", {"name": "Kept", "monthly_budget_usd": 7})["org_id"]
    assert [call(gateway)[0] for _ in range(5)] == [200] * 5
    used = spent(gateway)
    assert gateway.stop() == 0
    (count, cost), *_ = postgres.run(COST_NANOS, database)
    assert count == 5
    assert cost > 0
    gateway.start()
    assert used["request_count"] == 5
    assert spent(gateway) == used
    assert gateway.admin(f"/organizations/{org}")["monthly_budget_usd"] == pytest.approx(7)
    assert call(gateway)[0] == 200
    gateway.kill()
    gateway.start()
    assert spent(gateway)["request_count"] == 6
    assert not (gateway.data_dir / "gateway.db").exists()


def test_calls_go_on_while_the_server_is_away_and_all_are_loaded_when_it_is_back(
    start: Callable[[str], GatewayProcess], postgres: PostgresServer, database: str
) -> None:
    gateway = start("one")
    gateway.start()
    assert call(gateway)[0] == 200
    until(lambda: postgres.run(COST_NANOS, database)[0][0] == 1, "the first call is loaded")
    postgres.stop()
    try:
        assert [call(gateway)[0] for _ in range(10)] == [200] * 10
        status, _, said = http(
            f"{gateway.base_url}/admin/organizations",
            key=gateway.credentials["admin_key"],
            body={"name": "Refused", "monthly_budget_usd": 1},
        )
        assert (status, said["error"]["code"]) == (503, "STORE_UNAVAILABLE")
    finally:
        postgres.start()
    until(lambda: postgres.run(COST_NANOS, database)[0][0] == 11, "everything is loaded")
    until(lambda: _created(gateway, "Accepted") == 201, "changes are taken again")
    assert spent(gateway)["request_count"] == 11
    names = [row["name"] for row in gateway.admin("/organizations")["data"]]
    assert "Refused" not in names
    assert "secret" not in gateway.process.output


def _created(gateway: GatewayProcess, name: str) -> int:
    body = {"name": name, "monthly_budget_usd": 1}
    return http(f"{gateway.base_url}/admin/organizations", key=gateway.credentials["admin_key"], body=body)[0]


def test_of_two_gateways_that_count_in_memory_the_second_is_refused_until_the_first_has_gone(
    start: Callable[[str], GatewayProcess],
) -> None:
    first, second = start("one"), start("two")
    first.start()
    second.process.start()
    assert second.process.popen.wait(30) == 1
    assert "counts the limits and budgets" in second.process.output
    assert "gateway.redis_url" in second.process.output
    assert "Traceback" not in second.process.output
    assert call(first)[0] == 200
    assert Shell(first.directory)("verify", "ledger", "--json", **first.process.environment).json["agrees"]
    first.kill()
    second.start()
    assert second.admin("/organizations")["data"]


def test_a_server_that_was_killed_gives_the_lease_back_to_who_had_it(
    start: Callable[[str], GatewayProcess], postgres: PostgresServer
) -> None:
    first, second = start("one"), start("two")
    first.start()
    postgres.kill()
    postgres.start()
    second.process.start()
    assert second.process.popen.wait(60) == 1, second.process.output
    assert call(first)[0] == 200
    assert first.process.popen.poll() is None


def test_commands_work_on_the_same_vault(tmp_path: Path, postgres: PostgresServer, database: str) -> None:
    (tmp_path / "shell").mkdir()
    shell = Shell(tmp_path / "shell")
    url = {"ONEVAULT_DATABASE_URL": postgres.url(database)}
    created = shell("migrate", "--json", **url).json
    assert (created["before"], created["changed"]) == (0, True)
    assert created["vault"] == f"postgresql://127.0.0.1:{postgres.port}/{database}"
    assert shell("migrate", "--json", **url).json == created | {"before": created["after"], "changed": False}
    assert shell("orgs", "create", "One", "--json", **url).json["name"] == "One"
    assert [org["name"] for org in shell("orgs", "list", "--json", **url).json["data"]] == ["One"]
    assert shell("verify", "ledger", "--json", **url).json["agrees"]
    empty = shell("verify", "ledger", "--json", ONEVAULT_DATABASE_URL=postgres.url())
    assert (empty.code, empty.json["error"]["param"]) == (2, "database_url")
    assert "there is no vault here" in empty.json["error"]["message"]
    checks = shell("doctor", "--json", **url).json["checks"]
    assert {"name": f"vault {created['vault']}", "ok": True, "detail": "opens"} in checks
