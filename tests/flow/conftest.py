"""A simulator and a gateway in front of it, as processes, for the whole directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.hostile import CONFIG, Hostile
from tests.support.callers import CallerOf
from tests.support.every_provider import configuration
from tests.support.processes import GatewayProcess, SimulatorProcess


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    started = SimulatorProcess(tmp_path_factory.mktemp("simulator"), "--record-bodies")
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("gateway"), environment=simulator.as_provider)
    started.start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    """One with an entry of every kind of provider."""
    directory = tmp_path_factory.mktemp("every")
    started = GatewayProcess(directory, config=configuration(directory, simulator.base_url))
    started.start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def caller_of(every: GatewayProcess) -> Iterator[CallerOf]:
    made = CallerOf(every.base_url, every.api_key)
    yield made
    made.close()


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    """One for a test that restarts or breaks it."""
    made = GatewayProcess(tmp_path, environment=simulator.as_provider)
    made.start()
    yield made
    if made.process.popen.poll() is None:
        made.kill()


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    directory = tmp_path_factory.mktemp("hostile")
    simulator = SimulatorProcess(directory, "--record-calls")
    gateway = GatewayProcess(directory, environment=simulator.as_provider, config=CONFIG)
    simulator.start()
    gateway.start()
    narrow = gateway.new_key(allowed_models=["gpt-4o-mini"])
    yield Hostile(gateway, simulator, gateway.api_key, narrow.api_key)
    assert gateway.stop() == 0
    simulator.stop()
