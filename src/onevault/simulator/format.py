"""What a wire format says beside its answers: errors, headers, where the key is, which paths are its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onevault.simulator.faults import Fault, Refused
from onevault.simulator.request import Request


@dataclass(frozen=True)
class Format:
    """One provider's way of speaking; its routes bring the answers.

    `error` gives the body for a fault and a request id. `success_headers` takes the number of the request, `error_headers`
    the fault, that number, and the seconds after which to come back; both give whole lines, each with its end.
    `missing_key` None: no key is needed. `prefixes` are the beginnings of paths whose errors this format words when no
    route has them.
    """

    name: str
    error: Callable[[Fault, str], bytes]
    success_headers: Callable[[int], bytes]
    error_headers: Callable[[Fault, int, float | None], bytes]
    unknown_model: Callable[[str], Refused]
    missing_key: Fault | None
    key_of: Callable[[Request], str]
    prefixes: tuple[str, ...] = ()


def bearer_or(*names: bytes) -> Callable[[Request], str]:
    """Reads the key from `authorization: Bearer …`, else from the first of these headers that is there; empty if none is."""

    def key_of(request: Request) -> str:
        sent = request.headers.get(b"authorization", b"")
        if sent[:7].lower() == b"bearer ":
            return sent[7:].strip().decode("latin-1")
        return next((request.headers[name].decode("latin-1") for name in names if name in request.headers), "")

    return key_of
