"""The transports that keep the contract: the lean one on both event loops, the reference on the one that is served on."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop
from tests.support.wire_certificates import Certificates, make_certificates
from tests.support.wire_requests import MakeTransport

from onevault.core.transport import Transport
from onevault.upstream.aiohttp_transport import AiohttpTransport
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if not _is_reference_on_asyncio(item)]


def _is_reference_on_asyncio(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if callspec is None or callspec.params.get("implementation") != "aiohttp":
        return False
    return asyncio.new_event_loop in callspec.params.values()


@pytest.fixture(params=["lean", "aiohttp"])
def implementation(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make certificates with")
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def trust(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Loading the system's roots takes 20 ms a transport, which hundreds of tests need not wait for."""
    if shutil.which("openssl") is None:
        return {}
    certificates: Certificates = request.getfixturevalue("certificates")
    return {"system_trust": False, "ca_file": str(certificates.authority)}


@pytest.fixture
async def make_transport(implementation: str, trust: dict[str, Any]) -> AsyncIterator[MakeTransport]:
    """Makes transports from settings and closes them after the test, which no task may outlive."""
    made: list[Transport] = []
    tasks_before = asyncio.all_tasks()
    build = {"lean": LeanTransport, "aiohttp": AiohttpTransport}[implementation]

    def make(**settings: Any) -> Transport:
        made.append(build(TransportSettings(**trust | settings)))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
    for _ in range(3):
        await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - tasks_before if task is not asyncio.current_task()}
    assert left == set()


@pytest.fixture
async def transport(make_transport: MakeTransport) -> Transport:
    return make_transport()


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    """For tests that run in the clear and over TLS: what the server needs; the transport trusts it."""
    if request.param == "http":
        return None
    certificates: Certificates = request.getfixturevalue("certificates")
    return certificates.server_context()
