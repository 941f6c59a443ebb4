"""The gateways compared: how each is installed, started and called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.calls import Case
from bench.generator import Destination
from bench.processes import Process, free_port, running
from bench.settings import GATEWAY_CORE
from bench.upstream import Upstream


class Gateway(Protocol):
    """One product under test. `set_up` says in a sentence how it was configured, for the results."""

    name: str
    version: str
    set_up: str
    ready_path: str

    def install(self) -> None:
        """Raises BenchError with what to do where it cannot be installed."""

    def command(self, port: int, upstream: Upstream, directory: Path) -> tuple[Sequence[str], dict[str, str]]:
        """The command line and environment of a start that finds nothing of an earlier one in `directory`."""

    def destination(self, port: int, upstream: Upstream, directory: Path) -> Callable[[Case], Destination]:
        """Called once it is ready: does what its administrator would, and tells where each case is sent."""


@dataclass(frozen=True)
class Started:
    process: Process
    ready_s: float
    destination: Callable[[Case], Destination]


@contextmanager
def started(gateway: Gateway, upstream: Upstream, directory: Path) -> Iterator[Started]:
    """The gateway alone on its core, with a fresh directory, until the block ends."""
    directory.mkdir(parents=True)
    port = free_port()
    command, environment = gateway.command(port, upstream, directory)
    with running(Process(command, core=GATEWAY_CORE, log=directory / "output.log", environment=environment)) as process:
        ready_s = process.wait_until_ready(port, gateway.ready_path)
        yield Started(process, ready_s, gateway.destination(port, upstream, directory))
