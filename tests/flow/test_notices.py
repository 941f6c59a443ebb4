"""A threshold is passed in a real gateway's process: one notice in the vault, one signed delivery at a receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http


@dataclass
class Receiver:
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    statuses: list[int] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(state.statuses.pop(0) if state.statuses else 204)
            self.send_header("location", "http://127.0.0.1:9/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def wait_for(condition: Any, *, timeout_s: float = 20.0) -> Any:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("did not happen in time")


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(each, expected) for each in headers["webhook-signature"].split())


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
        assert all(is_signed(secret, headers, sent) for headers, sent in receiver.got)
        assert not is_signed("whsec_" + base64.b64encode(bytes(32)).decode(), *receiver.got[0])
        delivered = [json.loads(sent)["id"] for _, sent in receiver.got]
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
