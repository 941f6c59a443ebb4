"""The little of ASGI that the data plane needs of what came in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION = "onevault.connection"
"""Where the server puts what implements `Connection` into the scope."""


class Connection(Protocol):
    """The client's connection; `on_lost` is called when it is gone."""

    on_lost: Callable[[], None] | None

    def break_off(self) -> None:
        """Closes it without ending the message, so that its client sees that the message is not complete."""


JSON = (b"content-type", b"application/json")
QUERY_FIELDS_MAX = 50
_BEARER = "bearer "


def credential(scope: Scope, headers: dict[bytes, bytes]) -> str | None:
    """The key as any dialect's clients send it: bearer, Anthropic's, Azure's and Google's headers, Google's query."""
    authorization = headers.get(b"authorization")
    if authorization is not None:
        text = authorization.decode("latin-1")
        return text[len(_BEARER) :].strip() if text[: len(_BEARER)].lower() == _BEARER else None
    for name in (b"x-api-key", b"api-key", b"x-goog-api-key"):
        value = headers.get(name)
        if value is not None:
            return value.decode("latin-1").strip()
    return query(scope).get("key") if scope["query_string"] else None


def query(scope: Scope) -> dict[str, str]:
    """The query's parameters; of a repeated one the last. More than `QUERY_FIELDS_MAX` are no query that we know: none."""
    text = scope["query_string"].decode("latin-1")
    if text.count("&") >= QUERY_FIELDS_MAX:
        return {}
    return dict(parse_qsl(text, keep_blank_values=True))


def is_googles(scope: Scope) -> bool:
    """Whether it is one of Google's clients, by where they have the key."""
    return any(name == b"x-goog-api-key" for name, _ in scope["headers"])


def address(scope: Scope) -> str:
    """The peer's address, as the server saw it."""
    client = scope.get("client")
    return client[0] if client else ""
