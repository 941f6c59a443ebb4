"""Customers' own provider keys in a real gateway's process: used, limited, refused, revoked, rotated under calls, and never seen."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.key_provider import KeyProvider
from tests.support.processes import GatewayProcess, NewKey, Process, clean_environment, http

OLD, NEW = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
ADMIN = f"admin-{secrets.token_hex(16)}"
GATEWAYS = f"sk-gateways-{secrets.token_hex(12)}"
STORED = f"sk-stored-{secrets.token_hex(12)}"
FILED = f"sk-filed-{secrets.token_hex(12)}"
MODELS = ("small", "other", "of-vault", "of-file")
PRICES = f"{{{', '.join(f'{model}: {{input: 1, output: 10}}' for model in MODELS)}}}"
CONFIG = """
monitoring: {{log_level: debug}}
routing: {{retries: 0}}
providers:
  first: {{type: openai_compatible, api_key: {gateways}, base_url: "{url}/v1", models: [small, other], prices: {prices}}}
  second: {{type: openai_compatible, api_key: {gateways}, base_url: "{url}/v1", models: [small], prices: {prices}}}
  kept: {{type: openai_compatible, api_key: "vault:main", base_url: "{url}/v1", models: [of-vault], prices: {prices}}}
  filed: {{type: openai_compatible, api_key: "file:{file}", base_url: "{url}/v1", models: [of-file], prices: {prices}}}
"""
WAITED_MAX_S = 60.0


class Installation:
    """A gateway and the provider behind it."""

    def __init__(self, directory: Path, provider: KeyProvider, url: str) -> None:
        self.provider = provider
        self.secret_file = directory / "provider-key"
        self.secret_file.write_text(FILED + "\n")
        config = CONFIG.format(gateways=GATEWAYS, url=url, prices=PRICES, file=self.secret_file)
        self.environment = {"ONEVAULT_MASTER_KEY": OLD, "ONEVAULT_ADMIN_KEY": ADMIN}
        self.gateway = GatewayProcess(directory, environment=self.environment, config=config)
        self.planted = [OLD, NEW, GATEWAYS, STORED, FILED]
        self.answers: list[str] = []

    def own_key(self, org_id: str | None, provider: str = "first", **fields: Any) -> tuple[str, dict[str, Any]]:
        """A new secret, and the key that it was kept as."""
        secret = f"sk-customers-{secrets.token_hex(12)}"
        self.planted.append(secret)
        body = {"provider": provider, "credential": {"api_key": secret}} | fields
        return secret, self.gateway.admin("/provider-keys", body | ({"org_id": org_id} if org_id else {}))

    def call(self, key: str, model: str = "first/small", **fields: Any) -> tuple[int, dict[str, str], Any]:
        body = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}], **fields}
        answer = http(f"{self.gateway.base_url}/v1/chat/completions", key=key, body=body)
        self.answers.append(json.dumps(answer))
        return answer

    def used_by(self, key: NewKey, model: str = "first/small") -> str:
        """The secret that a call went out with."""
        before = self.provider.used.copy()
        status, _, answer = self.call(key.api_key, model)
        assert status == 200, answer
        (used,) = self.provider.used - before
        return used

    def rotate(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*options), env=self._environment(environment), capture_output=True, text=True
        )

    def rotating(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command(*options),
            env=self._environment(environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _command(self, *options: str) -> list[str]:
        return [
            *(sys.executable, "-m", "onevault", "migrate", "rotate-keys", "--json"),
            *("--config", str(self.gateway.config), *options),
        ]

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return clean_environment({"ONEVAULT_DATA_DIR": str(self.gateway.data_dir), "ONEVAULT_ADMIN_KEY": ADMIN} | more)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    provider = KeyProvider()
    with provider.running() as url:
        made = Installation(tmp_path_factory.mktemp("own-keys"), provider, url)
        made.gateway.start()
        yield made
        if made.gateway.process.popen.poll() is None:
            made.gateway.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAITED_MAX_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_customer_s_key_is_used_in_place_of_the_gateway_s_and_the_record_says_so(installed: Installation) -> None:
    caller, other = installed.gateway.new_key(), installed.gateway.new_key()
    assert installed.used_by(caller) == GATEWAYS
    secret, kept = installed.own_key(caller.org_id)
    assert installed.used_by(caller) == secret
    assert installed.used_by(caller, "second/small") == GATEWAYS
    assert installed.used_by(other) == GATEWAYS
    _, headers, _ = installed.call(caller.api_key)
    record = http(f"{installed.gateway.base_url}/v1/requests/{headers['x-request-id']}", key=caller.api_key)[2]
    assert record["provider_key_id"] == kept["provider_key_id"]
    seen = installed.gateway.admin(f"/requests/{headers['x-request-id']}")
    assert (seen["provider_key_id"], seen["org_id"]) == (kept["provider_key_id"], caller.org_id)
    used = installed.gateway.admin(f"/provider-keys/{kept['provider_key_id']}/usage")
    assert (used["request_count"], used["month_usage_nanos"]) == (2, 2 * record["cost_nanos"])


def test_a_new_credential_is_used_from_the_next_call_and_a_revoked_one_never_again(installed: Installation) -> None:
    caller = installed.gateway.new_key()
    first, kept = installed.own_key(caller.org_id)
    assert installed.used_by(caller) == first
    second = f"sk-customers-{secrets.token_hex(12)}"
    installed.planted.append(second)
    path = f"/provider-keys/{kept['provider_key_id']}"
    installed.gateway.admin(path, {"credential": {"api_key": second}}, method="PATCH")
    assert installed.used_by(caller) == second
    installed.gateway.admin(path, method="DELETE")
    assert installed.used_by(caller) == GATEWAYS


def test_a_key_is_validated_by_its_first_answer_and_expires_by_itself(installed: Installation) -> None:
    caller = installed.gateway.new_key()
    ends = datetime.now(UTC) + timedelta(seconds=4)
    secret, kept = installed.own_key(caller.org_id, expires_at=ends.isoformat())
    assert kept["last_validated"] is None
    path = f"/provider-keys/{kept['provider_key_id']}"
    if installed.used_by(caller) == secret:  # else this machine took four seconds for that
        until(lambda: installed.gateway.admin(path)["last_validated"] is not None)
    until(lambda: installed.gateway.admin(path)["status"] == "expired")
    assert installed.used_by(caller) == GATEWAYS


def test_an_organization_that_brings_its_own_keys_only_is_never_served_with_the_gateway_s(
    installed: Installation,
) -> None:
    caller = installed.gateway.new_key(organization={"byok": "required"})
    before = installed.provider.used.total()
    status, _, answer = installed.call(caller.api_key, "small")
    assert (status, answer["error"]["code"]) == (403, "FORBIDDEN")
    secret, _ = installed.own_key(caller.org_id, "second")
    assert installed.provider.used.total() == before
    assert installed.used_by(caller, "small") == secret
    installed.gateway.admin(f"/organizations/{caller.org_id}", {"byok": "off"}, method="PATCH")
    assert installed.used_by(caller, "small") == GATEWAYS


def test_a_key_is_for_its_models_and_others_are_not_called_with_the_gateway_s(installed: Installation) -> None:
    caller = installed.gateway.new_key()
    secret, _ = installed.own_key(caller.org_id, allowed_models=["small"])
    assert installed.used_by(caller) == secret
    before = installed.provider.used.total()
    status, _, answer = installed.call(caller.api_key, "first/other")
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (403, "FORBIDDEN", "model")
    assert installed.provider.used.total() == before


def test_a_key_that_its_provider_refuses_is_told_to_its_owner_and_not_replaced(installed: Installation) -> None:
    caller = installed.gateway.new_key()
    secret, _ = installed.own_key(caller.org_id)
    installed.provider.refused.add(secret)
    before = installed.provider.used.copy()
    status, headers, answer = installed.call(caller.api_key, "small")  # which `second` has too, with the gateway's key
    assert (status, answer["error"]["code"]) == (403, "FORBIDDEN")
    assert "your organization's own key" in answer["error"]["message"]
    assert installed.provider.used - before == {secret: 1}
    path = f"/v1/requests/{headers['x-request-id']}"
    explained = http(installed.gateway.base_url + path, key=caller.api_key)[2]
    installed.answers.append(json.dumps(explained))
    assert explained["explain"]["attempts"][0]["status"] == 401
    assert explained["cost_nanos"] == 0
    assert {"deployment": "second", "reason": "paid from another account than the first target"} in [
        {"deployment": each["deployment"].split("/")[0], "reason": each["reason"]}
        for each in explained["explain"]["excluded"]
    ]


def test_a_spending_limit_of_a_key_is_one_scope_more(installed: Installation) -> None:
    caller = installed.gateway.new_key()
    _, kept = installed.own_key(caller.org_id, daily_spending_limit_usd=0.0005)
    answers = []
    while not answers or (answers[-1][0] == 200 and len(answers) < 50):
        answers.append(installed.call(caller.api_key))
    assert answers[0][0] == 200
    assert (answers[-1][0], answers[-1][2]["error"]["code"]) == (402, "BUDGET_EXCEEDED")
    used = installed.gateway.admin(f"/provider-keys/{kept['provider_key_id']}/usage")
    assert 0 < used["day_usage_nanos"] <= used["day_limit_nanos"] == 500_000
    assert installed.used_by(caller, "second/small") == GATEWAYS


def test_the_operator_s_keys_come_from_the_vault_and_from_files_that_may_change(installed: Installation) -> None:
    caller = installed.gateway.new_key()
    status, _, answer = installed.call(caller.api_key, "of-vault")
    assert status == 403, answer
    installed.gateway.admin("/provider-keys", {"provider": "kept", "name": "main", "credential": {"api_key": STORED}})
    assert installed.used_by(caller, "of-vault") == STORED
    assert installed.used_by(caller, "of-file") == FILED
    changed = f"sk-filed-{secrets.token_hex(12)}"
    installed.planted.append(changed)
    fresh = installed.secret_file.with_suffix(".new")
    fresh.write_text(changed)
    fresh.replace(installed.secret_file)
    until(lambda: installed.used_by(caller, "of-file") == changed)


def test_keys_are_rotated_under_calls_killed_in_the_middle_and_run_again(installed: Installation) -> None:
    gateway = installed.gateway
    gateway.stop()
    both = {"ONEVAULT_MASTER_KEY": NEW, "ONEVAULT_MASTER_KEY_PREVIOUS": OLD}
    gateway.process.environment = dict(gateway.process.environment) | both
    gateway.start()
    callers = [gateway.new_key() for _ in range(6)]
    own = [installed.own_key(caller.org_id)[0] for caller in callers]
    failed: list[Any] = []
    ended = threading.Event()

    def call_on() -> None:
        while not ended.is_set():
            for caller in callers:
                status, _, answer = installed.call(caller.api_key)
                if status != 200:
                    failed.append(answer)

    calling = threading.Thread(target=call_on)
    calling.start()
    try:
        before = installed.provider.used.copy()
        changes = _recorded(gateway)
        rotating = installed.rotating("--data-keys", **both)
        until(lambda: rotating.poll() is not None or _recorded(gateway) >= changes + 4)
        rotating.kill()
        rotating.wait()
        done = installed.rotate("--data-keys", **both)
        assert done.returncode == 0, done.stderr + done.stdout
        until(lambda: all(installed.provider.used[secret] > before[secret] + 3 for secret in own))
    finally:
        ended.set()
        calling.join()
    assert not failed, failed[:1]
    assert installed.provider.used[GATEWAYS] == before[GATEWAYS]
    again = json.loads(installed.rotate(**both).stdout)
    assert [again[name] for name in ("data_keys_rewrapped", "data_keys_made", "provider_keys_renamed")] == [0, 0, 0]
    named = {key["encryption_key_id"] for key in gateway.admin("/provider-keys?limit=200")["data"]}
    assert named == {again["master_key_id"]}
    gateway.stop()
    gateway.process.environment = dict(gateway.process.environment) | {"ONEVAULT_MASTER_KEY_PREVIOUS": ""}
    gateway.start()
    assert [installed.used_by(caller) for caller in callers] == own


def _recorded(gateway: GatewayProcess) -> int:
    connection = sqlite3.connect(gateway.data_dir / "gateway.db", timeout=10)
    try:
        return int(connection.execute("SELECT MAX(change_id) FROM change_s").fetchone()[0])
    finally:
        connection.close()


def test_without_the_right_master_key_nothing_starts_and_nothing_is_destroyed(installed: Installation) -> None:
    gateway = installed.gateway
    gateway.stop()
    kept = {path.name: path.read_bytes() for path in gateway.data_dir.glob("*.db")}
    environment = dict(gateway.process.environment)
    wrong = ({"ONEVAULT_MASTER_KEY": OLD}, {"ONEVAULT_MASTER_KEY": ""})
    tried = [
        Process([*arguments, "--config", str(gateway.config)], environment | less, gateway.directory, log)
        for less in wrong
        for arguments, log in (
            (["serve", "--port", "0"], gateway.directory / f"serve-{len(less['ONEVAULT_MASTER_KEY'])}.log"),
            (["migrate", "rotate-keys"], gateway.directory / f"rotate-{len(less['ONEVAULT_MASTER_KEY'])}.log"),
        )
    ]
    # One after the other: only one process may have the data directory.
    for each in tried:
        each.start()
        assert each.popen.wait(60) in (1, 2)
        assert "Traceback" not in each.output
        assert "mk_" in each.output or "set ONEVAULT_MASTER_KEY" in each.output
    assert not (gateway.data_dir / "master.key").exists()
    assert {path.name: path.read_bytes() for path in gateway.data_dir.glob("*.db")} == kept
    gateway.start()


def test_no_secret_is_anywhere_in_plain(installed: Installation) -> None:
    gateway = installed.gateway
    answers = "".join(installed.answers)
    for path in ("provider-keys?limit=200", "organizations?limit=200", "health", "metrics", "admin-keys"):
        answers += json.dumps(gateway.admin(f"/{path}"))
    answers += str(http(f"{gateway.base_url}/metrics")[2]) + str(http(f"{gateway.base_url}/openapi.json")[2])
    gateway.stop()
    places = {"answers": answers.encode(), "log": gateway.process.output.encode()}
    places |= {str(path): path.read_bytes() for path in gateway.data_dir.rglob("*") if path.is_file()}
    assert len(places) > 5
    assert len(installed.planted) > 15
    found = [
        (secret[:14], place)
        for secret in {*installed.planted, ADMIN}
        for place, said in places.items()
        for said_as in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")[:-1])
        if said_as in said and (secret != ADMIN or not place.endswith("credentials.json"))
    ]
    assert found == []
