"""Writes a whole answer: in one piece where the server is ours and the client keeps up, in ASGI's two messages elsewhere."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from onevault.api.asgi import Headers, Send


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Headers' names in lower case, without content-length; values without line breaks. Raises ValueError otherwise."""
    headers.append((b"content-length", b"%d" % len(body)))
    cycle = getattr(send, "__self__", None)
    if isinstance(cycle, RequestResponseCycle) and _keeps_up(cycle):
        _write(cycle, status, headers, body)
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _keeps_up(cycle: RequestResponseCycle) -> bool:
    return not (
        cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.scope["method"] == "HEAD"
    )


def _write(cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> None:
    """What `RequestResponseCycle.send` does for both messages, without looking at each header with two regular
    expressions: a third of what the server costs a call."""
    lines = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        lines += (name, b": ", value, b"\r\n")
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        lines.append(b"connection: close\r\n")
    lines.append(b"\r\n")
    head = b"".join(lines)
    expected = 2 + len(cycle.default_headers) + len(headers) + (not cycle.keep_alive)
    if head.count(b"\n") != expected or head.count(b"\r") != expected:
        raise ValueError("a header's value has a line break in it")
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(head + body)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
