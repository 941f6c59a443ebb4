"""Tells how long a file of audio is: exactly for a WAV, at most for anything else."""

from __future__ import annotations

from onevault.dialects.wire.input_size import AUDIO_BYTES_PER_MS_MIN

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


def _bytes_per_s(head: bytes) -> int:
    if int.from_bytes(head[0:2], "little") not in _SAMPLES:
        return 0
    channels = int.from_bytes(head[2:4], "little")
    rate = int.from_bytes(head[4:8], "little")
    bits = int.from_bytes(head[14:16], "little")
    return rate * channels * -(-bits // 8)
