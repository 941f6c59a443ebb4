"""A receiver of webhooks: a real HTTP server that keeps what it is sent, and answers, redirects or hangs as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from tests.support.patience import PATIENCE_S

T = TypeVar("T")


@dataclass(frozen=True)
class Received:
    """A request: its headers in lower case and its body."""

    headers: dict[str, str]
    body: bytes

    @cached_property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`statuses` are answered one after another, then 204 forever; while `hangs` is set nothing is answered."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirect_to: str = "http://127.0.0.1:9/elsewhere"
    hangs: threading.Event = field(default_factory=threading.Event)

    def of(self, kind: str) -> list[Received]:
        return [each for each in self.got if each.event["type"] == kind]


@contextmanager
def receiving() -> Iterator[Receiver]:
    state = Receiver()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.got.append(Received({name.lower(): value for name, value in self.headers.items()}, body))
            while state.hangs.is_set() and not over.is_set():
                over.wait(0.02)
            self.send_response(state.statuses.pop(0) if state.statuses else 204)
            self.send_header("location", state.redirect_to)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A sender that did not wait for its answer is none of its own errors."""

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(condition: Callable[[], T], *, timeout_s: float = PATIENCE_S) -> T:
    """What the condition gives as soon as that is something."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("did not happen in time")


def is_signed(secret: str, received: Received) -> bool:
    """As the Standard Webhooks specification says, by code that shares nothing with the gateway's."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = received.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(each, expected) for each in headers["webhook-signature"].split())
