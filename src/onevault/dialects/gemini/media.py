"""Says of Gemini's blobs and files what kind of part they are, and the other way round."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

MediaKind = Literal["image", "audio", "video", "file"]

_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/l16": "pcm16",
    "audio/pcm": "pcm16",
}
_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm16": "audio/pcm", "m4a": "audio/mp4"}
_TYPES_BY_EXTENSION = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
}
_YOUTUBE = ("youtube.com", "youtu.be")
_GOOGLES_OWN = ("gs://", "https://generativelanguage.googleapis.com/")


def kind_of(mime_type: str | None) -> MediaKind:
    first = (mime_type or "").partition("/")[0].lower()
    return first if first in ("image", "audio", "video") else "file"  # type: ignore[return-value]


def audio_format(mime_type: str) -> str:
    """`wav`, `mp3`, … as canonical audio names it."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _AUDIO_FORMATS.get(plain, plain.partition("/")[2])


def audio_type(format: str) -> str:
    return _AUDIO_TYPES.get(format, f"audio/{format}")


def is_googles_own(uri: str) -> bool:
    """Whether a file is where only Google can fetch it."""
    return uri.startswith(_GOOGLES_OWN)


def is_youtube(uri: str) -> bool:
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        return False
    return any(host == name or host.endswith(f".{name}") for name in _YOUTUBE)


def type_of_url(url: str, otherwise: str) -> str:
    """The media type that a URL's path ends in; Google wants one with every file."""
    try:
        extension = urlsplit(url).path.rpartition(".")[2].lower()
    except ValueError:
        return otherwise
    return _TYPES_BY_EXTENSION.get(extension, otherwise)
