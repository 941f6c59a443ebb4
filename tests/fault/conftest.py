"""A simulator and a gateway in front of it, and the stores that gateways share, as processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres_server import PostgresServer
from tests.support.processes import GatewayProcess, SimulatorProcess
from tests.support.redis_server import RedisServer

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


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One for a test that breaks it. It keeps nothing when it ends."""
    server = RedisServer().start()
    yield server
    server.remove()


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """One for a test that breaks it."""
    server = PostgresServer().start()
    yield server
    server.remove()
