"""A light HTTP client that sees every byte as it comes, and can hang up at any moment in either way."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httptools

from tests.support.patience import PATIENCE_S

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
_COST_COMMENT = re.compile(rb"^: x-gateway-cost-usd ([0-9.]+)$", re.MULTILINE)
_ENDS = (b"data: [DONE]\n\n", b"event: message_stop\n")
_NO_LINGER = struct.pack("ii", 1, 0)


def nanos(usd: str) -> int:
    """Billionths of a dollar of an amount as the gateway writes it."""
    return int(Decimal(usd) * 1_000_000_000)


def question(
    text: str = "Hello", *, model: str = "gpt-4o-mini", stream: bool = False, max_tokens: int = 16, simulate: str = ""
) -> dict[str, Any]:
    """A request that is valid in OpenAI's and in Anthropic's dialect. `simulate` are directives for the provider."""
    content = f"{text} [[simulate: {simulate}]]" if simulate else text
    body = {"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": content}]}
    return body | {"stream": True} if stream else body


class Answer(asyncio.Protocol):
    """One call on a connection of its own. `over` is set when its HTTP message is complete or the connection is lost."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False
        self.sent_at = 0.0
        self.over = asyncio.Event()
        self._parser = httptools.HttpResponseParser(self)
        self._grown = asyncio.Event()

    # What the caller knows afterwards

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def finished(self) -> bool:
        """Whether the client saw the end of a successful answer: all of a body, or the event that ends a stream."""
        if self.status != 200:
            return False
        return any(end in self.body for end in _ENDS) if self.is_stream else self.complete

    @property
    def call_id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def cost_nanos(self) -> int:
        """What the answer says that it cost. AssertionError where it does not say."""
        if self.is_stream:
            told = _COST_COMMENT.findall(bytes(self.body))
            assert len(told) == 1, f"{len(told)} costs in {bytes(self.body[-400:])!r}"
            return nanos(told[0].decode())
        return nanos(self.headers["x-gateway-cost-usd"])

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        """OpenAI's `code` or Anthropic's `type`; of a stream's last event where the answer is a stream."""
        document = self.events[-1] if self.is_stream else self.document
        error = document["error"]
        return str(error["type"] if document.get("type") == "error" else error["code"])

    @property
    def events(self) -> list[Any]:
        """The JSON of a stream's whole events."""
        lines = (line[6:] for line in bytes(self.body).split(b"\n") if line.startswith(b"data: "))
        return [json.loads(line) for line in lines if line != b"[DONE]"]

    # What it does meanwhile

    def send(
        self,
        port: int,
        path: str,
        body: Any,
        *,
        key: str,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> None:
        """Sends the request of this call; to be done once."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n{more}\r\n"
        )
        self.sent_at = time.time()
        self._transport.write(head.encode() + content)

    async def wait(self, timeout_s: float = PATIENCE_S) -> Answer:
        """Until it is over."""
        async with asyncio.timeout(timeout_s):
            await self.over.wait()
        self._transport.close()
        return self

    async def wait_for_bytes(self, at_least: int, timeout_s: float = PATIENCE_S) -> None:
        """Until so many bytes of the body are here. Returns early when it is over."""
        async with asyncio.timeout(timeout_s):
            while len(self.body) < at_least and not self.over.is_set():
                self._grown.clear()
                await self._grown.wait()

    def hang_up(self, *, reset: bool = False) -> float:
        """Leaves now: with FIN, or with RST. The moment since the epoch."""
        raw = self._transport.get_extra_info("socket")
        if reset and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        at = time.time()
        self._transport.abort()
        return at

    # The loop's and the parser's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        self._grown.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()
        self._grown.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True
        self.over.set()


async def connect(port: int) -> Answer:
    """A connection on which one call can be sent. OSError where nobody listens."""
    _, answer = await asyncio.get_running_loop().create_connection(Answer, "127.0.0.1", port)
    return answer


async def begin(
    port: int, path: str, body: Any, *, key: str, headers: Mapping[str, str] | None = None, method: str = "POST"
) -> Answer:
    """Sends a request and returns at once. OSError where nobody listens."""
    answer = await connect(port)
    answer.send(port, path, body, key=key, headers=headers, method=method)
    return answer


async def call(
    port: int, path: str, body: Any, *, key: str, headers: Mapping[str, str] | None = None, method: str = "POST"
) -> Answer:
    """Sends a request and waits for all of its answer."""
    answer = await begin(port, path, body, key=key, headers=headers, method=method)
    return await answer.wait()
