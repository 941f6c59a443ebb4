"""Says a citation as OpenAI and as Anthropic write it; its own dialect's as it came, others' from what all dialects can say of it."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.events import CitationAdded
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.openai.names import OPENAI_CHAT


class UrlCitation(msgspec.Struct, frozen=True):
    url: str
    title: str = ""
    start_index: int = 0
    end_index: int = 0


class Annotation(msgspec.Struct, frozen=True):
    """OpenAI's `annotations` entry."""

    type: str
    url_citation: UrlCitation


class _Kind(msgspec.Struct, frozen=True):
    type: str


_KIND = msgspec.json.Decoder(_Kind)


def annotation_of(event: CitationAdded, *, began: int, ended: int) -> Annotation | Raw | None:
    """A citation as OpenAI writes it, for a part that spans the characters `began` to `ended` of the answer; None if it names
    no page."""
    if event.dialect == OPENAI_CHAT:
        return event.raw if _is_annotation(event.raw) else None
    cited = event.cited
    if cited is None or cited.url is None:
        return None
    start, end = began, ended
    if cited.start is not None and cited.end is not None:
        start, end = min(began + cited.start, ended), min(began + cited.end, ended)
    return Annotation("url_citation", UrlCitation(cited.url, cited.title or "", start, end))


def _is_annotation(raw: Raw) -> bool:
    try:
        return _KIND.decode(raw).type == "url_citation"
    except msgspec.DecodeError:
        return False


def location_of(event: CitationAdded, *, text: str) -> dict[str, object] | Raw | None:
    """A citation as Anthropic writes it, for the part's `text`; None if nothing can be said of it.

    A page's `encrypted_index` is empty: only Anthropic's own search gives one, and it takes none other back. What is no page is
    a place in a document that is not counted.
    """
    if event.dialect == ANTHROPIC_MESSAGES:
        return event.raw
    cited = event.cited
    if cited is None:
        return None
    quoted = cited.text
    if quoted is None:
        quoted = "" if cited.start is None or cited.end is None else text[max(cited.start, 0) : max(cited.end, 0)]
    if cited.url is not None:
        return {
            "type": "web_search_result_location",
            "cited_text": quoted,
            "encrypted_index": "",
            "title": cited.title,
            "url": cited.url,
        }
    return {
        "type": "char_location",
        "cited_text": quoted,
        "document_index": 0,
        "document_title": cited.title,
        "start_char_index": 0,
        "end_char_index": 0,
    }
