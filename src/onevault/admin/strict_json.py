"""Reads a JSON object without rounding any number and without choosing among repeated fields."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


class Refused(ValueError):
    """What is wrong, in words that are safe to show."""


def strictly_read(raw: bytes) -> dict[str, Any]:
    """The object. Raises Refused."""
    try:
        read = json.loads(raw, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_once_each)
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused("the body is not valid JSON in UTF-8") from None
    if not isinstance(read, dict):
        raise Refused("the body must be one JSON object, sent with content-type application/json")
    return read


def _refuse_constant(text: str) -> None:
    raise Refused(f"{text} is not a JSON number")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refused("a field is given twice")
    return fields
