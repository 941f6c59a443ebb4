"""Forms with files as the official SDK's HTTP client writes them, and sound to put in them."""

from __future__ import annotations

import struct
from typing import Any

from httpx import Request

RATE = 16_000
"""Samples a second."""

Files = list[tuple[str, tuple[str, bytes, str]]]

PNG = ("image", ("a.png", b"\x89PNG", "image/png"))


def audio(data: bytes) -> Files:
    return [("file", ("a.wav", data, "audio/wav"))]


def wav(
    ms: int,
    *,
    declared: int | None = None,
    chunks: bytes = b"",
    kind: int = 1,
    bytes_per_s: int = 2 * RATE,
) -> bytes:
    """So many milliseconds of 16-bit samples. What is `declared` of their length and `bytes_per_s` may be lies."""
    samples = b"\0\1" * (RATE * ms // 1000)
    length = len(samples) if declared is None else declared
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 0, b"WAVE", b"fmt ", 16, kind, 1, RATE, bytes_per_s, 2, 16)
    return head + chunks + struct.pack("<4sI", b"data", length) + samples


def sent(fields: dict[str, Any], files: Files) -> tuple[bytes, str]:
    """A form as the HTTP client of the official SDK writes it."""
    request = Request("POST", "https://x.example", data=fields, files=files)
    return request.read(), request.headers["content-type"]
