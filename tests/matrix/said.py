"""What an answer says, whoever tells it: the same of a whole answer and of a stream, or one of them lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, kw_only=True)
class Said:
    """`calls` are (id, name, arguments as JSON that means the same); `usage` is in the dialect's own words."""

    text: str = ""
    refusal: str = ""
    thinking: str = ""
    signatures: tuple[str, ...] = ()
    calls: tuple[tuple[str, str, Any], ...] = ()
    stop: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)


def unknown(value: Any, path: str = "") -> Iterator[str]:
    """The paths of fields that a library's types do not have; positions in lists are left out."""
    if isinstance(value, BaseModel):
        for name in value.model_extra or ():
            yield f"{path}.{name}".removeprefix(".")
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from unknown(each, path)


def without_nothing(value: Any) -> Any:
    """Counts of zero and fields of null say nothing."""
    if isinstance(value, dict):
        kept = {name: without_nothing(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, 0, {}, [])}
    return value


def joined(texts: Iterable[str | None]) -> str:
    return "".join(text for text in texts if text)
