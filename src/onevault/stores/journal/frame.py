"""How a record looks on disk: a prefix that names the format, a length, a checksum, and msgpack.

    prefix `F5 4F 56` (3 bytes) · format version (1) · payload length (4, little endian) · CRC-32 (4) · payload

The checksum covers length and payload, so that neither can be wrong unnoticed; the prefix lets a reader find the next record
after a damaged one.
"""

from __future__ import annotations

from enum import StrEnum
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

from onevault.core.records import Record, Settled

VERSION: Final = 1
PREFIX: Final = b"\xf5OV" + bytes((VERSION,))
HEADER: Final = Struct("<4sII")
RECORD_BYTES_MAX: Final = 1 << 20
"""Far above what a record holds; a length beyond it is damage, and is not waited for."""
TEXT_CHARACTERS_MAX: Final = 1000
_ATTEMPTS_KEPT: Final = 8

_HELD_TAG: Final = b"\xa4held"
"""The first field of a record is its tag: MessagePack's mark for a string of four characters, and the characters."""
_LENGTH: Final = Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


class FrameState(StrEnum):
    """What stands at an offset."""

    WHOLE = "whole"
    INCOMPLETE = "incomplete"
    """It may be the beginning of a record of which the rest is not there."""
    DAMAGED = "damaged"
    """It is no record: the wrong prefix, length or checksum."""
    OTHER_VERSION = "other_version"


def framed(record: Record) -> bytes:
    """The bytes of one record. One above RECORD_BYTES_MAX loses what nobody is charged by: texts are cut to
    TEXT_CHARACTERS_MAX, and a settlement keeps its newest attempts only."""
    payload = _encode(record)
    if len(payload) > RECORD_BYTES_MAX:
        payload = _encode(_shortened(record))
    length = len(payload)
    return HEADER.pack(PREFIX, length, crc32(payload, crc32(_LENGTH.pack(length)))) + payload


def _shortened(record: Record) -> Record:
    texts = {
        name: text[:TEXT_CHARACTERS_MAX]
        for name in record.__struct_fields__
        if isinstance(text := getattr(record, name), str) and len(text) > TEXT_CHARACTERS_MAX
    }
    shortened = msgspec.structs.replace(record, **texts)
    if isinstance(shortened, Settled):
        attempts = tuple(
            msgspec.structs.replace(attempt, provider_text=attempt.provider_text[:TEXT_CHARACTERS_MAX])
            for attempt in shortened.attempts[-_ATTEMPTS_KEPT:]
        )
        shortened = msgspec.structs.replace(shortened, attempts=attempts, excluded=(), metadata={})
    return shortened


def examine(chunk: bytes, at: int) -> tuple[FrameState, int, int]:
    """The state of the frame at an offset of a chunk, and where its payload begins and ends (both `at` unless WHOLE)."""
    begin = at + HEADER.size
    if begin > len(chunk):
        return FrameState.INCOMPLETE, at, at
    prefix, length, checksum = HEADER.unpack_from(chunk, at)
    if prefix != PREFIX:
        return FrameState.OTHER_VERSION if prefix[:3] == PREFIX[:3] else FrameState.DAMAGED, at, at
    end = begin + length
    if end > len(chunk):
        return FrameState.INCOMPLETE if length <= RECORD_BYTES_MAX else FrameState.DAMAGED, at, at
    if crc32(memoryview(chunk)[begin:end], crc32(_LENGTH.pack(length))) != checksum:
        return FrameState.DAMAGED, at, at
    return FrameState.WHOLE, begin, end


def record_of(payload: bytes) -> Record:
    """The record in a whole frame. Raises msgspec.MsgspecError when it is not one that this version knows."""
    return _decoder.decode(payload)


def is_hold(payload: bytes) -> bool:
    """Whether a whole frame carries a hold, told by its tag alone: a third of the work of decoding it."""
    return payload[1:6] == _HELD_TAG
