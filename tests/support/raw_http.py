"""Sends bytes as they are over a socket of its own and reads whatever comes back: for requests that no HTTP library would make."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True)
class Conversation:
    """What came back. `closed` tells whether the server ended it, `seconds` how long it took."""

    received: bytes
    closed: bool
    seconds: float

    @property
    def answers(self) -> list[RawAnswer]:
        found, rest = [], self.received
        while rest:
            head, separator, rest = rest.partition(b"\r\n\r\n")
            assert separator, f"half an answer: {head[:300]!r}"
            status_line, *lines = head.decode("latin-1").split("\r\n")
            headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
            fields = dict(headers)
            if "content-length" in fields:
                length = int(fields["content-length"])
                body, rest = rest[:length], rest[length:]
            elif fields.get("transfer-encoding") == "chunked":
                body, rest = _dechunked(rest)
            else:
                body, rest = b"", rest
            status = int(status_line.split(" ")[1])
            if status >= 200:
                found.append(RawAnswer(status, headers, body))
        return found

    @property
    def answer(self) -> RawAnswer:
        """The only one."""
        answers = self.answers
        assert len(answers) == 1, self.received[:600]
        return answers[0]


def _is_whole(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    return bool(separator and length) and len(body) >= int(length[1])


def _dechunked(data: bytes) -> tuple[bytes, bytes]:
    parts = []
    while match := _CHUNK.match(data):
        size, at = int(match[1], 16), match.end()
        parts.append(data[at : at + size])
        data = data[at + size + 2 :]
        if size == 0:
            break
    return b"".join(parts), data


def converse(
    port: int, *pieces: bytes, pause_s: float = 0.0, wait_s: float = 8.0, one_is_enough: bool = False
) -> Conversation:
    """Sends the pieces with a pause between them, then reads until the server closes or nothing came for `wait_s`, or, where
    `one_is_enough`, a whole answer with a length is here."""
    began = time.monotonic()
    received = b""
    closed = False
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as client:
        try:
            for number, piece in enumerate(pieces):
                if number and pause_s:
                    time.sleep(pause_s)
                client.sendall(piece)
        except OSError:
            pass  # the server closed: what it said before is still there to be read
        try:
            while data := client.recv(65_536):
                received += data
                if one_is_enough and _is_whole(received):
                    break
            else:
                closed = True
        except ConnectionResetError:
            closed = True
        except TimeoutError:
            pass
    return Conversation(received, closed, time.monotonic() - began)


def request(
    method: str,
    target: str,
    body: bytes | None = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    version: str = "1.1",
    close: bool = True,
) -> bytes:
    """A request's bytes, with a body's length and type unless `headers` has its own."""
    own = list(headers.items() if isinstance(headers, Mapping) else headers)
    named = {name.lower() for name, _ in own}
    lines = [f"{method} {target} HTTP/{version}"]
    fields: list[tuple[str, str]] = []
    if "host" not in named:
        fields.append(("host", "gateway.test"))
    if key is not None:
        fields.append(("authorization", f"Bearer {key}"))
    if body is not None and "content-type" not in named:
        fields.append(("content-type", "application/json"))
    if body is not None and not named & {"content-length", "transfer-encoding"}:
        fields.append(("content-length", str(len(body))))
    if close and "connection" not in named:
        fields.append(("connection", "close"))
    lines += [f"{name}: {value}" for name, value in fields + own if value is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(body: bytes, size: int = 65_536) -> bytes:
    """The body in HTTP's chunks."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
