"""The network of a library under test: it answers every request with the bytes that it was given."""

from __future__ import annotations

import httpx2

BASE = "http://gateway.test"


class Given(httpx2.BaseTransport):
    """Keeps the path of the last request, too."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.path = ""

    def gives(
        self, body: bytes, content_type: str | None, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.status, self.body = status, body
        self.headers = {"content-type": content_type or "", **(headers or {})}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.path = request.url.path
        return httpx2.Response(self.status, headers=self.headers, content=self.body, request=request)

    def client(self) -> httpx2.Client:
        return httpx2.Client(transport=self, base_url=BASE)
