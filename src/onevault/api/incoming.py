"""Takes a request's body in, within its limits, and watches for the client to hang up."""

from __future__ import annotations

import asyncio

from onevault.api.asgi import Message, Receive
from onevault.core.faults import Fault, FaultKind


class ClientGone(Exception):
    """The client closed its connection before its request was complete."""


async def read_body(receive: Receive, headers: dict[bytes, bytes], *, bytes_max: int, timeout_s: float) -> bytes:
    """The whole body. Raises Fault PAYLOAD_TOO_LARGE or INVALID_REQUEST (too slow, wrong type or coding), or ClientGone."""
    _check_headers(headers, bytes_max)
    message = None
    try:
        async with asyncio.timeout(timeout_s):
            message = await receive()
            if not message.get("more_body", False):
                return _part(message, 0, bytes_max)
            parts = [_part(message, 0, bytes_max)]
            size = len(parts[0])
            while message.get("more_body", False):
                message = await receive()
                parts.append(_part(message, size, bytes_max))
                size += len(parts[-1])
    except TimeoutError:
        raise Fault(
            FaultKind.INVALID_REQUEST, f"The request's body did not arrive within {timeout_s:g} seconds."
        ) from None
    return b"".join(parts)


def _check_headers(headers: dict[bytes, bytes], bytes_max: int) -> None:
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > bytes_max:
        raise _too_large(bytes_max)
    kind = headers.get(b"content-type")
    if kind is not None and not kind.startswith(b"application/json") and b"json" not in kind.split(b";")[0].lower():
        raise Fault(
            FaultKind.INVALID_REQUEST, "The request's content-type must be application/json.", param="content-type"
        )
    coding = headers.get(b"content-encoding")
    if coding is not None and coding.strip().lower() not in (b"", b"identity"):
        raise Fault(FaultKind.INVALID_REQUEST, "The request's body must not be compressed.", param="content-encoding")


def _part(message: Message, size: int, bytes_max: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    part: bytes = message.get("body", b"")
    if size + len(part) > bytes_max:
        raise _too_large(bytes_max)
    return part


def _too_large(bytes_max: int) -> Fault:
    return Fault(FaultKind.PAYLOAD_TOO_LARGE, f"The request's body is larger than {bytes_max} bytes.")


class HangUp:
    """Cancels the task that serves a call when its client closes the connection.

    Watching begins when the body is in; `answered` ends it. A hang-up is told from any other cancellation by `happened`.
    """

    __slots__ = ("_over", "_served", "_watch", "happened")

    def __init__(self) -> None:
        served = asyncio.current_task()
        assert served is not None  # noqa: S101  # an ASGI server runs each request in a task
        self._served = served
        self._watch: asyncio.Future[Message] | None = None
        self._over = False
        self.happened = False

    def watch(self, receive: Receive) -> None:
        self._watch = asyncio.ensure_future(receive())
        self._watch.add_done_callback(self._received)

    def answered(self) -> None:
        """The last byte is about to be written: whatever comes now is no hang-up. The server ends the wait itself."""
        self._over = True

    def close(self) -> None:
        self._over = True
        if self._watch is not None and not self._watch.done():
            self._watch.cancel()

    def _received(self, watch: asyncio.Future[Message]) -> None:
        if self._over or watch.cancelled():
            return
        # Nothing but the end of the connection can follow a complete body.
        self.happened = True
        self._served.cancel()
