"""Turns what Google says of an answer's sources into citations, and citations into that.

Source: Gemini API reference, `GroundingMetadata` and `CitationMetadata`; both count in bytes of UTF-8 from the beginning of the text,
citations here in characters of their part. What no citation can say (the search suggestions that Google wants shown, queries) goes
along as one more citation that only this dialect can read.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import CitationAdded, Cited
from onevault.dialects.gemini.names import GEMINI

SUPPORTS_MAX = 10_000
"""More citations than this of one answer are not told one by one."""

DRIFT_MAX = 16
"""Characters by which a place is sometimes told wrong; the segment's own text puts it right."""


class Source(msgspec.Struct, frozen=True, gc=False):
    """A page, a place on the map or a piece of a document."""

    uri: str | None = None
    title: str | None = None
    text: str | None = None


class Chunk(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    web: Source | None = None
    retrieved_context: Source | None = None
    maps: Source | None = None


class Segment(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    start_index: int = 0
    end_index: int | None = None
    text: str | None = None


class Support(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class Grounding(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    grounding_chunks: list[Raw] | None = None
    grounding_supports: list[Raw] | None = None
    web_search_queries: list[str] | None = None


class CitationSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class CitationMetadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    citations: list[Raw] | None = None
    citation_sources: list[Raw] | None = None


_CHUNK = msgspec.json.Decoder(Chunk).decode
_SUPPORT = msgspec.json.Decoder(Support).decode
_GROUNDING = msgspec.json.Decoder(Grounding).decode
_CITATION_SOURCE = msgspec.json.Decoder(CitationSource).decode
_CITATIONS = msgspec.json.Decoder(CitationMetadata).decode
_RAW_FIELDS = msgspec.json.Decoder(dict[str, Raw]).decode


def grounding_of(raw: Raw, text: str, part: int, choice: int) -> tuple[list[CitationAdded], list[str]]:
    """The citations of the answer's `text` so far, and the queries searched for. Raises msgspec.DecodeError."""
    grounding = _GROUNDING(raw)
    chunks = grounding.grounding_chunks or []
    sources = [_source(_CHUNK(chunk)) for chunk in chunks]
    citations: list[CitationAdded] = []
    positions = _Positions(text)
    for support_raw in (grounding.grounding_supports or [])[:SUPPORTS_MAX]:
        support = _SUPPORT(support_raw)
        segment = support.segment or Segment()
        start, end = positions.of(segment.start_index, segment.end_index)
        if start is not None and segment.text:
            found = text.find(segment.text, max(start - DRIFT_MAX, 0), start + DRIFT_MAX + len(segment.text))
            if found >= 0:
                start, end = found, found + len(segment.text)
        for index in support.grounding_chunk_indices or ():
            if 0 <= index < len(sources):
                said = {"groundingSupport": support_raw, "groundingChunk": chunks[index]}
                cited = Cited(sources[index].uri, sources[index].title, segment.text, start, end)
                citations.append(CitationAdded(GEMINI, Raw(msgspec.json.encode(said)), part, choice, cited))
    if not grounding.grounding_supports:
        for chunk, source in zip(chunks[:SUPPORTS_MAX], sources, strict=False):
            said = {"groundingChunk": chunk}
            cited = Cited(source.uri, source.title)
            citations.append(CitationAdded(GEMINI, Raw(msgspec.json.encode(said)), part, choice, cited))
    rest = {
        name: value for name, value in _RAW_FIELDS(raw).items() if name not in ("groundingChunks", "groundingSupports")
    }
    if rest:
        said = {"groundingMetadata": Raw(msgspec.json.encode(rest))}
        citations.append(CitationAdded(GEMINI, Raw(msgspec.json.encode(said)), part, choice))
    return citations, grounding.web_search_queries or []


def citations_of(raw: Raw, text: str, part: int, choice: int) -> list[CitationAdded]:
    """What the answer recites. Raises msgspec.DecodeError."""
    metadata = _CITATIONS(raw)
    positions = _Positions(text)
    citations: list[CitationAdded] = []
    for said in (metadata.citations or metadata.citation_sources or [])[:SUPPORTS_MAX]:
        source = _CITATION_SOURCE(said)
        start, end = positions.of(source.start_index or 0, source.end_index)
        cited = Cited(source.uri, source.title, None, start, end)
        citations.append(CitationAdded(GEMINI, Raw(msgspec.json.encode({"citation": said})), part, choice, cited))
    return citations


def _source(chunk: Chunk) -> Source:
    return chunk.web or chunk.retrieved_context or chunk.maps or Source()


class _Positions:
    """Characters for offsets in bytes of one text; the bytes are only made if they differ."""

    __slots__ = ("_ascii", "_bytes")

    def __init__(self, text: str) -> None:
        self._ascii = text.isascii()
        self._bytes = b"" if self._ascii else text.encode(errors="replace")

    def of(self, start: int, end: int | None) -> tuple[int | None, int | None]:
        if end is None:
            return None, None
        if self._ascii:
            return max(start, 0), max(end, 0)
        return self._characters(start), self._characters(end)

    def _characters(self, offset: int) -> int:
        return len(self._bytes[: max(offset, 0)].decode(errors="ignore"))


class GroundingWriter:
    """Gathers citations of one choice as `groundingMetadata` for a caller of this dialect."""

    __slots__ = ("_chunks", "_sources", "_supports")

    def __init__(self) -> None:
        self._chunks: list[Any] = []
        self._sources: dict[tuple[str | None, str | None], int] = {}
        self._supports: list[dict[str, Any]] = []

    def add(self, event: CitationAdded, part_text: str, before_bytes: int) -> None:
        """A citation of the part `part_text`, before which the answer's text has `before_bytes`. One that says nothing to
        other dialects is left to its own."""
        cited = event.cited
        if cited is None:
            return
        source = (cited.url, cited.title)
        index = self._sources.get(source)
        if index is None:
            index = self._sources[source] = len(self._chunks)
            self._chunks.append(_chunk(cited))
        segment: dict[str, Any] = {}
        if cited.start is not None and cited.end is not None:
            segment["startIndex"] = before_bytes + len(part_text[: cited.start].encode(errors="replace"))
            segment["endIndex"] = before_bytes + len(part_text[: cited.end].encode(errors="replace"))
        if cited.text is not None and cited.url is not None:
            segment["text"] = cited.text
        if segment:
            self._supports.append({"segment": segment, "groundingChunkIndices": [index]})

    @property
    def written(self) -> dict[str, Any] | None:
        if not self._chunks:
            return None
        metadata: dict[str, Any] = {"groundingChunks": self._chunks}
        if self._supports:
            metadata["groundingSupports"] = self._supports
        return metadata


def _chunk(cited: Cited) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if cited.url is not None:
        fields["uri"] = cited.url
    if cited.title is not None:
        fields["title"] = cited.title
    if cited.url is not None:
        return {"web": fields}
    if cited.text is not None:
        fields["text"] = cited.text
    return {"retrievedContext": fields}
