"""A simulator on a real socket, the official SDKs and a raw one as its clients."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from anthropic import DefaultAsyncHttpxClient as AnthropicHttp
from openai import AsyncOpenAI
from openai import DefaultAsyncHttpxClient as OpenAIHttp

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Limits, Settings

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unused, but a client that makes its own takes 30 ms for it
KEY = "sk-simulated-0123456789"


@pytest.fixture
async def simulator() -> AsyncIterator[EmbeddedSimulator]:
    async with EmbeddedSimulator(
        Settings(record_calls=True, record_bodies=True, limits=Limits(linger_s=0.2))
    ) as running:
        yield running


@pytest.fixture
async def openai(simulator: EmbeddedSimulator) -> AsyncIterator[AsyncOpenAI]:
    http = OpenAIHttp(verify=TLS)
    async with AsyncOpenAI(
        base_url=simulator.base_url + "/v1", api_key=KEY, max_retries=0, timeout=5, http_client=http
    ) as client:
        yield client


@pytest.fixture
async def anthropic(simulator: EmbeddedSimulator) -> AsyncIterator[AsyncAnthropic]:
    http = AnthropicHttp(verify=TLS)
    async with AsyncAnthropic(
        base_url=simulator.base_url, api_key=KEY, max_retries=0, timeout=5, http_client=http
    ) as client:
        yield client


def body_of(path: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    """A small request for either dialect."""
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": text}]}
    if path == MESSAGES:
        body["max_tokens"] = 1000
    return {**body, **more}


def request_of(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """The bytes of a request; header names are written with underscores."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: simulator", f"content-length: {len(data)}"]
    if "authorization" not in headers and "x_api_key" not in headers:
        lines.append(f"authorization: Bearer {KEY}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


Exchange = Callable[..., Awaitable[bytes]]


@pytest.fixture
def exchange(simulator: EmbeddedSimulator) -> Exchange:
    """Sends bytes and reads what comes until the connection ends or is silent for `silence_s`."""

    async def send(data: bytes, *, silence_s: float = 3.0) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        received = b""
        try:
            writer.write(data)
            while True:
                piece = await asyncio.wait_for(reader.read(65536), silence_s)
                if not piece:
                    return received
                received += piece
        except TimeoutError:
            return received
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                pass

    return send


Json = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def call(exchange: Exchange) -> Json:
    """One request on a connection of its own: status and decoded body."""

    async def ask(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        answer = await exchange(request_of(method, path, body, connection="close", **headers))
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(rest)

    return ask
