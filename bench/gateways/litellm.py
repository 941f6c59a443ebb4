"""LiteLLM's proxy from PyPI: one worker, a master key, no database, logging and telemetry off."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.calls import ANTHROPIC_MODEL, OPENAI_MODEL, Case
from bench.generator import Destination
from bench.processes import BenchError
from bench.settings import INSTALLED, LITELLM_VERSION
from bench.upstream import Upstream

_INSTALL_TIMEOUT_S: Final = 900
_MASTER_KEY: Final = "sk-bench-0123456789abcdef"


class LiteLLM:
    name = "LiteLLM"
    version = LITELLM_VERSION
    set_up = (
        "`litellm --config`, one uvicorn worker, master key checked, two models; no database, so no spend is kept; "
        "logging and telemetry off"
    )
    ready_path = "/health/readiness"

    def __init__(self, home: Path = INSTALLED / "litellm") -> None:
        self._bin = home / "bin"
        self._home = home

    def install(self) -> None:
        stamp = self._home / ".installed"
        if stamp.is_file() and stamp.read_text() == self.version:
            return
        try:
            subprocess.run([sys.executable, "-m", "venv", str(self._home)], check=True, timeout=120)
            pip = [
                str(self._bin / "pip"),
                "install",
                "-q",
                "--disable-pip-version-check",
                f"litellm[proxy]=={self.version}",
            ]
            subprocess.run(pip, check=True, timeout=_INSTALL_TIMEOUT_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise BenchError(f"litellm[proxy]=={self.version} cannot be installed with pip: {error}") from None
        stamp.write_text(self.version)

    def command(self, port: int, upstream: Upstream, directory: Path) -> tuple[Sequence[str], dict[str, str]]:
        config = {
            "model_list": [
                _model(OPENAI_MODEL, f"openai/{OPENAI_MODEL}", upstream.openai_base_url),
                _model(ANTHROPIC_MODEL, f"anthropic/{ANTHROPIC_MODEL}", upstream.anthropic_base_url),
            ],
            "general_settings": {"master_key": _MASTER_KEY},
            "litellm_settings": {"telemetry": False, "set_verbose": False},
        }
        file = directory / "config.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML
        command = [
            str(self._bin / "litellm"),
            "--config",
            str(file),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--num_workers",
            "1",
        ]
        # Without the first of these it fetches its price list from the network at start.
        return command, {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}

    def destination(self, port: int, upstream: Upstream, directory: Path) -> Callable[[Case], Destination]:
        to = Destination(port, "/v1/chat/completions", {"authorization": f"Bearer {_MASTER_KEY}"})
        return lambda case: to


def _model(name: str, target: str, base_url: str) -> dict[str, object]:
    return {"model_name": name, "litellm_params": {"model": target, "api_base": base_url, "api_key": "x"}}
