"""Events while their vault is away: they wait, are kept when it is back, and are delivered once; listeners go on where they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.postgres_server import PostgresServer
from tests.support.processes import GatewayProcess, SimulatorProcess, http
from tests.support.receiver import is_signed, receiving, wait_for
from tests.support.redis_server import RedisServer

CONFIG = "monitoring: {webhook_networks: [127.0.0.0/8], webhook_retry_first: 100ms, webhook_tries: 5}\n"
BODY = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


def test_what_happens_while_the_vault_is_away_is_told_when_it_is_back(
    tmp_path: Path, simulator: SimulatorProcess, postgres: PostgresServer, redis: RedisServer
) -> None:
    environment = simulator.as_provider | {
        "ONEVAULT_DATABASE_URL": postgres.url(postgres.database()),
        "ONEVAULT_REDIS_URL": redis.url,
    }
    gateway = GatewayProcess(tmp_path, environment=environment, config=CONFIG)
    gateway.start()
    try:
        key = gateway.new_key(organization={"monthly_request_limit": 4, "thresholds": [25, 50]})

        def call() -> int:
            return http(f"{gateway.base_url}/v1/chat/completions", key=key.api_key, body=BODY)[0]

        def events(kind: str) -> list[Any]:
            found: list[Any] = gateway.admin(f"/events?kind={kind}")["data"]
            return found

        with receiving() as receiver:
            kinds = ["budget.threshold"]
            hook = gateway.admin("/webhooks", {"org_id": key.org_id, "url": receiver.url, "kinds": kinds})
            assert call() == 200
            wait_for(lambda: len(receiver.got) == 1)
            postgres.stop()
            wait_for(lambda: '"directory.degraded"' in gateway.process.output)
            assert call() == 200
            wait_for(lambda: gateway.process.output.count('"event":"budget.threshold"') == 2)
            assert len(receiver.got) == 1
            postgres.start()
            wait_for(lambda: len(receiver.got) == 2)
            assert [each.event["data"]["threshold_percent"] for each in receiver.got] == [25, 50]
            assert all(is_signed(hook["secret"], each) for each in receiver.got)
            wait_for(lambda: events("directory.restored"))
            assert events("directory.degraded")
            path = f"/webhooks/{hook['webhook_id']}/deliveries?state=delivered"
            wait_for(lambda: len(gateway.admin(path)["data"]) == 2)
            assert len({each.headers["webhook-id"] for each in receiver.got}) == len(receiver.got)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
