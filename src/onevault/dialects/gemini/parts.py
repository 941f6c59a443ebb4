"""Writes canonical images, audio, videos and documents as Gemini's parts.

Google takes bytes, and files by URL: those of its own storage, YouTube's videos, and since January 2026 whatever it can fetch by
https ("File input methods"; Vertex AI always could). With every file it wants a media type, so that is guessed from the URL's end.
"""

from __future__ import annotations

from typing import Any

from onevault.core.chat import Audio, File, Image, Opaque, Part, Video
from onevault.dialects.gemini.media import audio_type, is_youtube, type_of_url
from onevault.dialects.wire.json_body import unsupported

_Json = dict[str, Any]


def media_parts(part: Part, path: str, dropped: dict[str, None]) -> list[_Json]:
    """Raises Fault UNSUPPORTED_PARAMETER for what Google does not take."""
    if isinstance(part, Image):
        if part.detail not in (None, "auto"):
            dropped["image_url.detail"] = None
        if part.url is not None:
            return [_file(part.url, part.media_type or type_of_url(part.url, "image/jpeg"), path)]
        return [_blob(part.data, part.media_type or "image/png")]
    if isinstance(part, Audio):
        return [_blob(part.data, audio_type(part.format))]
    if isinstance(part, Video):
        if part.url is not None:
            return [_file(part.url, part.media_type or type_of_url(part.url, "video/mp4"), path)]
        return [_blob(part.data, part.media_type or "video/mp4")]
    if isinstance(part, File):
        return _document(part, path, dropped)
    kind = part.kind if isinstance(part, Opaque) else type(part).__name__
    raise unsupported(path, f"({kind}) cannot be said to the provider that was chosen")


def _document(file: File, path: str, dropped: dict[str, None]) -> list[_Json]:
    if file.citations_enabled:
        dropped["citations"] = None
    named = "\n".join(line for line in (file.name, file.context) if line)
    if file.text is not None:
        return [{"text": f"{named}\n\n{file.text}" if named else file.text}]
    before: list[_Json] = []
    if file.context is not None:
        before = [{"text": named}]
    elif file.name is not None:
        dropped["filename"] = None
    if file.url is not None:
        return [*before, _file(file.url, file.media_type or type_of_url(file.url, "application/pdf"), path)]
    if file.data is None:
        raise unsupported(path, "is known to one provider only; send the document itself")
    return [*before, _blob(file.data, file.media_type or "application/pdf")]


def _blob(data: str | None, media_type: str) -> _Json:
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    return {"inlineData": {"mimeType": media_type, "data": data or ""}}


def _file(url: str, media_type: str, path: str) -> _Json:
    if not url.startswith(("https://", "gs://")) and not is_youtube(url):
        raise unsupported(path, "must be an https URL for the provider that was chosen")
    return {"fileData": {"mimeType": media_type, "fileUri": url}}
