"""Cuts AWS's binary event stream into messages, whatever the split of the bytes, and checks both of its checksums.

Follows the Amazon event stream specification (`application/vnd.amazon.eventstream`): a message is its total length and its headers'
length (32 bits each, big-endian), the CRC-32 of these eight bytes, headers, payload, and the CRC-32 of all before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from onevault.dialects.wire.provider_faults import cut_short, malformed

MESSAGE_BYTES_MAX: Final = 24 * 1024 * 1024
"""The specification allows a payload 16 MiB, the services 24 MiB; a message longer than this is a mistake or an attack."""

HEADERS_BYTES_MAX: Final = 128 * 1024
_KNOWN_HEADERS_MAX: Final = 64
_KNOWN_HEADERS_BYTES_MAX: Final = 512

_PRELUDE = Struct(">III")
_CRC = Struct(">I")
_PRELUDE_BYTES: Final = 12
_FRAME_BYTES: Final = 16
_STRING: Final = 7
_BYTES_OF_VALUE: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""True, false, byte, short, integer, long, timestamp, UUID. Bytes (6) and strings (7) say their own length in two bytes."""

_BYTE_ARRAY: Final = 6


class Message(NamedTuple):
    """`kind` is `event`, `exception` or `error`; `name` the event's or exception's type, or the error's code."""

    kind: str
    name: str
    payload: bytes


class MessageCutter:
    """Gathers bytes and gives back whole messages."""

    __slots__ = ("_buffer", "_known", "_needed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = _PRELUDE_BYTES
        self._known: dict[bytes, tuple[str, str]] = {}

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes, to be taken to the last one.

        Raises Fault PROVIDER_ERROR, after what came before it, for a wrong checksum, a length that no message has, or headers
        that are none.
        """
        buffer: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            buffer = self._buffer
        start, end = 0, len(buffer)
        self._needed = _PRELUDE_BYTES
        with memoryview(buffer) as view:
            while end - start >= _PRELUDE_BYTES:
                length, headers_length, checksum = _PRELUDE.unpack_from(view, start)
                if crc32(view[start : start + 8]) != checksum:
                    raise malformed("a message whose lengths were damaged on the way")
                if (
                    not _FRAME_BYTES + headers_length <= length <= MESSAGE_BYTES_MAX
                    or headers_length > HEADERS_BYTES_MAX
                ):
                    raise malformed("a message of an impossible length")
                if end - start < length:
                    self._needed = length
                    break
                last = start + length - 4
                if crc32(view[start:last]) != _CRC.unpack_from(view, last)[0]:
                    raise malformed("a message that was damaged on the way")
                payload_start = start + _PRELUDE_BYTES + headers_length
                kind, name = self._named(bytes(view[start + _PRELUDE_BYTES : payload_start]))
                yield Message(kind, name, bytes(view[payload_start:last]))
                start += length
        if buffer is data:
            if start < end:
                self._buffer += data[start:]
        else:
            del self._buffer[:start]

    def close(self) -> None:
        """Raises Fault PROVIDER_ERROR when the stream ended inside a message."""
        if self._buffer:
            raise cut_short()

    def _named(self, headers: bytes) -> tuple[str, str]:
        """Kind and name: a stream has few different headers, so what they say is remembered."""
        named = self._known.get(headers)
        if named is None:
            said = _strings(headers)
            kind = said.get(":message-type", "event")
            name = said.get(":event-type") or said.get(":exception-type") or said.get(":error-code") or ""
            named = kind, name
            if len(self._known) < _KNOWN_HEADERS_MAX and len(headers) <= _KNOWN_HEADERS_BYTES_MAX:
                self._known[headers] = named
        return named


def _strings(headers: bytes) -> dict[str, str]:
    """The headers that are strings; those of another type are stepped over."""
    said: dict[str, str] = {}
    at, end = 0, len(headers)
    try:
        while at < end:
            name_end = at + 1 + headers[at]
            name = headers[at + 1 : name_end].decode()
            of_type = headers[name_end]
            at = name_end + 1
            if of_type in (_BYTE_ARRAY, _STRING):
                value_end = at + 2 + (headers[at] << 8) + headers[at + 1]
                if of_type == _STRING:
                    said[name] = headers[at + 2 : value_end].decode()
                at = value_end
            else:
                at += _BYTES_OF_VALUE[of_type]
    except (IndexError, KeyError, UnicodeDecodeError):
        raise malformed("a message whose headers cannot be read") from None
    if at != end:
        raise malformed("a message whose headers cannot be read")
    return said
