"""The upstream that every gateway calls: the project's simulator in a process of its own, on the load generator's core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.generator import Destination
from bench.processes import Process, free_port, running
from bench.settings import LOAD_CORE, ROOT

COMMAND: Final = str(ROOT / ".venv/bin/onevault")
_READY_PATH: Final = "/health"


@dataclass(frozen=True)
class Upstream:
    """`openai_base_url` ends in `/v1`, as OpenAI's does; `anthropic_base_url` has no path, as Anthropic's has none."""

    port: int
    process: Process

    @property
    def openai_base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def directly(self) -> Destination:
        return Destination(self.port, "/v1/chat/completions", {"authorization": "Bearer x"})


@contextmanager
def upstream(directory: Path) -> Iterator[Upstream]:
    port = free_port()
    command = [COMMAND, "simulate", "--host", "127.0.0.1", "--port", str(port)]
    with running(Process(command, core=LOAD_CORE, log=directory / "upstream.log", environment={})) as process:
        process.wait_until_ready(port, _READY_PATH)
        yield Upstream(port, process)
