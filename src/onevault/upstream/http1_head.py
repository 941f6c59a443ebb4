"""Writes the head of a request, and refuses one that would be read as something else than it says."""

from __future__ import annotations

import re
from typing import Final

from onevault.core.transport import HttpRequest, Origin

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,256}")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,32})?")
_TARGET: Final = re.compile(r"/[!\"$-~]*")
"""Printable ASCII but for the blank and `#`, which no request target has."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "trailer", "expect"})
"""How the message is framed and the connection kept is the transport's to say, so that the two sides cannot disagree."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NAMES_KEPT_MAX: Final = 1024
_names: set[str] = set()
"""Header names found good before; a set lookup is a tenth of the regular expression's time."""


def authority(origin: Origin) -> str:
    """The value of `host`. Raises ValueError for an origin that is not http or https on a plain host name or address."""
    if origin.scheme not in _DEFAULT_PORTS:
        raise ValueError("an origin's scheme is http or https")
    if _HOST.fullmatch(origin.host) is None:
        raise ValueError("an origin's host is an ASCII name, or an address without brackets")
    if not 0 < origin.port < 65_536:
        raise ValueError("an origin's port lies between 1 and 65535")
    host = f"[{origin.host.partition('%')[0]}]" if ":" in origin.host else origin.host
    return host if origin.port == _DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"


def request_head(request: HttpRequest, *, host: str) -> bytes:
    """The request line and headers with the blank line, `host` as `authority` gave it. Nothing is escaped or repaired.

    Raises ValueError for a method that has no place here, for a path that is no request target, for names that are no
    lower-case tokens, for values with CR, LF, NUL or beyond ASCII, and for headers that frame the message (RFC 9112, sections 3, 5 and 6).
    """
    method = request.method
    if method not in _METHODS:
        raise ValueError("the method is not one of " + ", ".join(sorted(_METHODS)))
    if _TARGET.fullmatch(request.path) is None:
        raise ValueError("a path begins with / and consists of printable ASCII without blanks and #")
    lines = [f"{method} {request.path} HTTP/1.1\r\nhost: {host}\r\n"]
    for name, value in request.headers:
        if name not in _names:
            _check_name(name)
        lines.append(f"{name}: {value}\r\n")
    body_bytes = len(request.body)
    lines.append(f"content-length: {body_bytes}\r\n\r\n" if body_bytes or method in _METHODS_WITH_BODY else "\r\n")
    text = "".join(lines)
    # Every line break counted is one written above; any other came in with a value.
    breaks = len(request.headers) + (4 if body_bytes or method in _METHODS_WITH_BODY else 3)
    if text.count("\r") != breaks or text.count("\n") != breaks or "\0" in text:
        raise ValueError("a header's value holds CR, LF or NUL")
    if not text.isascii():
        raise ValueError("a header's value holds characters beyond ASCII, which servers read in different ways")
    return text.encode("ascii")


def _check_name(name: str) -> None:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError("a header's name is not a lower-case token")
    if name in _OWN:
        raise ValueError(f"the header {name} is the transport's to write")
    if len(_names) < _NAMES_KEPT_MAX:
        _names.add(name)
