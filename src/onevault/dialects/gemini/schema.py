"""Turns Google's schemas (`parameters`, `responseSchema`: a subset of OpenAPI 3.0) into JSON schema.

Source: Gemini API reference, `Schema`. Types lose their capitals, `nullable` becomes a type, numbers written as strings (64-bit ones)
become numbers; what only orders (`propertyOrdering`) is left out, and the properties stand in that order.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from onevault.dialects.gemini.proto_json import camel_case

DEPTH_MAX: Final = 64
"""Deeper schemas stay as they are below it."""

_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_INNER = frozenset({"items", "additionalProperties"})
_LEFT_OUT = frozenset({"nullable", "propertyOrdering"})
_JSON = msgspec.json.Decoder()


def json_schema(raw: Raw) -> Raw:
    """JSON schema of a schema. Raises msgspec.DecodeError for what is no JSON."""
    return Raw(msgspec.json.encode(_translated(_JSON.decode(raw), DEPTH_MAX)))


def _translated(schema: Any, depth_left: int) -> Any:
    if not isinstance(schema, dict) or depth_left == 0:
        return schema
    given = {camel_case(name): value for name, value in schema.items()}
    written: dict[str, Any] = {}
    for name, value in given.items():
        if name in _LEFT_OUT:
            continue
        if name == "type" and isinstance(value, str):
            written[name] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            order = given.get("propertyOrdering")
            written[name] = {
                key: _translated(value[key], depth_left - 1) for key in _ordered(value, order if order else ())
            }
        elif name == "anyOf" and isinstance(value, list):
            written[name] = [_translated(entry, depth_left - 1) for entry in value]
        elif name in _INNER:
            written[name] = _translated(value, depth_left - 1)
        elif name in _COUNTS and isinstance(value, str) and value.isdigit():
            written[name] = int(value)
        else:
            written[name] = value
    if given.get("nullable") is True:
        _allow_null(written)
    return written


def _allow_null(schema: dict[str, Any]) -> None:
    if isinstance(schema.get("anyOf"), list):
        schema["anyOf"].append({"type": "null"})
    elif isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]


def _ordered(properties: dict[str, Any], order: Any) -> list[str]:
    first = [name for name in order if isinstance(name, str) and name in properties] if isinstance(order, list) else []
    return list(dict.fromkeys([*first, *properties]))
