"""Two hosts with two workers each on one PostgreSQL and one Redis: what is taken away at one of them is refused by all four."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, wait_until_ready
from tests.support.raw_client import CHAT, question
from tests.support.redis_server import RedisServer
from tests.support.vaults import POSTGRESQL, place

WORKERS = 2
READY_WITHIN_S = 120.0
REFUSED_WITHIN_S = 10.0
"""Promised is a second; this is for a machine that does much else. The figure is printed."""
ADMIN_KEY = "admin-key-of-both-hosts-" + "4" * 20


@dataclass
class Poller:
    """Asks one worker again and again, by a connection that only it answers."""

    worker: int
    connection: http.client.HTTPConnection

    def status(self, key: str) -> int:
        body = json.dumps(question(max_tokens=4))
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.connection.request("POST", CHAT, body, headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def first_refusal(self, key: str, refused: int, stop: threading.Event) -> float:
        """When it first refuses. Before that it must answer as before, and after that it must not answer again."""
        while (status := self.status(key)) == 200:
            assert not stop.wait(0.01), f"worker {self.worker} goes on answering"
        at = time.monotonic()
        assert status == refused, status
        assert {self.status(key) for _ in range(3)} == {refused}
        return at


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[list[GatewayProcess]]:
    redis = RedisServer().start()
    made = []
    with place(POSTGRESQL) as database:
        environment = simulator.as_provider | {
            "ONEVAULT_DATABASE_URL": database,
            "ONEVAULT_REDIS_URL": redis.url,
            "ONEVAULT_ADMIN_KEY": ADMIN_KEY,
            "ONEVAULT_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
        }
        for name in ("one", "two"):
            config = f"gateway: {{workers: {WORKERS}, drain_timeout: 2}}\n"
            made.append(GatewayProcess(tmp_path_factory.mktemp(name), environment=environment, config=config))
            made[-1].process.start()
        for gateway in made:
            wait_until_ready(f"{gateway.base_url}/readyz", gateway.process, READY_WITHIN_S)
        yield made
        for gateway in made:
            assert gateway.stop() == 0, gateway.process.output
            assert "Traceback" not in gateway.process.output
    redis.remove()


@pytest.fixture(scope="module")
def pollers(hosts: list[GatewayProcess]) -> Iterator[list[Poller]]:
    """One for each of the four workers."""
    found: dict[int, Poller] = {}
    until = time.monotonic() + READY_WITHIN_S
    for number, gateway in enumerate(hosts, 1):
        while len(found) < number * WORKERS:
            assert time.monotonic() < until, gateway.process.output
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
            connection.connect()
            connection.request("GET", "/livez")
            connection.getresponse().read()
            worker = _answering(gateway, connection.sock.getsockname()[1])
            if worker is None or worker in found:
                connection.close()
                time.sleep(0.02)
            else:
                found[worker] = Poller(worker, connection)
    yield list(found.values())
    for poller in found.values():
        poller.connection.close()


def _answering(gateway: GatewayProcess, port: int) -> int | None:
    for process in psutil.Process(gateway.process.popen.pid).children(recursive=True):
        with suppress(psutil.Error):
            if any(each.raddr and each.raddr.port == port for each in process.net_connections("tcp")):
                return int(process.pid)
    return None


Take = Callable[[GatewayProcess, NewKey], Any]
TAKEN_AWAY: dict[str, tuple[Take, int]] = {
    "a key is revoked": (
        lambda gateway, key: gateway.admin(f"/users/{key.user_id}/api-keys/{key.key_id}", method="DELETE"),
        401,
    ),
    "a user is suspended": (
        lambda gateway, key: gateway.admin(f"/users/{key.user_id}", {"suspended": True}, method="PATCH"),
        401,
    ),
    "an organization is deleted": (
        lambda gateway, key: gateway.admin(f"/organizations/{key.org_id}", method="DELETE"),
        401,
    ),
    "a limit is lowered": (
        lambda gateway, key: gateway.admin(f"/users/{key.user_id}", {"monthly_limit_usd": 0}, method="PATCH"),
        402,
    ),
    "a model is not allowed any more": (
        lambda gateway, key: gateway.admin(
            f"/users/{key.user_id}/api-keys/{key.key_id}", {"allowed_models": ["none"]}, method="PATCH"
        ),
        403,
    ),
}


@pytest.mark.parametrize("what", TAKEN_AWAY)
def test_all_workers_of_all_hosts_refuse_soon_after(
    hosts: list[GatewayProcess], pollers: list[Poller], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    take, refused = TAKEN_AWAY[what]
    key = hosts[0].new_key(user={"monthly_limit_usd": 100})
    until = time.monotonic() + REFUSED_WITHIN_S
    for poller in pollers:
        while poller.status(key.api_key) != 200:
            assert time.monotonic() < until, f"worker {poller.worker} does not know the new key"
            time.sleep(0.01)
    stop = threading.Event()
    with ThreadPoolExecutor(len(pollers)) as threads:
        polling = [threads.submit(poller.first_refusal, key.api_key, refused, stop) for poller in pollers]
        take(hosts[0], key)
        answered = time.monotonic()
        try:
            after_s = sorted(each.result(REFUSED_WITHIN_S) - answered for each in polling)
        finally:
            stop.set()
    with capsys.disabled():
        print(f"\n{what}: refused {', '.join(f'{1000 * max(0.0, each):.0f}' for each in after_s)} ms after the answer")
    assert after_s[-1] < REFUSED_WITHIN_S
