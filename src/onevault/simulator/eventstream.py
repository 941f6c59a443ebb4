"""Frames of AWS's event streams: lengths, headers, payload and both checksums.

Written from docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html and
smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

EVENT_STREAM: Final = b"application/vnd.amazon.eventstream"
_PRELUDE: Final = struct.Struct(">II")
_CHECKSUM: Final = struct.Struct(">I")
_TEXT: Final = 7
_JSON: Final = "application/json"


def _header(name: str, value: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _TEXT, len(value)) + value.encode()


def headers_of(**values: str) -> bytes:
    """The headers of a frame, in the order given; an underscore stands for a dash, and a colon is put before each name."""
    return b"".join(_header(":" + name.replace("_", "-"), value) for name, value in values.items())


def frame(headers: bytes, payload: bytes) -> bytes:
    """One message; its first checksum is over the two lengths, its second over all that is before it."""
    prelude = _PRELUDE.pack(len(headers) + len(payload) + 16, len(headers))
    message = prelude + _CHECKSUM.pack(zlib.crc32(prelude)) + headers + payload
    return message + _CHECKSUM.pack(zlib.crc32(message))


def event_headers(kind: str) -> bytes:
    return headers_of(event_type=kind, content_type=_JSON, message_type="event")


def exception(kind: str, payload: bytes) -> bytes:
    """An error within a stream; after it nothing comes."""
    return frame(headers_of(exception_type=kind, content_type=_JSON, message_type="exception"), payload)


def corrupted(event: bytes) -> bytes:
    """The same message with a checksum that is not its own."""
    return event[:-1] + bytes([event[-1] ^ 0xFF])
