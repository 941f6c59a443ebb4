"""A small picture, a real PNG, whose colours come from the request it answers.

Written from the PNG specification, www.w3.org/TR/png.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

_SIDE_PIXELS: Final = 8
_HEADER: Final = struct.pack(">IIBBBBB", _SIDE_PIXELS, _SIDE_PIXELS, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(digest: str) -> bytes:
    """Eight by eight pixels in a chequer of two colours; `digest` is at least twelve hexadecimal digits."""
    colours = (bytes.fromhex(digest[:6]), bytes.fromhex(digest[6:12]))
    rows = (b"".join(colours[(x + y) & 1] for x in range(_SIDE_PIXELS)) for y in range(_SIDE_PIXELS))
    pixels = b"".join(b"\x00" + row for row in rows)  # every row starts with its filter: none
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", _HEADER) + _chunk(b"IDAT", zlib.compress(pixels)) + _chunk(b"IEND", b"")
    )
