"""Writes images, videos, audio and documents as Converse's blocks.

Bytes are base64 in JSON. Of URLs only those of S3 are taken. Documents get names that Bedrock allows and that are theirs alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from onevault.core.chat import Audio, File, Image, Video
from onevault.dialects.wire.json_body import invalid, unsupported

Json = dict[str, Any]

_IMAGE_FORMATS: Final = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}
_VIDEO_FORMATS: Final = {
    "mp4": "mp4",
    "webm": "webm",
    "quicktime": "mov",
    "mov": "mov",
    "x-matroska": "mkv",
    "matroska": "mkv",
    "x-flv": "flv",
    "mpeg": "mpeg",
    "mpg": "mpg",
    "x-ms-wmv": "wmv",
    "wmv": "wmv",
    "3gpp": "three_gp",
}
_AUDIO_FORMATS: Final = frozenset(
    ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm")
)
_DOCUMENT_FORMATS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_DOCUMENT_ENDINGS: Final = frozenset(("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"))
_NAME_LENGTH_MAX: Final = 200
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s\-()\[\]]+")
_SPACES = re.compile(r"\s+")


class MediaWriter:
    """Writes the media of one request; `dropped` gathers the names of hints left out."""

    __slots__ = ("_documents", "_dropped")

    def __init__(self, dropped: dict[str, None]) -> None:
        self._dropped = dropped
        self._documents: dict[str, int] = {}

    def block(self, part: Image | Audio | Video | File, path: str) -> Json:
        """Raises Fault UNSUPPORTED_PARAMETER for a format or place that Bedrock does not take, INVALID_REQUEST for no base64."""
        if isinstance(part, Image):
            if part.detail not in (None, "auto"):
                self._dropped["image_url.detail"] = None
            return _image(part.url, part.data, part.media_type, path)
        if isinstance(part, Video):
            return _video(part.url, part.data, part.media_type, path)
        if isinstance(part, Audio):
            return _audio(part.data, part.format, path)
        media_type = part.media_type or ""
        if media_type.startswith("image/"):
            return _image(part.url, part.data, media_type, path)
        if media_type.startswith("video/"):
            return _video(part.url, part.data, media_type, path)
        if media_type.startswith("audio/") and part.data is not None:
            return _audio(part.data, media_type.removeprefix("audio/"), path)
        return self._document(part, path)

    def _document(self, file: File, path: str) -> Json:
        if file.text is not None:
            kept = _DOCUMENT_FORMATS.get(file.media_type or "", "txt")
            data: str | None = base64.b64encode(file.text.encode(errors="replace")).decode()
        else:
            kept, data = _document_format(file, path), file.data
        source = _source(file.url, data, path)
        block: Json = {"format": kept, "name": self._named(file.name or ""), "source": source}
        if file.context is not None:
            block["context"] = file.context
        if file.citations_enabled:
            block["citations"] = {"enabled": True}
        return {"document": block}

    def _named(self, name: str) -> str:
        """A name of the characters that Bedrock allows, which no other document of the request has."""
        clean = _SPACES.sub(" ", _NOT_IN_NAMES.sub("-", name)).strip(" -")[: _NAME_LENGTH_MAX - 8] or "Document"
        count = self._documents[clean] = self._documents.get(clean, 0) + 1
        if count == 1:
            return clean
        while f"{clean} {count}" in self._documents:
            count += 1
        self._documents[clean] = count
        numbered = f"{clean} {count}"
        self._documents[numbered] = 1
        return numbered


def _source(url: str | None, data: str | None, path: str) -> Json:
    if data is not None:
        try:
            if binascii.a2b_base64(data.encode("ascii"), strict_mode=True):
                return {"bytes": data}
        except ValueError:
            pass
        raise invalid(path, "must be base64, and not of nothing")
    if url is not None and url.startswith("s3://"):
        return {"s3Location": {"uri": url}}
    if url is not None:
        raise unsupported(
            path, "names a URL, and the provider that was chosen takes the data itself or an s3:// URL only"
        )
    raise unsupported(path, "is known to another provider only; send its data")


def _ending(name: str | None) -> str:
    return (name or "").rpartition(".")[2].lower()


def _image(url: str | None, data: str | None, media_type: str | None, path: str) -> Json:
    said = media_type.removeprefix("image/") if media_type else _ending(url)
    kept = _IMAGE_FORMATS.get(said) if media_type else _IMAGE_FORMATS.get(said, "png")
    if kept is None:
        raise unsupported(path, "must be a PNG, JPEG, GIF or WebP for the provider that was chosen")
    return {"image": {"format": kept, "source": _source(url, data, path)}}


def _video(url: str | None, data: str | None, media_type: str | None, path: str) -> Json:
    said = media_type.removeprefix("video/") if media_type else _ending(url)
    kept = _VIDEO_FORMATS.get(said) if media_type else _VIDEO_FORMATS.get(said, "mp4")
    if kept is None:
        raise unsupported(path, "is a kind of video that the provider that was chosen does not take")
    return {"video": {"format": kept, "source": _source(url, data, path)}}


def _audio(data: str, said_format: str, path: str) -> Json:
    if said_format not in _AUDIO_FORMATS:
        raise unsupported(path, "is a kind of audio that the provider that was chosen does not take")
    return {"audio": {"format": said_format, "source": _source(None, data, path)}}


def _document_format(file: File, path: str) -> str:
    media_type = file.media_type
    if media_type is not None:
        kept = _DOCUMENT_FORMATS.get(media_type)
        if kept is not None:
            return kept
        if media_type.startswith("text/"):
            return "txt"
    ending = _ending(file.name or file.url)
    if media_type in (None, "application/octet-stream") and ending in _DOCUMENT_ENDINGS:
        return ending
    if media_type is None:
        return "pdf"
    raise unsupported(path, "is a kind of document that the provider that was chosen does not take")
