"""Writes a caller's JSON as Google's protocol buffers print it: names in camelCase, and lists where the field is one.

Google reads names in snake_case, too, and one object for a list of one; its Python SDK mixes both. What is the caller's own JSON
(arguments, schemas, labels) stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Raw

from onevault.dialects.wire.extensions import EXTENSION_NAMES
from onevault.dialects.wire.json_body import fields_of

DEPTH_MAX: Final = 16
"""The request's own structure is not deeper; below it everything stays as it is."""

_OWN = frozenset(
    (
        *("args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema"),
        *("labels", "partMetadata", "metadata"),
        *EXTENSION_NAMES,
    )
)
_LISTS = frozenset(
    (
        *("contents", "parts", "tools", "functionDeclarations", "safetySettings", "requests"),
        *("stopSequences", "responseModalities", "allowedFunctionNames"),
    )
)
_SNAKE_KEY = re.compile(rb'"[a-z]{1,40}+(?:_[a-z0-9]{1,40}+){1,8}+"[ \t\r\n]*+:')
_UNDERSCORE = re.compile(r"_+([a-z0-9])")
_LIST = msgspec.json.Decoder(list[Raw])


def may_be_other_json(body: bytes) -> bool:
    """Whether a name in it is in snake_case (it may be the caller's own)."""
    return _SNAKE_KEY.search(body) is not None


def camel_case(name: str) -> str:
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name)


def as_proto_json(body: bytes) -> bytes:
    """The same request in the canonical spelling. Raises msgspec.DecodeError for what is no JSON."""
    return bytes(_spelled(Raw(body), DEPTH_MAX))


def _spelled(raw: Raw, depth_left: int) -> Raw:
    first = bytes(memoryview(raw)[:64]).lstrip()[:1]
    if depth_left == 0 or first not in (b"{", b"["):
        return raw
    if first == b"[":
        return Raw(msgspec.json.encode([_spelled(entry, depth_left - 1) for entry in _LIST.decode(raw)]))
    fields: dict[str, Raw] = {}
    for name, value in fields_of(raw).items():
        spelled = camel_case(name) if "_" in name and name not in EXTENSION_NAMES else name
        if spelled not in _OWN:
            value = _spelled(value, depth_left - 1)
            if spelled in _LISTS and bytes(memoryview(value)[:1]) not in (b"[", b"n"):
                value = Raw(b"[" + bytes(value) + b"]")
        fields[spelled] = value
    return Raw(msgspec.json.encode(fields))
