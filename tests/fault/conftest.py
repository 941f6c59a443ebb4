"""A simulator and a gateway in front of it, as processes, for the whole directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess

LONG = bool(os.environ.get("ONEVAULT_TEST_LONG"))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    started = SimulatorProcess(tmp_path_factory.mktemp("simulator"), "--record-calls")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    """One for a test that restarts or breaks it."""
    made = GatewayProcess(tmp_path, environment=simulator.as_provider)
    made.start()
    yield made
    if made.process.popen.poll() is None:
        made.kill()
