"""Starts real gateways and simulators as processes, the way users do, and stops them for certain."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onevault.config.kinds import KINDS
from tests.support.patience import PATIENCE_S

READY_TIMEOUT_S = PATIENCE_S
_LEFT_OUT = ("ONEVAULT_", "OPENAI_", "ANTHROPIC_", "AI_GATEWAY_", "AI_QUOTA_", "HTTP_PROXY", "HTTPS_PROXY")


_OF_PROVIDERS = {name for kind in KINDS.values() for names in kind.variables.values() for name in names}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The machine's environment without what would configure a gateway."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(_LEFT_OUT) and name not in _OF_PROVIDERS
    }
    return kept | {"PYTHONWARNINGS": "error", "NO_PROXY": "*"} | dict(extra)


@dataclass
class Process:
    """A started command with its output in a file."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    popen: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "onevault", *self.arguments],
                env=clean_environment(self.environment),
                cwd=self.directory,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        """kill -9."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, timeout_s: float = PATIENCE_S) -> int:
        """SIGTERM, then the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


def http(
    url: str,
    *,
    key: str | None = None,
    body: Any = None,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    raw: bool = False,
) -> tuple[int, dict[str, str], Any]:
    """One plain request: status, headers in lower case, and the body (JSON decoded where it is JSON, unless `raw`)."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("content-type", "application/json")
    if key is not None:
        request.add_header("authorization", f"Bearer {key}")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, got, text = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, got, text = error.code, error.headers, error.read()
    lowered = {name.lower(): value for name, value in got.items()}
    if "json" in (kind := lowered.get("content-type", "")) and "ndjson" not in kind and not raw:
        return status, lowered, json.loads(text)
    return status, lowered, text.decode(errors="replace")


def wait_until_ready(url: str, process: Process, timeout_s: float = READY_TIMEOUT_S) -> float:
    """Seconds until the address answers 200."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        if process.popen.poll() is not None:
            raise AssertionError(f"ended with {process.popen.returncode}:\n{process.output}")
        try:
            if http(url)[0] == 200:
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not ready after {timeout_s} s:\n{process.output}")


class GatewayProcess:
    """`onevault serve` on a data directory of its own; restart it and it keeps that directory and its port."""

    def __init__(
        self, directory: Path, *, environment: Mapping[str, str] | None = None, config: str | None = None
    ) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        arguments = ["serve", "--port", str(self.port)]
        if config is not None:
            self.config = directory / "onevault.yaml"
            self.config.write_text(config)
            arguments += ["--config", str(self.config)]
        settings = {"ONEVAULT_DATA_DIR": str(self.data_dir)} | dict(environment or {})
        self.process = Process(arguments, settings, directory, directory / "gateway.log")

    def start(self) -> float:
        self.process.start()
        return wait_until_ready(f"{self.base_url}/readyz", self.process)

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> int:
        return self.process.stop()

    @property
    def credentials(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.data_dir / "credentials.json").read_text())
        return found

    @property
    def api_key(self) -> str:
        return self.credentials["api_key"]

    def admin(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """An admin call that must succeed."""
        status, _, answer = http(
            f"{self.base_url}/admin{path}", key=self.credentials["admin_key"], body=body, method=method
        )
        assert 200 <= status < 300, answer
        return answer

    def new_key(
        self, *, organization: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None, **key: Any
    ) -> NewKey:
        """An organization, user and key of their own, with limits as given."""
        name = f"org {time.monotonic_ns()}"
        org = self.admin("/organizations", {"name": name, "monthly_budget_usd": None} | dict(organization or {}))
        person = self.admin("/users", {"org_id": org["org_id"], "email": "someone@example.com"} | dict(user or {}))
        made = self.admin(f"/users/{person['user_id']}/api-keys", key)
        return NewKey(org["org_id"], person["user_id"], made["key_id"], made["api_key"])


@dataclass(frozen=True)
class NewKey:
    org_id: str
    user_id: str
    key_id: str
    api_key: str


class SimulatorProcess:
    """`onevault simulate` as a process."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.process = Process(
            ["simulate", "--port", str(self.port), *options], {}, directory, directory / "simulator.log"
        )

    def start(self) -> None:
        self.process.start()
        wait_until_ready(f"{self.base_url}/health", self.process)

    def stop(self) -> int:
        return self.process.stop()

    @property
    def as_provider(self) -> dict[str, str]:
        """The environment of a gateway whose OpenAI and Anthropic are this simulator."""
        return {
            "OPENAI_API_KEY": "sk-simulated-openai",
            "OPENAI_BASE_URL": f"{self.base_url}/v1",
            "ANTHROPIC_API_KEY": "sk-ant-simulated",
            "ANTHROPIC_BASE_URL": self.base_url,
        }

    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = http(f"{self.base_url}/_simulator/calls")[2]
        return found

    def reset(self) -> None:
        http(f"{self.base_url}/_simulator/calls", method="DELETE")
