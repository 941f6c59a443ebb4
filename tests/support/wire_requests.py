"""Writes the requests and names the shapes that tests of the transports share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onevault.core.transport import HttpRequest, Origin, Transport

MakeTransport = Callable[..., Transport]
"""Makes a transport from keyword arguments of `TransportSettings`; it is closed after the test."""


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
