"""The transports that keep the contract, each on the event loops that it is used on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from onevault.core.transport import HttpRequest, Origin, Transport
from onevault.upstream.aiohttp_transport import AiohttpTransport
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings
from tests.support.wire_certificates import Certificates, make_certificates


@dataclass(frozen=True)
class Subject:
    """An implementation on an event loop."""

    make: Callable[[TransportSettings], Transport]
    policy: Callable[[], asyncio.AbstractEventLoopPolicy]

    @property
    def lean(self) -> bool:
        return self.make is LeanTransport


SUBJECTS = {
    "lean-uvloop": Subject(LeanTransport, uvloop.EventLoopPolicy),
    "lean-asyncio": Subject(LeanTransport, asyncio.DefaultEventLoopPolicy),
    "aiohttp-uvloop": Subject(AiohttpTransport, uvloop.EventLoopPolicy),
}


@pytest.fixture(params=list(SUBJECTS))
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]


@pytest.fixture
def event_loop_policy(subject: Subject) -> asyncio.AbstractEventLoopPolicy:
    return subject.policy()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make certificates with")
    return make_certificates(tmp_path_factory.mktemp("certificates"))


MakeTransport = Callable[..., Transport]


@pytest.fixture
async def make_transport(subject: Subject) -> AsyncIterator[MakeTransport]:
    """Makes transports from settings and closes them; no task and no exchange may outlive its test."""
    made: list[Transport] = []
    tasks_before = asyncio.all_tasks()

    def make(**settings: Any) -> Transport:
        made.append(subject.make(TransportSettings(**settings)))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() <= tasks_before | {asyncio.current_task()}


@pytest.fixture
def transport(make_transport: MakeTransport) -> Transport:
    return make_transport()


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest) -> dict[str, Any]:
    """For tests that run in the clear and over TLS: what the server needs, and what the transport."""
    if request.param == "http":
        return {"server": {}, "transport": {}}
    certificates: Certificates = request.getfixturevalue("certificates")
    return {"server": {"tls": certificates.server_context()}, "transport": {"ca_file": str(certificates.authority)}}


def ask(origin: Origin, **changes: Any) -> HttpRequest:
    """A small POST with timeouts that no test waits for unless it changes them."""
    fields: dict[str, Any] = {
        "method": "POST",
        "origin": origin,
        "path": "/v1/things?a=1",
        "headers": (("content-type", "application/json"),),
        "body": b'{"a": 1}',
        "connect_s": 5.0,
        "first_byte_s": 5.0,
        "stall_s": 5.0,
        "total_s": 10.0,
    }
    return HttpRequest(**(fields | changes))


