"""Takes base64 data URLs apart and puts them together (RFC 2397), and the pieces of base64 that a stream brings."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import NamedTuple

_DEFAULT_MEDIA_TYPE = "text/plain"


class DataUrl(NamedTuple):
    media_type: str
    base64: str


def split_data_url(url: str) -> DataUrl | None:
    """The media type (lower case, without parameters) and the base64 of a data URL; None if it is no such URL."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    kind, *parameters = head.split(";")
    if not comma or "base64" not in [parameter.strip().lower() for parameter in parameters]:
        return None
    return DataUrl(kind.strip().lower() or _DEFAULT_MEDIA_TYPE, data)


def data_url(media_type: str, base64: str) -> str:
    return f"data:{media_type};base64,{base64}"


def joined_base64(pieces: Sequence[str]) -> str:
    """The base64 of the bytes of several pieces, each of which is whole base64 (padding may end any of them).

    Pieces that are no base64 are joined as they are.
    """
    if len(pieces) == 1:
        return pieces[0]
    if all(len(piece) % 4 == 0 and not piece.endswith("=") for piece in pieces[:-1]):
        return "".join(pieces)
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode()
    except (binascii.Error, ValueError):
        return "".join(pieces)


_AUDIO_BEGINNINGS = (("UklGR", "audio/wav"), ("SUQz", "audio/mpeg"), ("ZkxhQ", "audio/flac"), ("T2dnU", "audio/ogg"))
"""How the base64 of files begins: RIFF, ID3, fLaC, OggS."""
_MPEG_SYNC = re.compile("//[I-Ps-v]")
"""FF F2, FF F3, FF FA and FF FB, with which a frame of MPEG audio begins."""


def audio_type(data: str) -> str:
    """The media type of audio by the beginning of its base64; `audio/pcm` where nothing names it (raw samples have no head)."""
    if _MPEG_SYNC.match(data):
        return "audio/mpeg"
    return next((kind for beginning, kind in _AUDIO_BEGINNINGS if data.startswith(beginning)), "audio/pcm")
