"""A threshold is passed in a real gateway's process: one notice in the vault, one signed delivery at a receiver."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http
from tests.support.receiver import Receiver, is_signed, receiving, wait_for


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def test_a_passed_threshold_is_kept_once_and_delivered_signed(
    tmp_path: Path, simulator: SimulatorProcess, receiver: Receiver
) -> None:
    config = "monitoring: {webhook_networks: [127.0.0.0/8]}\n"
    gateway = GatewayProcess(tmp_path, environment=simulator.as_provider, config=config)
    gateway.start()
    try:
        key = gateway.new_key()
        org = key.org_id
        gateway.admin(
            f"/organizations/{org}", {"monthly_budget_usd": 0.0002, "webhook_url": receiver.url}, method="PATCH"
        )
        body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
        url = f"{gateway.base_url}/v1/chat/completions"
        answers = [200]
        while answers[-1] == 200 and len(answers) < 200:
            answers.append(http(url, key=key.api_key, body=body)[0])
        assert len(answers) > 3

        def told() -> list[Any]:
            events: list[Any] = gateway.admin(f"/events?org_id={org}")["data"]
            return events if any(event["type"] == "budget.refused" for event in events) else []

        events = [event for event in wait_for(told) if event["data"]["scope"] == f"org:{org}"]
        thresholds = sorted(e["data"]["threshold_percent"] for e in events if e["type"] == "budget.threshold")
        assert thresholds[0] == 50
        assert len(set(thresholds)) == len(thresholds)
        assert {event["data"]["limit_usd"] for event in events} == {"0.000200"}
        secret = gateway.admin(f"/organizations/{org}/webhook-secret", {}, method="POST")["webhook_secret"]
        wait_for(lambda: len(receiver.got) >= len(events))
        assert all(is_signed(secret, each) for each in receiver.got)
        assert not is_signed("whsec_" + base64.b64encode(bytes(32)).decode(), receiver.got[0])
        delivered = [each.event["id"] for each in receiver.got]
        assert {event["id"] for event in events} <= set(delivered)
        assert len(set(delivered)) == len(delivered)

        gateway.kill()
        gateway.start()
        assert http(f"{gateway.base_url}/v1/chat/completions", key=key.api_key, body=body)[0] != 200
        assert gateway.stop() == 0
        gateway.start()
        again = gateway.admin(f"/events?org_id={org}")["data"]
        assert sorted(event["id"] for event in again) == sorted({event["id"] for event in again})
        assert [e["id"] for e in again if e["data"]["scope"] == f"org:{org}"] == [e["id"] for e in events]
    finally:
        gateway.kill()


def test_a_webhook_to_an_internal_address_is_refused_and_nothing_changes(gateway: GatewayProcess) -> None:
    org = gateway.new_key().org_id
    for url in ("https://127.0.0.1/", "https://169.254.169.254/", "http://example.com/", "https://localhost/"):
        status, _, answer = http(
            f"{gateway.base_url}/admin/organizations/{org}",
            key=gateway.credentials["admin_key"],
            body={"webhook_url": url},
            method="PATCH",
        )
        assert (status, answer["error"]["param"]) == (400, "webhook_url"), url
    assert gateway.admin(f"/organizations/{org}")["webhook_url"] is None
