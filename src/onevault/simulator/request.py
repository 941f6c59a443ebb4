"""A request as it came over the wire."""

from __future__ import annotations

from dataclasses import dataclass, field

from onevault.simulator.faults import Dialect


@dataclass(slots=True)
class Request:
    """Header names are in lower case; of a repeated header the last one counts."""

    method: str = ""
    target: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    listed: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    keep_alive: bool = True

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> str:
        return self.target.partition(b"?")[2].decode("latin-1")

    @property
    def dialect(self) -> Dialect:
        if b"anthropic-version" in self.headers or self.target.startswith(b"/v1/messages"):
            return "anthropic"
        return "openai"

    @property
    def key(self) -> str:
        """The API key, however it was sent; empty if it was not."""
        sent = self.headers.get(b"authorization", b"")
        if sent[:7].lower() == b"bearer ":
            return sent[7:].strip().decode("latin-1")
        return self.headers.get(b"x-api-key", b"").decode("latin-1")
