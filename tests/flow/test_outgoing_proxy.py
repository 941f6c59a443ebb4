"""Providers behind an outgoing proxy: the reference transport, chosen by configuration alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http


class ForwardProxy:
    """Forwards plain HTTP requests in absolute form, and remembers where they went."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with client:
            request = client.recv(65_536)
            method, url, rest = request.split(b" ", 2)
            self.asked.append(url.decode())
            parts = urlsplit(url.decode())
            with socket.create_connection((parts.hostname, parts.port)) as server:
                server.sendall(b" ".join([method, parts.path.encode(), rest]))
                while data := server.recv(65_536):
                    client.sendall(data)


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    running = ForwardProxy()
    yield running
    running.close()


@pytest.mark.parametrize("stream", [False, True])
def test_calls_go_through_the_proxy_and_are_charged(
    tmp_path: Path, simulator: SimulatorProcess, proxy: ForwardProxy, stream: bool
) -> None:
    config = f"gateway:\n  outgoing_proxy: http://127.0.0.1:{proxy.port}\n"
    gateway = GatewayProcess(tmp_path, environment=simulator.as_provider, config=config)
    gateway.start()
    try:
        asked = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 5,
            "stream": stream,
        }
        status, headers, _ = http(f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body=asked)
        assert status == 200
        assert proxy.asked == [f"{simulator.base_url}/v1/chat/completions"]
        call = http(f"{gateway.base_url}/v1/requests/{headers['x-request-id']}", key=gateway.api_key)[2]
        assert call["cost_nanos"] > 0
        assert call["usage"]["source"] == "provider"
    finally:
        gateway.stop()


def test_a_certificate_file_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, config="gateway:\n  outgoing_ca_file: /nowhere/ca.pem\n")
    gateway.process.start()
    assert gateway.process.popen.wait(20) == 1
    assert "Traceback" not in gateway.process.output
    assert "No such file" in gateway.process.output
