"""Portkey's gateway from npm: one Node process, no keys or limits of its own, its configuration in each call's headers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.calls import Case
from bench.generator import Destination
from bench.processes import BenchError
from bench.settings import INSTALLED, PORTKEY_NODE_SERVER_VERSION, PORTKEY_VERSION
from bench.upstream import Upstream

_INSTALL_TIMEOUT_S: Final = 600
_PACKAGE: Final = "@portkey-ai/gateway"
_PACKAGES: Final = {
    "private": True,
    "dependencies": {_PACKAGE: PORTKEY_VERSION},
    # What npm would take today makes the gateway answer every stream with 500 (Portkey-AI/gateway issue 1389).
    "overrides": {"@hono/node-server": PORTKEY_NODE_SERVER_VERSION},
}


class Portkey:
    name = "Portkey"
    version = PORTKEY_VERSION
    set_up = (
        "`build/start-server.js --headless`, provider and base URL in each call's headers; it checks no key and keeps no "
        f"limit, money or record; with @hono/node-server {PORTKEY_NODE_SERVER_VERSION}, as newer ones make it refuse streams"
    )
    ready_path = "/"

    def __init__(self, home: Path = INSTALLED / "portkey") -> None:
        self._home = home

    def install(self) -> None:
        stamp = self._home / ".installed"
        if stamp.is_file() and stamp.read_text() == self.version:
            return
        npm = [
            "npm",
            "install",
            "--prefix",
            str(self._home),
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
        ]
        self._home.mkdir(parents=True, exist_ok=True)
        (self._home / "package.json").write_text(json.dumps(_PACKAGES))
        try:
            subprocess.run(npm, check=True, timeout=_INSTALL_TIMEOUT_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise BenchError(
                f"{_PACKAGE} {self.version} cannot be installed with npm (Node.js 18 or newer is needed): {error}"
            ) from None
        stamp.write_text(self.version)

    def command(self, port: int, upstream: Upstream, directory: Path) -> tuple[Sequence[str], dict[str, str]]:
        server = self._home / "node_modules" / _PACKAGE / "build/start-server.js"
        return ["node", str(server), f"--port={port}", "--headless"], {"NODE_ENV": "production"}

    def destination(self, port: int, upstream: Upstream, directory: Path) -> Callable[[Case], Destination]:
        def to(case: Case) -> Destination:
            if case.translated:
                provider, base_url = "anthropic", f"{upstream.anthropic_base_url}/v1"
            else:
                provider, base_url = "openai", upstream.openai_base_url
            headers = {"authorization": "Bearer x", "x-portkey-provider": provider, "x-portkey-custom-host": base_url}
            return Destination(port, "/v1/chat/completions", headers)

        return to
