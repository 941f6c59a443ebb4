"""The HTTP server: uvicorn with our protocol and our order of shutting down."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

from onevault.api.asgi import App
from onevault.api.protocol import bounded_protocol

_TICK_S = 0.05
_SOCKET_MESSAGE_BYTES_MAX = 4_096
"""Nobody has anything to say over a WebSocket here; what comes is passed over."""
_PONG_S = 30.0
"""How long a WebSocket's client may take to answer a ping, however often it is pinged: it may be busy, or far away."""
_CANCELLED_S = 2.0
"""How long calls that are cut off at the end may take to settle."""


class Server(uvicorn.Server):
    """The first signal drains: `on_drain` is called, and while a call is `busy` the port stays open, so that probes and new
    calls are told 503 and not left guessing. Then, or when the time is up, it closes. A second signal ends at once."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_drain: Callable[[], None],
        busy: Callable[[], bool],
        *,
        drain_timeout_s: float,
    ) -> None:
        super().__init__(config)
        self._on_drain = on_drain
        self._busy = busy
        self._drain_timeout_s = drain_timeout_s

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """As uvicorn's, but a signal that was obeyed is not raised again: draining ends with exit code 0."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
        else:
            self._on_drain()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drains, closes, and waits until calls that were cut off have settled."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._drain_timeout_s
        while self._busy() and not self.force_exit and clock() < until:
            await self.on_tick(0)
            await asyncio.sleep(_TICK_S)
        self.config.timeout_graceful_shutdown = math.ceil(max(0.0, until - clock()))
        await super().shutdown(sockets)
        cut_off = list(self.server_state.tasks)
        for task in cut_off:
            if not task.cancelling():
                task.cancel()
        if cut_off:
            await asyncio.wait(cut_off, timeout=_CANCELLED_S)


def server(
    app: App,
    *,
    header_bytes_max: int,
    header_timeout_s: float,
    body_timeout_s: float,
    idle_timeout_s: float,
    drain_timeout_s: float,
    on_drain: Callable[[], None],
    busy: Callable[[], bool],
    heartbeat_s: float,
    socket_paths: frozenset[bytes],
) -> Server:
    """A server for sockets that already listen. At `socket_paths` it speaks WebSocket with who offers to, and pings every `heartbeat_s`."""
    protocol: Any = bounded_protocol(
        header_bytes_max=header_bytes_max,
        header_timeout_s=header_timeout_s,
        body_timeout_s=body_timeout_s,
        socket_paths=socket_paths,
    )
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol,
        ws="websockets-sansio",
        ws_max_size=_SOCKET_MESSAGE_BYTES_MAX,
        ws_ping_interval=heartbeat_s,
        ws_ping_timeout=_PONG_S,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(idle_timeout_s),
        backlog=4096,
    )
    return Server(config, on_drain, busy, drain_timeout_s=drain_timeout_s)
