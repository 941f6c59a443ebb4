"""Takes base64 data URLs apart and puts them together (RFC 2397)."""

from __future__ import annotations

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
