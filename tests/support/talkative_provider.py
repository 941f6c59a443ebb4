"""A provider that says too much: it quotes prompt and key in every error, and breaks in the middle of telling secrets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANGING_S = 2.5


class TalkativeProvider:
    """`models` names its ways to fail: a request's model chooses one. `answer` is what it says where it answers."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.seen: list[bytes] = []

    @property
    def models(self) -> list[str]:
        return list(_WAYS)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serves; gives the base URL."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                provider.seen.append(body)
                said = _said(body, dict(self.headers.items()))
                anthropic = self.path.endswith("/messages")
                way = _WAYS[json.loads(body)["model"].split("/")[-1]]
                self.close_connection = True
                try:
                    way(self, said, provider.answer, anthropic)
                except OSError:
                    pass  # the gateway was quicker

            def log_message(self, *arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _said(body: bytes, headers: dict[str, str]) -> str:
    """Everything that was sent, in the forms in which errors quote it."""
    document = json.loads(body)
    return f"{document!r} {body.decode()} {json.dumps(body.decode())} {headers!r}"


Way = Callable[[BaseHTTPRequestHandler, str, str, bool], None]


def _reply(handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, *, length: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(body) if length is None else length))
    handler.send_header("x-quoted", "connection")
    handler.end_headers()
    handler.wfile.write(body)


def _error(status: int, code: str) -> Way:
    def way(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
        error = {"type": code, "message": f"Invalid request: {said}", "param": said[:40], "code": code}
        document = {"type": "error", "error": error} if anthropic else {"error": error}
        _reply(handler, status, "application/json", json.dumps(document).encode())

    return way


def _page(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _reply(handler, 502, "text/html", f"<html><h1>Bad gateway</h1><pre>{said}</pre></html>".encode())


def _not_json(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _reply(handler, 200, "application/json", f'{{"choices": "{answer} {said[:80]}'.encode())


def _wrong_json(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _reply(handler, 200, "application/json", json.dumps({"result": answer, "content": 7, "choices": answer}).encode())


def _cut(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _reply(handler, 200, "application/json", json.dumps({"id": answer}).encode(), length=5_000)


def _hang(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    time.sleep(HANGING_S)


def _hang_up(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    handler.wfile.write(f"HTTP/1.1 200 OK\r\nx: {answer}\r\n".encode())


def _no_http(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    handler.wfile.write(f"{answer} {said}\r\n\r\n".encode())


def _begin(handler: BaseHTTPRequestHandler, answer: str, anthropic: bool) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    usage = {"input_tokens": 3, "output_tokens": 1}
    message = {"id": "m", "model": "m", "role": "assistant", "content": [], "usage": usage}
    start = {"type": "message_start", "message": message}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": answer}}
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": answer}}]}
    for event in (start, block, delta) if anthropic else (chunk,):
        name = f"event: {event['type']}\n" if anthropic else ""
        handler.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())


def _stream_error(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _begin(handler, answer, anthropic)
    error = {"type": "error", "error": {"type": "server_error", "message": f"{answer} {said}", "code": 500}}
    handler.wfile.write(f"event: error\ndata: {json.dumps(error)}\n\n".encode())


def _stream_malformed(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _begin(handler, answer, anthropic)
    handler.wfile.write(f"data: {{{answer} {said}\n\n".encode())


def _stream_cut(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _begin(handler, answer, anthropic)


def _stream_stall(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    _begin(handler, answer, anthropic)
    time.sleep(HANGING_S)


def _stream_only_error(handler: BaseHTTPRequestHandler, said: str, answer: str, anthropic: bool) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": said, "code": 400}}
    handler.wfile.write(f"event: error\ndata: {json.dumps(error)}\n\n".encode())


_WAYS: dict[str, Way] = {
    "talks-400": _error(400, "invalid_request_error"),
    "talks-401": _error(401, "authentication_error"),
    "talks-404": _error(404, "not_found_error"),
    "talks-413": _error(413, "request_too_large"),
    "talks-429": _error(429, "rate_limit_error"),
    "talks-500": _error(500, "api_error"),
    "talks-529": _error(529, "overloaded_error"),
    "page": _page,
    "not-json": _not_json,
    "wrong-json": _wrong_json,
    "cut": _cut,
    "hang": _hang,
    "hang-up": _hang_up,
    "no-http": _no_http,
    "stream-error": _stream_error,
    "stream-malformed": _stream_malformed,
    "stream-cut": _stream_cut,
    "stream-stall": _stream_stall,
    "stream-only-error": _stream_only_error,
}
