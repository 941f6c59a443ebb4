"""Reads a body as Google reads JSON into protocol buffers: names in camel or snake case, unknown names and wrong types refused.

Written from protobuf.dev/programming-guides/json and the errors that the Gemini API answers with.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

import msgspec

from onevault.simulator.faults import invalid
from onevault.simulator.gemini_fields import MESSAGES, VERTEX_SCHEMA, Fields

DEPTH_MAX: Final = 64
_HUMP: Final = re.compile(r"[A-Z]")
_JOINT: Final = re.compile(r"_([a-z])")
_TYPES: Final = {"int": "TYPE_INT32", "number": "TYPE_DOUBLE", "bool": "TYPE_BOOL", "string": "TYPE_STRING"}
_BROKEN: Final = "Invalid JSON payload received. "
_PACKAGES: Final = {False: "google.ai.generativelanguage.v1beta", True: "google.cloud.aiplatform.v1beta1"}


def read(body: bytes, message: str, *, vertex: bool = False) -> dict[str, Any]:
    """The message that the body holds, its names in camel case, its defaults left out. Raises Refused in Google's words."""
    try:
        decoded = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"{_BROKEN}{error}") from None
    if not isinstance(decoded, dict):
        raise invalid(f'{_BROKEN}Unknown name "": Root element must be a message.')
    return _Reader(vertex=vertex).message(decoded, message, "", 0)


def snake(name: str) -> str:
    return _HUMP.sub(lambda hump: "_" + hump[0].lower(), name)


def camel(name: str) -> str:
    return _JOINT.sub(lambda joint: joint[1].upper(), name)


class _Reader:
    def __init__(self, *, vertex: bool) -> None:
        self._vertex = vertex

    def _fields(self, message: str) -> Fields:
        return VERTEX_SCHEMA if self._vertex and message == "Schema" else MESSAGES[message]

    def message(self, value: Any, message: str, place: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(value, place, message)
        if depth > DEPTH_MAX:
            raise invalid(f"{_BROKEN}Message too deep. Max recursion depth reached for key '{place}'")
        fields = self._fields(message)
        made = {}
        for written, member in value.items():
            name = camel(written.lstrip("_$"))
            kind = fields.get(name)
            if kind is None:
                at = f" at '{place}'" if place else ""
                raise invalid(f'{_BROKEN}Unknown name "{written}"{at}: Cannot find field.')
            if member is not None:
                made[name] = self._field(member, kind, f"{place}.{snake(name)}".lstrip("."), depth)
        return made

    def _field(self, value: Any, kind: str, place: str, depth: int) -> Any:
        if kind[0] == "*":  # one value stands for a list of one
            values = value if isinstance(value, list) else [value]
            return [self._value(one, kind[1:], f"{place}[{at}]", depth) for at, one in enumerate(values)]
        if isinstance(value, list) and kind != "any":
            raise invalid(f"{_BROKEN}Unknown name \"{place.rpartition('.')[2]}\" at '{place.rpartition('.')[0]}': "
                          "Proto field is not repeating, cannot start list.")  # fmt: skip
        if kind[0] == "%":
            if not isinstance(value, dict):
                raise self._wrong(value, place, kind[1:])
            return {key: self._value(one, kind[1:], f"{place}[{key}]", depth) for key, one in value.items()}
        return self._value(value, kind, place, depth)

    def _value(self, value: Any, kind: str, place: str, depth: int) -> Any:
        if kind == "any":
            return value
        if kind in MESSAGES:
            return self.message(value, kind, place, depth + 1)
        if "|" in kind:
            if not isinstance(value, str) or value.upper() not in kind.split("|"):
                raise self._wrong(value, place, place.rpartition(".")[2].title().replace("_", ""))
            return value.upper()
        if kind == "bytes":
            return _bytes_checked(value, place)
        if kind in ("int", "number"):
            return self._number(value, kind, place)
        if not isinstance(value, bool if kind == "bool" else str):
            raise self._wrong(value, place, kind)
        return value

    def _number(self, value: Any, kind: str, place: str) -> float:
        """An integer may be written as a text or with a fraction of nothing."""
        try:
            number = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or number != number or (kind == "int" and not -(2**63) <= number < 2**63):
            raise self._wrong(value, place, kind)
        if kind == "int":
            if number != int(number):
                raise self._wrong(value, place, kind)
            return int(value) if isinstance(value, int) else int(number)
        return number

    def _wrong(self, value: Any, place: str, kind: str) -> Exception:
        shown = msgspec.json.encode(value).decode()[:200]
        named = _TYPES.get(kind) or f"type.googleapis.com/{_PACKAGES[self._vertex]}.{kind}"
        return invalid(f"Invalid value at '{place}' ({named}), {shown}")


def _bytes_checked(value: Any, place: str) -> Any:
    """Base64 in either alphabet, with or without its padding."""
    try:
        text = value.rstrip("=").translate({45: "+", 95: "/"})
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (AttributeError, binascii.Error, ValueError):
        shown = msgspec.json.encode(value).decode()[:80]
        raise invalid(f"Invalid value at '{place}' (TYPE_BYTES), Base64 decoding failed for {shown}") from None
    return value
