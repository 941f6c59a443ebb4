"""The port through which bytes go to providers; two implementations keep one contract (`tests/contract/transport`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """Where a connection goes: scheme `http` or `https`, host without brackets, port."""

    scheme: str
    host: str
    port: int


class HttpRequest(msgspec.Struct, frozen=True):
    """One request. `path` with its query; header names in lower case. The transport adds `host` and `content-length`.

    Timeouts in seconds: `connect_s` until a connection stands (TLS included; waiting for a free connection counts),
    `first_byte_s` from the request's last byte sent until the first byte of the answer's body (or its end, if empty),
    `stall_s` between two reads of the body while somebody waits for it, and while the request cannot be written,
    `total_s` for everything. `on_sent` is called once, when a connection stands and the request's first bytes are
    handed to it: from then on the server may be at work.
    """

    method: str
    origin: Origin
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connect_s: float
    first_byte_s: float
    stall_s: float
    total_s: float
    on_sent: Callable[[], None] | None = None


class Phase(StrEnum):
    """How far a failed exchange had come; only `CONNECT` is certain not to have reached the server."""

    CONNECT = "connect"
    SEND = "send"
    HEADERS = "headers"
    BODY = "body"


class TransportError(Exception):
    """An exchange that broke. `timeout` tells waiting too long from a connection that failed or an answer that is not HTTP."""

    def __init__(self, message: str, *, phase: Phase, timeout: bool = False) -> None:
        super().__init__(message)
        self.phase = phase
        self.timeout = timeout


class HttpAnswer(Protocol):
    """An answer whose head has come. Header names in lower case; repeated headers joined by ", "."""

    status: int
    headers: dict[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives, decoded from chunking (content codings are never asked for). Never holds bytes back.
        Raises TransportError when the body ends before its declared or chunked end."""

    async def read(self, bytes_max: int) -> bytes:
        """The whole body. Raises TransportError when it is longer than `bytes_max` or broken."""


class Transport(Protocol):
    """Sends requests over pooled connections."""

    def exchange(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpAnswer]:
        """Entering returns when the answer's head has come. Leaving before the body's end closes the connection at once, as
        does cancellation at any point, so that the server sees it within 100 ms; after the end it goes back to its pool.
        An idle connection that the server has closed meanwhile is not used, and if the close races with the request and
        not one byte of an answer came, the request is sent once more on a new connection."""

    async def close(self) -> None:
        """Closes every connection; exchanges in flight break."""
