"""Serves a simulator: by itself in the foreground, or embedded in a running event loop."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType
from typing import Final

import uvloop

from onevault.simulator.calls import Call
from onevault.simulator.connection import Connection
from onevault.simulator.provider import Provider
from onevault.simulator.settings import Settings

_BACKLOG: Final = 4096


class EmbeddedSimulator:
    """Serves within the running event loop while it is entered; touches no signal handlers.

    Port 0 takes a free one. Leaving closes the listener and every connection.
    """

    def __init__(self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.settings = settings or Settings()
        self._host = host
        self._port = port
        self._provider = Provider(self.settings)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> EmbeddedSimulator:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._provider, self._connections, loop), self._host, self._port, backlog=_BACKLOG
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in tuple(self._connections):
            connection.abort()
        await server.wait_closed()
        await asyncio.sleep(0)  # an aborted connection hears of its end in the next turn of the loop

    @property
    def port(self) -> int:
        return self._port

    @property
    def base_url(self) -> str:
        """Without the `/v1` that OpenAI's SDK wants at its end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def calls(self) -> list[Call]:
        """The calls kept, oldest first; empty unless the settings say `record_calls`."""
        return self._provider.log.calls()

    @property
    def stats(self) -> dict[str, int]:
        return self._provider.log.counters()

    def reset(self) -> None:
        """Forgets the calls and the counters."""
        self._provider.log.reset()


def run(settings: Settings, host: str = "127.0.0.1", port: int = 8090) -> None:
    """Serves until SIGINT or SIGTERM; prints one line with the address when it is ready. Raises OSError for a taken port."""
    uvloop.run(_serve(settings, host, port))


async def _serve(settings: Settings, host: str, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with EmbeddedSimulator(settings, host=host, port=port) as simulator:
        print(f"Simulated provider on {simulator.base_url} (OpenAI at /v1, Anthropic at /)", flush=True)
        await stopped.wait()
