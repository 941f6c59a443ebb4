"""Gateways that start while PostgreSQL is away: keys are checked against the signed snapshot until it is back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onevault.stores.snapshot.file import FILE_NAME
from tests.fault.test_postgres_vault import until
from tests.support.postgres_server import PostgresServer
from tests.support.processes import GatewayProcess, SimulatorProcess, http
from tests.support.redis_server import RedisServer


def call(gateway: GatewayProcess, key: str) -> tuple[int, Any]:
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    return http(f"{gateway.base_url}/v1/chat/completions", key=key, body=body)[::2]


def ask(gateway: GatewayProcess, path: str, body: Any = None) -> tuple[int, Any]:
    return http(f"{gateway.base_url}/admin{path}", key=gateway.credentials["admin_key"], body=body)[::2]


def test_keys_authenticate_from_the_signed_snapshot_while_the_vault_is_away(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer, simulator: SimulatorProcess
) -> None:
    environment = {
        "ONEVAULT_DATABASE_URL": postgres.url(postgres.database()),
        "ONEVAULT_REDIS_URL": redis.url,
    } | simulator.as_provider
    gateway = GatewayProcess(tmp_path, environment=environment)
    gateway.start()
    try:
        good, revoked = gateway.new_key(), gateway.new_key(user={"email": "other@example.com"})
        file = gateway.data_dir / FILE_NAME
        until(lambda: file.exists() and good.key_id.encode() in file.read_bytes(), "the keys are in the file")
        before = file.read_bytes()
        gateway.admin(f"/users/{revoked.user_id}/api-keys/{revoked.key_id}", method="DELETE")
        until(lambda: file.read_bytes() != before, "the revocation is in the file")
        assert good.api_key.encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o777 == 0o600
        assert gateway.stop() == 0
        postgres.stop()
        gateway.start()
        assert call(gateway, good.api_key)[0] == 200
        assert call(gateway, revoked.api_key)[0] == 401
        assert ask(gateway, "/organizations")[0] == 503
        assert ask(gateway, "/organizations", {"name": "Refused", "monthly_budget_usd": 1})[0] == 503
        health = ask(gateway, "/health")[1]
        assert "signed snapshot" in str(health), health
        assert "directory.degraded" in gateway.process.output
        age = http(f"{gateway.base_url}/metrics")[2]
        assert "onevault_directory_snapshot_age_seconds 0.0" not in age
        postgres.start()
        until(lambda: ask(gateway, "/organizations")[0] == 200, "the vault is used again")
        fresh = gateway.new_key()
        assert call(gateway, fresh.api_key)[0] == 200
        assert "directory.restored" in gateway.process.output
        assert gateway.stop() == 0
        whole = file.read_bytes()
        changed = bytearray(whole)
        changed[-1] ^= 1
        file.write_bytes(changed)
        postgres.stop()
        gateway.process.start()
        assert gateway.process.popen.wait(30) == 1
        assert "was changed" in gateway.process.output
        file.write_bytes(whole)
        (tmp_path / "short.yaml").write_text("security: {snapshot_max_age: 0.001}\n")
        gateway.process.arguments = [*gateway.process.arguments, "--config", str(tmp_path / "short.yaml")]
        gateway.process.start()
        assert gateway.process.popen.wait(30) == 1
        assert "more than security.snapshot_max_age" in gateway.process.output
        assert "Traceback" not in gateway.process.output
    finally:
        if gateway.process.popen.poll() is None:
            gateway.kill()
