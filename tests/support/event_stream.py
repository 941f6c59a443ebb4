"""Writes AWS's binary event stream, for tests of what reads it."""

from __future__ import annotations

import json
import struct
import zlib


def string_header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()


def message(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    framed = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return framed + struct.pack(">I", zlib.crc32(framed))


def event(name: str, content: object, *, kind: str = "event") -> bytes:
    """A message as Bedrock writes it; an exception with `kind`."""
    headers = (
        string_header(f":{kind}-type", name)
        + string_header(":content-type", "application/json")
        + string_header(":message-type", kind)
    )
    payload = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    return message(headers, payload)


def stream(events: list[tuple[str, object]]) -> bytes:
    return b"".join(event(name, content) for name, content in events)
