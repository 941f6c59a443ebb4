"""Fits JSON schemas to providers that hold a model to them and refuse what they cannot hold it to.

Sources: OpenAI, structured outputs, supported schemas; Anthropic, structured outputs, JSON schema limitations. Both demand that every
object closes itself to other properties. OpenAI demands every property besides; Anthropic knows no bounds, so its own SDK moves them
into the description, as it is done here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

DEPTH_MAX: Final = 64
"""Deeper schemas stay as they are below it."""

_BOUNDS: Final = frozenset(
    (
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("maxItems", "uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties"),
    )
)
_MIN_ITEMS_MAX: Final = 1
"""What Anthropic knows of `minItems`."""
_FORMATS: Final = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
_STRICT: Final = frozenset(
    (
        *("type", "title", "description", "properties", "required", "additionalProperties", "items", "enum", "const"),
        *("anyOf", "$ref", "$defs", "definitions", "$schema", "pattern", "format", "multipleOf", "minimum", "maximum"),
        *("exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
    )
)
_BESIDE_REF: Final = frozenset(("$ref", "$defs", "definitions", "$schema"))
_ONE: Final = frozenset(("items", "additionalProperties", "not"))
_LISTS: Final = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_MAPS: Final = frozenset(("properties", "$defs", "definitions"))
_SHAPES: Final = frozenset(
    ("properties", "$ref", "anyOf", "oneOf", "allOf", "additionalProperties", "patternProperties")
)
"""What says of an object what it has."""
_OBJECT: Final = b'"object"'
_JSON = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, Raw])

_Json = dict[str, Any]


def strict_schema(raw: Raw) -> tuple[Raw, bool | None]:
    """A schema that its provider holds a model to unasked, for those that must be asked: closed, and True, where OpenAI can be
    strict about it; else as it came, and None."""
    schema = _decoded(raw)
    if schema is None or schema.get("type") != "object":
        return raw, None
    closed: list[_Json] = []

    def close(part: _Json) -> _Json:
        closed.append(_closed(part))
        return part

    whole = _mapped(schema, DEPTH_MAX, close)
    return (_written(whole, schema, raw), True) if all(map(_is_strict, closed)) else (raw, None)


def arguments_schema(raw: Raw) -> Raw:
    """The schema of a tool's arguments, with the `type` that Anthropic and the `properties` that OpenAI miss where a tool takes none."""
    try:
        fields = _FIELDS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw
    if "properties" in fields and "type" in fields:
        return raw
    if bytes(fields.setdefault("type", Raw(_OBJECT))) != _OBJECT:
        return raw  # the provider says what is wrong with it
    if _SHAPES.isdisjoint(fields):
        fields["properties"] = Raw(b"{}")
    return Raw(msgspec.json.encode(fields))


def grammar_schema(raw: Raw, dropped: dict[str, None], path: str) -> Raw:
    """A schema as Anthropic's models are held to it. What becomes part of the description is named in `dropped` below `path`."""
    schema = _decoded(raw)
    if schema is None:
        return raw
    fitted = _mapped(schema, DEPTH_MAX, lambda part: _loosened(_closed(part), dropped, path))
    return _written(fitted, schema, raw)


def _written(fitted: _Json, schema: _Json, raw: Raw) -> Raw:
    return raw if fitted == schema else Raw(msgspec.json.encode(fitted))


def _decoded(raw: Raw) -> _Json | None:
    try:
        schema = _JSON.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return schema if isinstance(schema, dict) else None


def _mapped(schema: Any, depth_left: int, change: Callable[[_Json], _Json]) -> Any:
    if not isinstance(schema, dict) or depth_left == 0:
        return schema
    written: _Json = {}
    for name, value in schema.items():
        if name in _ONE:
            written[name] = _mapped(value, depth_left - 1, change)
        elif name in _LISTS and isinstance(value, list):
            written[name] = [_mapped(entry, depth_left - 1, change) for entry in value]
        elif name in _MAPS and isinstance(value, dict):
            written[name] = {key: _mapped(entry, depth_left - 1, change) for key, entry in value.items()}
        else:
            written[name] = value
    return change(written)


def _closed(schema: _Json) -> _Json:
    if "properties" in schema and "additionalProperties" not in schema:  # an object without any would be held to {}
        schema["additionalProperties"] = False
    return schema


def _is_object(schema: _Json) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _is_strict(schema: _Json) -> bool:
    if not _STRICT.issuperset(schema):
        return False
    if "$ref" in schema:
        return _BESIDE_REF.issuperset(schema)
    if schema.get("format", "date") not in _FORMATS:
        return False
    if not _is_object(schema):
        return bool(schema)
    properties, required = schema.get("properties", {}), schema.get("required", [])
    return (
        schema.get("additionalProperties") is False
        and isinstance(properties, dict)
        and isinstance(required, list)
        and set(properties) == {name for name in required if isinstance(name, str)}
    )


def _loosened(schema: _Json, dropped: dict[str, None], path: str) -> _Json:
    if "oneOf" in schema and "anyOf" not in schema:
        schema["anyOf"] = schema.pop("oneOf")
        schema.pop("discriminator", None)  # says which of the choices it is, and nothing of their shape
    told = [name for name, value in schema.items() if name in _BOUNDS or (name == "minItems" and _many(value))]
    if not told:
        return schema
    words = ", ".join(f"{name}: {msgspec.json.encode(schema.pop(name)).decode()}" for name in told)
    description = schema.get("description")
    schema["description"] = f"{description}\n\n{{{words}}}" if isinstance(description, str) else f"{{{words}}}"
    dropped.update(dict.fromkeys(f"{path}.{name}" for name in told))
    return schema


def _many(items: Any) -> bool:
    return isinstance(items, int | float) and items > _MIN_ITEMS_MAX
