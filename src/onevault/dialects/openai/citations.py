"""Turns citations of web pages from one dialect's shape into the other's; other citations stay as they are."""

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


class WebLocation(msgspec.Struct, frozen=True):
    """Anthropic's `web_search_result_location`, as far as it is common to both."""

    type: str
    url: str
    title: str | None = None


_ANNOTATION = msgspec.json.Decoder(Annotation)
_WEB_LOCATION = msgspec.json.Decoder(WebLocation)


def annotation_of(event: CitationAdded, *, began: int, ended: int) -> Annotation | Raw | None:
    """A citation as OpenAI writes it, spanning the characters `began` to `ended` of the answer; None if it names no page."""
    if event.dialect == OPENAI_CHAT:
        return event.raw
    try:
        location = _WEB_LOCATION.decode(event.raw)
    except msgspec.DecodeError:
        return None
    return Annotation("url_citation", UrlCitation(location.url, location.title or "", began, ended))


def location_of(event: CitationAdded, *, text: str) -> dict[str, object] | Raw | None:
    """A citation as Anthropic writes it, for the answer's `text`; None if it is no citation of a page.

    `encrypted_index` is empty: only Anthropic's own search gives one, and it takes none other back.
    """
    if event.dialect == ANTHROPIC_MESSAGES:
        return event.raw
    try:
        cited = _ANNOTATION.decode(event.raw).url_citation
    except msgspec.DecodeError:
        return None
    return {
        "type": "web_search_result_location",
        "cited_text": text[max(cited.start_index, 0) : max(cited.end_index, 0)],
        "encrypted_index": "",
        "title": cited.title,
        "url": cited.url,
    }
