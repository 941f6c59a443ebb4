"""Makes and measures sound: a tone as WAV or PCM, silence as MP3, and how long a recording lasts.

Written from the WAVE format (Microsoft, RIFF MCI) and ISO/IEC 11172-3 (frame header and length).
"""

from __future__ import annotations

import math
import struct
from array import array
from functools import lru_cache
from typing import Final

RATE_HZ: Final = 24_000
_TONE_HZ: Final = 400
_LOUDNESS: Final = 6_000
_SAMPLE_BYTES: Final = 2
_UNKNOWN_BYTES_S: Final = 16_000  # 128 kbit/s, what most compressed speech has at most
_MP3_FRAME: Final = b"\xff\xfb\x90\xc4" + bytes(
    413
)  # MPEG 1 layer III, 128 kbit/s, 44.1 kHz, mono: all zero is silence
_MP3_FRAME_S: Final = 1152 / 44_100
_MAGIC: Final = {"opus": b"OggS\x00\x02", "aac": b"\xff\xf1\x50\x80", "flac": b"fLaC\x00\x00\x00\x22"}


@lru_cache(maxsize=1)
def _second() -> bytes:
    wave = (round(_LOUDNESS * math.sin(2 * math.pi * _TONE_HZ * at / RATE_HZ)) for at in range(RATE_HZ))
    return array("h", wave).tobytes()


def pcm(duration_s: float) -> bytes:
    """Signed 16 bit, little endian, mono."""
    size = int(duration_s * RATE_HZ) * _SAMPLE_BYTES
    return (_second() * (size // len(_second()) + 1))[:size]


def wav(duration_s: float) -> bytes:
    data = pcm(duration_s)
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, RATE_HZ * _SAMPLE_BYTES, _SAMPLE_BYTES, 16)
    return head + form + struct.pack("<4sI", b"data", len(data)) + data


def compressed(kind: str, duration_s: float) -> bytes:
    """MP3 that can be played; of other kinds only the beginning is what it says."""
    if kind == "mp3":
        return _MP3_FRAME * max(1, round(duration_s / _MP3_FRAME_S))
    magic = _MAGIC[kind]
    return magic + bytes(max(0, int(duration_s * _UNKNOWN_BYTES_S) - len(magic)))


def duration_s(data: bytes) -> float:
    """Of WAV as its header says; of anything else as if it were 128 kbit/s."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        at, bytes_s = 12, 0
        while at + 8 <= len(data):
            kind, size = struct.unpack_from("<4sI", data, at)
            if kind == b"fmt " and at + 20 <= len(data):
                bytes_s = struct.unpack_from("<I", data, at + 16)[0]
            if kind == b"data" and bytes_s:
                return float(min(size, len(data) - at - 8) / bytes_s)
            at += 8 + size + (size & 1)
    return len(data) / _UNKNOWN_BYTES_S
