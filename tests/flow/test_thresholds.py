"""Thresholds as they are configured and as an organization wants them, of every kind of limit; and those that a crash swallowed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.receiver import wait_for

CONFIG = "limits: {thresholds: [25, 75]}\n"
BODY = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("thresholds"), environment=simulator.as_provider, config=CONFIG)
    started.start()
    yield started
    started.kill()


def call(gateway: GatewayProcess, key: NewKey, times: int) -> list[int]:
    return [http(f"{gateway.base_url}/v1/chat/completions", key=key.api_key, body=BODY)[0] for _ in range(times)]


def told(gateway: GatewayProcess, org_id: str, scope: str, kind: str = "budget.threshold") -> list[Any]:
    events = gateway.admin(f"/events?org_id={org_id}&kind={kind}")["data"]
    return [event["data"] for event in reversed(events) if event["data"]["scope"] == scope]


def test_the_configured_thresholds_hold_and_an_organizations_own_stand_in_their_place(sender: GatewayProcess) -> None:
    usual = sender.new_key(organization={"daily_request_limit": 4})
    own = sender.new_key(organization={"monthly_request_limit": 4, "thresholds": [100, 50, 50]})
    none = sender.new_key(organization={"monthly_request_limit": 4, "thresholds": []})
    assert sender.admin(f"/organizations/{own.org_id}")["thresholds"] == [50, 100]
    for key in (usual, own, none):
        assert call(sender, key, 5) == [200] * 4 + [429]

    def of(key: NewKey) -> list[int]:
        return [each["threshold_percent"] for each in told(sender, key.org_id, f"org:{key.org_id}")]

    wait_for(lambda: sorted(of(usual)) == [25, 75])
    wait_for(lambda: sorted(of(own)) == [50, 100])
    (refused,) = wait_for(lambda: told(sender, none.org_id, f"org:{none.org_id}", "budget.refused"))
    assert (refused["metric"], refused["window"], refused["limit"]) == ("requests", "month", 4)
    assert of(none) == []


def test_limits_of_a_provider_and_of_tokens_a_day_have_thresholds_too(sender: GatewayProcess) -> None:
    key = sender.new_key(
        organization={"provider_limits": {"openai": {"daily_request_limit": 2}}, "daily_token_limit": 1000}
    )
    assert call(sender, key, 3) == [200, 200, 429]
    scope = f"org:{key.org_id}|provider:openai"
    wait_for(lambda: len(told(sender, key.org_id, scope)) == 2)
    assert wait_for(lambda: told(sender, key.org_id, scope, "budget.refused"))
    sender.admin(f"/organizations/{key.org_id}", {"daily_token_limit": 20, "thresholds": [1]}, method="PATCH")
    call(sender, key, 1)
    (tokens,) = wait_for(lambda: told(sender, key.org_id, f"org:{key.org_id}"))
    assert (tokens["metric"], tokens["window"], tokens["threshold_percent"]) == ("tokens", "day", 1)
    assert tokens["used"] > 0


@pytest.mark.parametrize(
    "thresholds", [[0], [101], [50.5], "50", [True], [None], list(range(1, 22))], ids=lambda value: str(value)[:20]
)
def test_thresholds_that_are_no_percentages_are_refused_with_their_field(
    sender: GatewayProcess, thresholds: object
) -> None:
    status, _, answer = http(
        f"{sender.base_url}/admin/organizations",
        key=sender.credentials["admin_key"],
        body={"name": "No", "monthly_budget_usd": 1, "thresholds": thresholds},
    )
    assert (status, answer["error"]["param"].partition(".")[0]) == (400, "thresholds")


def test_what_a_crash_swallowed_is_told_once_by_the_next_start(tmp_path: Path, simulator: SimulatorProcess) -> None:
    gateway = GatewayProcess(tmp_path, environment=simulator.as_provider, config=CONFIG)
    gateway.start()
    try:
        key = gateway.new_key(organization={"monthly_request_limit": 4}, monthly_request_limit=4)
        assert call(gateway, key, 2) == [200, 200]
        org, own = f"org:{key.org_id}", f"key:{key.key_id}"
        wait_for(lambda: told(gateway, key.org_id, org) and told(gateway, key.org_id, own))
        gateway.kill()
        # As if it had died a moment earlier.
        with closing(sqlite3.connect(gateway.data_dir / "gateway.db")) as vault, vault:
            assert vault.execute("DELETE FROM notice WHERE scope = ?", (org,)).rowcount == 1
        gateway.start()
        (again,) = wait_for(lambda: told(gateway, key.org_id, org))
        assert (again["threshold_percent"], again["used"]) == (25, 2)
        gateway.stop()
        gateway.start()
        assert call(gateway, key, 1) == [200]
        wait_for(lambda: len(told(gateway, key.org_id, org)) == 2)
        assert [each["threshold_percent"] for each in told(gateway, key.org_id, own)] == [25, 75]
    finally:
        gateway.kill()
