"""OneVault as its users start it, on the embedded default, with limits and budgets on every scope of the key that is used."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final

from bench.calls import Case
from bench.generator import Destination
from bench.processes import BenchError
from bench.upstream import COMMAND, Upstream

_TIMEOUT_S: Final = 10.0
_PER_MINUTE_MAX: Final = 100_000_000
_CONCURRENT_MAX: Final = 100_000
_BUDGET_USD: Final = 1_000_000


class OneVault:
    name = "OneVault"
    version = installed_version("onevault")
    set_up = (
        "`onevault serve`: key, requests per minute, daily and monthly requests, concurrency, daily and monthly money of user and "
        "organization all checked and held, journal and vault on disk, metrics and logs on"
    )
    ready_path = "/readyz"

    def __init__(self, *, redis_url: str = "") -> None:
        """With `redis_url`, its ledger and limits are counted in that Redis."""
        self._redis_url = redis_url

    def install(self) -> None:
        if not Path(COMMAND).is_file():
            raise BenchError("OneVault is not installed in .venv: run `make bench`, which does it")

    def command(self, port: int, upstream: Upstream, directory: Path) -> tuple[Sequence[str], dict[str, str]]:
        config = directory / "onevault.yaml"
        config.write_text("{}\n")
        environment = {
            "ONEVAULT_DATA_DIR": str(directory / "data"),
            "OPENAI_API_KEY": "x",
            "OPENAI_BASE_URL": upstream.openai_base_url,
            "ANTHROPIC_API_KEY": "x",
            "ANTHROPIC_BASE_URL": upstream.anthropic_base_url,
        }
        if self._redis_url:
            environment["ONEVAULT_REDIS_URL"] = self._redis_url
        return [COMMAND, "serve", "--config", str(config), "--host", "127.0.0.1", "--port", str(port)], environment

    def destination(self, port: int, upstream: Upstream, directory: Path) -> Callable[[Case], Destination]:
        credentials = json.loads((directory / "data/credentials.json").read_text())
        to = Destination(
            port, "/v1/chat/completions", {"authorization": f"Bearer {_limited_key(port, credentials['admin_key'])}"}
        )
        return lambda case: to


def _limited_key(port: int, admin_key: str) -> str:
    """A key under limits that are checked on every call and never reached."""
    budgets = {"monthly_budget_usd": _BUDGET_USD, "daily_budget_usd": _BUDGET_USD}
    organization = _post(port, admin_key, "/admin/organizations", {"name": "bench", **budgets})
    limits = {
        "monthly_limit_usd": _BUDGET_USD,
        "daily_limit_usd": _BUDGET_USD,
        "daily_request_limit": _PER_MINUTE_MAX,
        "monthly_request_limit": _PER_MINUTE_MAX,
        "requests_per_minute": _PER_MINUTE_MAX,
        "concurrent_requests": _CONCURRENT_MAX,
    }
    person = {"org_id": organization["org_id"], "email": "bench@example.com", **limits}
    user = _post(port, admin_key, "/admin/users", person)
    key: str = _post(port, admin_key, f"/admin/users/{user['user_id']}/api-keys", {"name": "bench"})["api_key"]
    return key


def _post(port: int, admin_key: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        headers = {"authorization": f"Bearer {admin_key}", "content-type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status not in (200, 201):
        raise BenchError(f"POST {path} answered {answer.status}: {text[:400].decode(errors='replace')}")
    made: dict[str, Any] = json.loads(text)
    return made
