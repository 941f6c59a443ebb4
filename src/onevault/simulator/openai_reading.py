"""Reads OpenAI's JSON bodies into structs, and words what is wrong with one as OpenAI does."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

from onevault.simulator.ask import Ask
from onevault.simulator.faults import Refused, invalid

R = TypeVar("R")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_TYPE: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_VALUE: Final = re.compile(r"Invalid enum value '([^']*)'")
_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`")
_NAMES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "array": "an array",
    "object": "an object",
    "bool": "a boolean",
    "null": "null",
}
_SUPPORTED: Final = {
    "role": "'system', 'assistant', 'user', 'function', 'tool', and 'developer'",
    "encoding_format": "'float' and 'base64'",
    "response_format": "'mp3', 'opus', 'aac', 'flac', 'wav', and 'pcm'",
    "stream_format": "'sse' and 'audio'",
    "quality": "'low', 'medium', 'high', 'auto', 'standard', and 'hd'",
    "service_tier": "'auto', 'default', 'flex', 'scale', and 'priority'",
}
"""The values of each field that has a choice of them, by its name."""


def read(decoder: msgspec.json.Decoder[R], body: bytes) -> R:
    """Raises Refused in OpenAI's words."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = "We could not parse the JSON body of your request. The API expects a JSON payload."
        raise invalid(message) from None


def _refusal(text: str) -> Refused:
    place = match[1] if (match := _PLACE.search(text)) else ""
    if match := _MISSING.search(text):
        return missing(f"{place}.{match[1]}".lstrip("."))
    if match := _VALUE.search(text):
        return unsupported(place, match[1], _SUPPORTED[place.rpartition(".")[2]])
    if match := _TYPE.search(text):
        wanted = " or ".join(_NAMES.get(kind, kind) for kind in match[1].split(" | ") if kind != "null")
        got = _NAMES.get(match[2], match[2])
        message = f"Invalid type for '{place}': expected {wanted}, but got {got} instead."
        return invalid(message, param=place or None, code="invalid_type")
    return invalid(f"Invalid value for '{place}'.", param=place or None, code="invalid_value")


def missing(name: str) -> Refused:
    return invalid(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def unsupported(name: str, value: Any, choices: str) -> Refused:
    message = f"Invalid value: '{value}'. Supported values are: {choices}."
    return invalid(message, param=name, code="invalid_value")


def empty_array(name: str) -> Refused:
    least = "Expected an array with minimum length 1, but got an empty array instead."
    return invalid(f"Invalid '{name}': empty array. {least}", param=name, code="empty_array")


def check_ranges(request: Any, ranges: tuple[tuple[str, float, float | None], ...]) -> None:
    """Raises Refused for a field whose value is below its least or above its most; None is no bound, and no value."""
    for name, least, most in ranges:
        value = getattr(request, name)
        if value is None or (value >= least and (most is None or value <= most)):
            continue
        side, bound, sign = ("below minimum", least, ">=") if value < least else ("above maximum", most, "<=")
        kind = "integer" if isinstance(value, int) else "decimal"
        raise invalid(
            f"Invalid '{name}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead.",
            param=name,
            code=f"{kind}_{side.replace(' ', '_').replace('minimum', 'min').replace('maximum', 'max')}_value",
        )


def follow_format(ask: Ask, described: dict[str, Any], *, inner: str, place: str) -> None:
    """Takes over what a text is to look like; under `inner` is the schema with its name, or it lies open where that is empty."""
    kind = described.get("type")
    if kind == "json_schema":
        holder = described.get(inner) if inner else described
        if not isinstance(holder, dict) or not isinstance(holder.get("name"), str):
            raise missing(f"{place}.{inner}.name" if inner else f"{place}.name")
        ask.schema = holder.get("schema", {})
    elif kind == "json_object":
        ask.json_object = True
    elif kind != "text":
        raise unsupported(f"{place}.type", kind, "'json_object', 'json_schema', and 'text'")
