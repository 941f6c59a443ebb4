"""The HTTP server: uvicorn, with the bounds on headers and silence that it lacks, and our order of shutting down."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from onevault.api.asgi import CONNECTION, App

HEADERS_MAX = 128


class HeadersTooLarge(Exception):
    """Raised into the parser, which answers 400 and closes."""


def bounded_protocol(*, header_bytes_max: int, head_timeout_s: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol with a limit on a request's head in bytes and on the time until a connection's first head is in.

    It puts itself into the scope as `Connection`, and tells whoever asks when the client is gone: a task that waits for
    ASGI's disconnect message costs each call more than its authentication and admission.
    """

    class BoundedProtocol(HttpToolsProtocol):
        on_lost: Callable[[], None] | None = None
        _head_bytes = 0
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._head_timer = self.loop.call_later(head_timeout_s, self._too_slow)

        def connection_lost(self, exc: Exception | None) -> None:
            self._in_time()
            super().connection_lost(exc)
            if self.on_lost is not None:
                self.on_lost()

        def on_message_begin(self) -> None:
            self._head_bytes = 0
            super().on_message_begin()
            self.scope[CONNECTION] = self  # type: ignore[literal-required]

        def on_url(self, url: bytes) -> None:
            self._count(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._count(len(name) + len(value) + 4)
            if len(self.headers) >= HEADERS_MAX:
                raise HeadersTooLarge
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._in_time()
            super().on_headers_complete()

        def _count(self, size: int) -> None:
            self._head_bytes += size
            if self._head_bytes > header_bytes_max:
                raise HeadersTooLarge

        def _in_time(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _too_slow(self) -> None:
            self._head_timer = None
            self.transport.close()

    return BoundedProtocol


class Server(uvicorn.Server):
    """The first signal drains: `on_drain` is called, no new connection is taken, streams run on until the time is up.
    A second signal ends at once."""

    def __init__(self, config: uvicorn.Config, on_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_drain = on_drain

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


def server(
    app: App,
    *,
    header_bytes_max: int,
    head_timeout_s: float,
    idle_timeout_s: float,
    drain_timeout_s: float,
    on_drain: Callable[[], None],
) -> Server:
    """A server for sockets that already listen."""
    protocol: Any = bounded_protocol(header_bytes_max=header_bytes_max, head_timeout_s=head_timeout_s)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=int(idle_timeout_s),
        timeout_graceful_shutdown=int(drain_timeout_s),
        backlog=4096,
    )
    return Server(config, on_drain)
