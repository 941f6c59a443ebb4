"""Who is trusted over TLS, what a server is shown, and how a proxy is spoken to."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from tests.support.wire_certificates import Certificates, key_of
from tests.support.wire_requests import MakeTransport, ask
from tests.support.wire_server import WireConnection, WireServer, answer, answering

from onevault.core.transport import Origin, Phase, Transport, TransportError
from onevault.upstream.aiohttp_transport import AiohttpTransport
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings


async def call(transport: Transport, origin: Origin) -> bytes:
    async with transport.exchange(ask(origin)) as reply:
        return await reply.read(100)


async def test_a_private_authority_is_trusted_where_it_is_set(
    make_transport: MakeTransport, certificates: Certificates
) -> None:
    async with WireServer(answering(answer()), tls=certificates.server_context()) as server:
        for system_trust in (False, True):
            transport = make_transport(ca_file=str(certificates.authority), system_trust=system_trust)
            assert [await call(transport, server.origin) for _ in range(2)] == [b"ok", b"ok"]
            assert await call(transport, Origin("https", "localhost", server.origin.port)) == b"ok"
        assert server.requests[-1].header("host") == f"localhost:{server.origin.port}"


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_server_that_is_not_trusted_gets_no_byte_of_a_request(
    make_transport: MakeTransport, certificates: Certificates, elsewhere: bool
) -> None:
    trust = {"ca_file": str(certificates.authority)} if elsewhere else {"ca_file": None, "system_trust": True}
    transport = make_transport(**trust)
    async with WireServer(answering(answer()), tls=certificates.server_context(elsewhere=elsewhere)) as server:
        with pytest.raises(TransportError, match="certificate was refused") as failure:
            await call(transport, server.origin)
        assert (failure.value.phase, failure.value.timeout) == (Phase.CONNECT, False)
        assert server.requests == []


async def test_a_client_certificate_is_shown_where_it_is_set(
    make_transport: MakeTransport, certificates: Certificates
) -> None:
    shown = []

    async def handle(connection: WireConnection) -> None:
        await connection.request()
        shown.append(connection.peer_certificate["subject"])
        await connection.send(answer())

    async with WireServer(handle, tls=certificates.server_context(client_required=True)) as server:
        pair = {
            "client_certificate_file": str(certificates.client),
            "client_key_file": str(key_of(certificates.client)),
        }
        assert await call(make_transport(ca_file=str(certificates.authority), **pair), server.origin) == b"ok"
        assert shown == [((("commonName", "client"),),)]
        with pytest.raises(TransportError):
            await call(make_transport(ca_file=str(certificates.authority)), server.origin)
        assert len(server.requests) == 1


async def test_plain_http_spoken_to_a_tls_server_and_back_is_an_error(
    transport: Transport, certificates: Certificates
) -> None:
    async with WireServer(answering(answer()), tls=certificates.server_context()) as server:
        with pytest.raises(TransportError):
            await call(transport, Origin("http", "127.0.0.1", server.origin.port))
    async with WireServer(answering(answer())) as server:
        with pytest.raises(TransportError) as failure:
            async with transport.exchange(ask(Origin("https", "127.0.0.1", server.origin.port), connect_s=0.3)):
                pass
        assert failure.value.phase is Phase.CONNECT


def test_unusable_files_are_told_when_the_transport_is_made(implementation: str, certificates: Certificates) -> None:
    build = {"lean": LeanTransport, "aiohttp": AiohttpTransport}[implementation]
    with pytest.raises(OSError, match="No such file"):
        build(TransportSettings(ca_file="/nonexistent/ca.pem"))
    with pytest.raises(ssl.SSLError):
        build(TransportSettings(ca_file=str(key_of(certificates.authority))))


def test_settings_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="ca_file"):
        TransportSettings(system_trust=False)
    with pytest.raises(ValueError, match="client_certificate_file"):
        TransportSettings(client_key_file="key.pem")
    with pytest.raises(ValueError, match="at least 1"):
        TransportSettings(connections_per_origin_max=0)
    assert "secret" not in repr(TransportSettings(proxy_url="http://u:secret@proxy", client_key_password="secret"))


class Tunnels:
    """A proxy: CONNECT for https, absolute targets for http; notes who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []

    async def __call__(self, connection: WireConnection) -> None:
        method, target, headers = await connection.request_head()
        credentials = {name.lower(): value for name, value in headers}.get("proxy-authorization")
        self.asked.append((method, target, credentials))
        if method != "CONNECT":
            await connection.send(answer(b"by proxy"))
            return
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        passing = (_pass(connection.reader, writer), _pass(reader, connection.writer))
        tasks = [asyncio.ensure_future(each) for each in passing]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def test_a_proxy_is_spoken_through_with_its_credentials(certificates: Certificates, implementation: str) -> None:
    if implementation == "lean":
        pytest.skip("the lean transport does not speak to proxies and says so when it is made")
    tunnels = Tunnels()
    async with (
        WireServer(answering(answer()), tls=certificates.server_context()) as server,
        WireServer(tunnels) as proxy,
    ):
        settings = TransportSettings(
            ca_file=str(certificates.authority), proxy_url=f"http://user:word@127.0.0.1:{proxy.origin.port}"
        )
        transport = AiohttpTransport(settings)
        assert [await call(transport, server.origin) for _ in range(2)] == [b"ok", b"ok"]
        assert await call(transport, Origin("http", "plain.invalid", 80)) == b"by proxy"
        assert tunnels.asked == [
            ("CONNECT", f"127.0.0.1:{server.origin.port}", "Basic dXNlcjp3b3Jk"),
            ("POST", "http://plain.invalid/v1/things?a=1", "Basic dXNlcjp3b3Jk"),
        ]
        await transport.close()


def test_the_lean_transport_refuses_a_proxy_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="proxy_url"):
        LeanTransport(TransportSettings(proxy_url="http://127.0.0.1:3128"))
