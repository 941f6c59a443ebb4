"""Reads the head of an answer: which headers it has, how its body ends, and what no head may say."""

from __future__ import annotations

from typing import Final

from onevault.upstream.transport_settings import TransportSettings

UNTIL_EOF: Final = -1
CHUNKED: Final = -2
"""What `body_framing` gives where there is no length."""

_NAMES_KEPT_MAX: Final = 1024
_names: dict[bytes, str] = {}
"""Header names as they came to how they are given on."""


class Refused(Exception):
    """An answer that is not accepted; its message is safe to show."""


def answer_headers(fields: list[tuple[bytes, bytes]], settings: TransportSettings) -> dict[str, str]:
    """Headers by lower-case name, repeated ones joined by ", ". Raises Refused for a head longer than the settings allow."""
    if len(fields) > settings.header_count_max:
        raise Refused(f"the answer has more than {settings.header_count_max} headers")
    headers: dict[str, str] = {}
    head_bytes = 0
    for raw_name, raw_value in fields:
        head_bytes += len(raw_name) + len(raw_value) + 4
        name = _names.get(raw_name) or _kept_name(raw_name)
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if head_bytes > settings.head_bytes_max:
        raise Refused(f"the answer's head is longer than {settings.head_bytes_max} bytes")
    return headers


def body_framing(status: int, headers: dict[str, str]) -> int:
    """The body's length in bytes, CHUNKED or UNTIL_EOF (RFC 9112, section 6.3).

    llhttp has refused contradictions and malformed lengths. Raises Refused for a transfer coding that was not asked for.
    """
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise Refused("the answer has a transfer coding that was not asked for")
        return CHUNKED
    if status in (204, 304):
        return 0
    length = headers.get("content-length")
    return UNTIL_EOF if length is None else int(length)


def _kept_name(raw_name: bytes) -> str:
    name = raw_name.decode("latin-1").lower()
    if len(_names) < _NAMES_KEPT_MAX and len(raw_name) <= 64:
        _names[raw_name] = name
    return name
