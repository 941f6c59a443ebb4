"""Takes a request's body in, within its limits, and watches for the client to hang up."""

from __future__ import annotations

import asyncio

from onevault.api.asgi import CONNECTION, Connection, Message, Receive, Scope
from onevault.core.faults import Fault, FaultKind
from onevault.pipeline.caller import CallerGone, Presence


async def read_body(
    receive: Receive,
    headers: dict[bytes, bytes],
    *,
    bytes_max: int,
    timeout_s: float,
    takes: str | None = "application/json",
) -> bytes:
    """The whole body, of the content type that the dialect `takes` (None: any). Raises Fault PAYLOAD_TOO_LARGE or
    INVALID_REQUEST (too slow, wrong type or coding), or CallerGone."""
    _check_headers(headers, bytes_max, takes)
    served = asyncio.current_task()
    assert served is not None  # noqa: S101  # an ASGI server runs each request in a task
    # A bare timer: `asyncio.timeout` costs four times as much, and nearly every body is there already.
    timer = asyncio.get_running_loop().call_later(timeout_s, served.cancel)
    late_at = asyncio.get_running_loop().time() + timeout_s
    try:
        message = await receive()
        body = _part(message, 0, bytes_max)
        if not message.get("more_body", False):
            return body
        parts, size = [body], len(body)
        while message.get("more_body", False):
            message = await receive()
            parts.append(_part(message, size, bytes_max))
            size += len(parts[-1])
        return b"".join(parts)
    except asyncio.CancelledError:
        if asyncio.get_running_loop().time() < late_at or served.uncancel() > 0:
            raise
        raise Fault(
            FaultKind.INVALID_REQUEST, f"The request's body did not arrive within {timeout_s:g} seconds."
        ) from None
    finally:
        timer.cancel()


def _check_headers(headers: dict[bytes, bytes], bytes_max: int, takes: str | None) -> None:
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > bytes_max:
        raise _too_large(bytes_max)
    kind = headers.get(b"content-type")
    if kind is not None and not (kind.isascii() and kind.decode().isprintable()):
        raise Fault(FaultKind.INVALID_REQUEST, "The request's content-type is not one.", param="content-type")
    if takes is not None and not _is_taken(kind, takes):
        raise Fault(FaultKind.INVALID_REQUEST, f"The request's content-type must be {takes}.", param="content-type")
    coding = headers.get(b"content-encoding")
    if coding is not None and coding.strip().lower() not in (b"", b"identity"):
        raise Fault(FaultKind.INVALID_REQUEST, "The request's body must not be compressed.", param="content-encoding")


def _is_taken(content_type: bytes | None, takes: str) -> bool:
    """For JSON also none, `application/json` with parameters, `text/json`, `application/anything+json` (RFC 6839)."""
    media_type = (content_type or b"").partition(b";")[0].strip().lower()
    if takes != "application/json":
        return media_type == takes.encode()
    return content_type is None or media_type.endswith((b"/json", b"+json"))


def _part(message: Message, size: int, bytes_max: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise CallerGone
    part: bytes = message.get("body", b"")
    if size + len(part) > bytes_max:
        raise _too_large(bytes_max)
    return part


def _too_large(bytes_max: int) -> Fault:
    return Fault(FaultKind.PAYLOAD_TOO_LARGE, f"The request's body is larger than {bytes_max} bytes.")


class HangUp:
    """Tells a call when its client closes the connection: the task that serves it is then cancelled, or goes on for its provider's
    bill alone.

    Watching begins when the body is in; `answered` ends it. A hang-up is told from any other cancellation by `happened`.
    """

    __slots__ = ("_connection", "presence")

    def __init__(self, scope: Scope) -> None:
        served = asyncio.current_task()
        assert served is not None  # noqa: S101  # an ASGI server runs each request in a task
        self._connection: Connection = scope[CONNECTION]
        self.presence = Presence(served.cancel)

    @property
    def happened(self) -> bool:
        return self.presence.gone

    def watch(self) -> None:
        self._connection.on_lost = self._lost

    def answered(self) -> None:
        """The last byte is about to be written: whatever comes now is no hang-up."""
        self._connection.on_lost = None

    def break_off(self) -> None:
        """The other way round: leaves an answer without its end."""
        self._connection.on_lost = None
        self._connection.break_off()

    def _lost(self) -> None:
        self._connection.on_lost = None
        self.presence.leave()
