"""Serves the API reference and its description: files of this package, nothing from another host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from onevault.api.answering import respond
from onevault.api.asgi import JSON, App, Receive, Scope, Send

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


@dataclass(frozen=True, slots=True)
class Page:
    """One file, read at start."""

    body: bytes
    content_type: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, [(b"content-type", self.content_type), *_SECURITY], self.body)


@dataclass(slots=True)
class Description:
    """A document that is made when it is first asked for: most processes never are, and it takes them 0.4 s and 10 MB."""

    make: Callable[[], bytes]
    _made: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            self._made = await asyncio.to_thread(self.make)
        await Page(self._made, JSON[1])(scope, receive, send)


def pages(openapi: Callable[[], bytes]) -> dict[str, App]:
    """Handlers by path."""
    web = files("onevault.web")
    return {
        "/docs": Page(web.joinpath("docs.html").read_bytes(), b"text/html; charset=utf-8"),
        "/docs/docs.css": Page(web.joinpath("docs.css").read_bytes(), b"text/css; charset=utf-8"),
        "/docs/docs.js": Page(web.joinpath("docs.js").read_bytes(), b"text/javascript; charset=utf-8"),
        "/docs/docs.svg": Page(web.joinpath("docs.svg").read_bytes(), b"image/svg+xml"),
        "/openapi.json": Description(openapi),
    }
