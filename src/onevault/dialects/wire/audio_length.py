"""Tells how long a file of audio is: exactly for a WAV, at most for anything else."""

from __future__ import annotations

import base64
import binascii

AUDIO_BYTES_PER_MS_MIN = 1
"""8 kbit/s: no MP3 has less."""

_HEAD_CHARACTERS = 64
_CHUNKS_MAX = 64
_SAMPLES = frozenset({1, 3, 0xFFFE})
"""WAVE formats whose bytes are samples, so that their number tells the time: PCM, floats, and either in the extensible form."""


def audio_ms_at_most(data: bytes) -> int:
    """Milliseconds that the file can last, rounded up: its bytes at the lowest bitrate in use, unless it says itself."""
    exact = wav_ms(data)
    return exact if exact is not None else -(-len(data) // AUDIO_BYTES_PER_MS_MIN)


def wav_ms(data: bytes) -> int | None:
    """Milliseconds of a RIFF/WAVE file of samples, rounded up; None for any other file.

    Rate and width are taken from the format, not its byte rate, which no player looks at; where the length of the samples is
    unsaid (a stream's 0 or 2³²-1) or more than there is, all that is there counts.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    at, bytes_per_s = 12, 0
    for _ in range(_CHUNKS_MAX):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if at > len(data):
            return None
        if kind == b"fmt " and size >= 16:
            bytes_per_s = _bytes_per_s(data[at : at + 16])
        elif kind == b"data":
            there = len(data) - at
            samples = size if 0 < size <= there else there
            return -(-samples * 1000 // bytes_per_s) if bytes_per_s else None
        at += size + (size & 1)
    return None


def bytes_per_s_at_least(encoded: str) -> int:
    """How many bytes a second of audio in base64 has at least: of a WAV what its format says, of an MP3 the lowest bitrate.
    0: its length does not tell how long it lasts, as silence takes next to nothing in other formats."""
    try:
        head = base64.b64decode(encoded[:_HEAD_CHARACTERS])
    except (binascii.Error, ValueError):
        return 0  # the provider will refuse it
    if head[:4] == b"RIFF":
        return _bytes_per_s(head[20:36]) if head[8:16] == b"WAVEfmt " else 0
    is_mp3 = head[:3] == b"ID3" or (
        len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0
    )
    return 1000 * AUDIO_BYTES_PER_MS_MIN if is_mp3 else 0


def _bytes_per_s(head: bytes) -> int:
    if int.from_bytes(head[0:2], "little") not in _SAMPLES:
        return 0
    channels = int.from_bytes(head[2:4], "little")
    rate = int.from_bytes(head[4:8], "little")
    bits = int.from_bytes(head[14:16], "little")
    return rate * channels * -(-bits // 8)
