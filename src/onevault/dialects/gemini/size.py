"""Bounds what a Gemini request's input can cost, and says what a model must be able to for it.

Media: images at most 2,240 tokens (media resolution "ultra high"), far below the bound shared with others. Audio is 32 tokens a
second. A second of video is 258 tokens a frame, frames a second are the caller's choice, and a still video has next to no bytes:
each may fill the context.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.codec import InputSize
from onevault.core.operations import Capability
from onevault.dialects.gemini.body import Blob, CountedBody, FileData, GenerationConfig
from onevault.dialects.gemini.media import kind_of
from onevault.dialects.wire.input_size import MediaSize, mixed_size, text_size
from onevault.dialects.wire.json_body import fields_of

AUDIO_TOKENS_PER_S = 32
"""ai.google.dev/gemini-api/docs/audio"""

SEARCHES_MAX = 32
"""One answer's searches; no recorded one did more than nine."""

_FUNCTIONS = ("functionDeclarations", "computerUse")
"""Tools that run at the caller's; all others run at Google's, and what they find is input."""
_SEARCHES = ("googleSearch", "googleSearchRetrieval", "enterpriseWebSearch", "googleMaps")
_MEDIA_MARKS = (b"nlineData", b"ileData", b"\\u00")
"""A body without any of these names no media (the last: a name may be escaped)."""

_NEEDED = {
    "image": Capability.IMAGE_INPUT,
    "audio": Capability.AUDIO_INPUT,
    "video": Capability.VIDEO_INPUT,
    "file": Capability.FILE_INPUT,
}
_CHARGED_APART = frozenset({"googleMaps", "fileSearch", "google_maps", "file_search"})
"""By the grounded prompt, and by what is embedded."""
_TOOLS = msgspec.json.Decoder(list[dict[str, Raw]])


def size_of(parsed: CountedBody, body: bytes) -> InputSize:
    """`body` in the canonical spelling."""
    media = MediaSize()
    searches = 0
    if parsed.tools:
        for tool in _TOOLS.decode(fields_of(body)["tools"]):
            for name in tool:
                if name not in _FUNCTIONS:
                    media.provider_tool(fetches=True)
                    searches += SEARCHES_MAX if name in _SEARCHES else 0
                    if name in _CHARGED_APART:
                        media.charged_apart = name
    if parsed.cached_content is not None:
        media.document_elsewhere()
    tools = bool(parsed.tools) or _has_schema(parsed.generation_config)
    if not any(mark in body for mark in _MEDIA_MARKS):
        if not media.tokens_at_most:
            return text_size(len(body), tools=tools)
    else:
        for kind, blob, file in _media(parsed):
            if file is not None and kind != "image":
                media.document_elsewhere()
            elif kind == "image":
                media.image(len(blob.data or "") if blob is not None else 0)
            elif kind == "audio":
                media.audio(blob.data or "" if blob is not None else "", tokens_per_s=AUDIO_TOKENS_PER_S)
            elif kind == "video":
                media.document_elsewhere()
                media.bytes_apart += len(blob.data or "") if blob is not None else 0
            else:
                media.document(len(blob.data or "") if blob is not None else 0)
    size = mixed_size(len(body), media, tools=tools)
    return msgspec.structs.replace(size, searches_at_most=searches) if searches else size


def needs_of(parsed: CountedBody) -> frozenset[Capability]:
    needs = {_NEEDED[kind] for kind, _, _ in _media(parsed)}
    if any(tool.function_declarations for tool in parsed.tools or ()):
        needs.add(Capability.TOOLS)
    config = parsed.generation_config
    if config is not None:
        if _has_schema(config):
            needs.add(Capability.STRUCTURED_OUTPUT)
        if config.response_logprobs:
            needs.add(Capability.LOGPROBS)
        modalities = {modality.upper() for modality in config.response_modalities or ()}
        if "IMAGE" in modalities:
            needs.add(Capability.IMAGE_OUTPUT)
        if "AUDIO" in modalities:
            needs.add(Capability.AUDIO_OUTPUT)
    return frozenset(needs)


def _media(parsed: CountedBody) -> list[tuple[str, Blob | None, FileData | None]]:
    """Every blob and file of the conversation, those in functions' responses too, with its kind."""
    found: list[tuple[str, Blob | None, FileData | None]] = []
    for content in parsed.contents or ():
        for part in content.parts or ():
            if part.inline_data is not None:
                found.append((kind_of(part.inline_data.mime_type), part.inline_data, None))
            elif part.file_data is not None:
                found.append((kind_of(part.file_data.mime_type), None, part.file_data))
            elif part.function_response is not None:
                for shown in part.function_response.parts or ():
                    given = shown.inline_data or shown.file_data
                    if given is not None:
                        found.append((kind_of(given.mime_type), shown.inline_data, shown.file_data))
    return found


def _has_schema(config: GenerationConfig | None) -> bool:
    return config is not None and bool(config.response_schema or config.response_json_schema)
