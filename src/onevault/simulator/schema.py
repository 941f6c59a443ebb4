"""A value that conforms to a JSON schema, chosen by seed: what a model answers that was told to follow one."""

from __future__ import annotations

import math
import random
from typing import Any, Final

from onevault.simulator.faults import invalid
from onevault.simulator.pattern import matching

DEPTH_MAX: Final = 32
VALUES_MAX: Final = 10_000
TEXT_MAX: Final = 10_000
_OPTIONAL_DEPTH: Final = 4
_FORMATS: Final = {
    "date-time": "2025-06-01T12:00:00Z",
    "date": "2025-06-01",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
}
_WORDS: Final = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron")


class _Instance:
    def __init__(self, root: Any, seed: int) -> None:
        self._root = root
        self._choose = random.Random(seed)
        self._values = 0

    def of(self, schema: Any, depth: int = 0) -> Any:
        self._values += 1
        if not isinstance(schema, dict) or depth > DEPTH_MAX or self._values > VALUES_MAX:
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choose.choice(schema["enum"])
        for word in ("anyOf", "oneOf"):
            if schema.get(word):
                return self._one_of(schema, word, depth)
        match self._type(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema)
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return self._choose.random() < 0.5
            case _:
                return None

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Follows `$ref` within the document and merges `allOf`."""
        for _ in range(DEPTH_MAX):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            target: Any = self._root
            for part in reference.removeprefix("#").split("/")[1:]:
                target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, dict) else {}
            schema = {
                **(target if isinstance(target, dict) else {}),
                **{k: v for k, v in schema.items() if k != "$ref"},
            }
        for part in schema.get("allOf", ()):
            merged = self._resolved(part) if isinstance(part, dict) else {}
            schema = {
                **merged,
                **schema,
                "properties": {**merged.get("properties", {}), **schema.get("properties", {})},
                "required": [*merged.get("required", ()), *schema.get("required", ())],
            }
        return schema

    def _one_of(self, schema: dict[str, Any], word: str, depth: int) -> Any:
        options = [option for option in schema[word] if isinstance(option, dict)]
        if depth >= _OPTIONAL_DEPTH:  # the way out of a schema that contains itself
            options.sort(key=lambda option: "$ref" in option or option.get("type") in ("object", "array"))
        rest = {k: v for k, v in schema.items() if k != word}
        return self.of({**rest, **(self._resolved(options[0]) if options else {})}, depth + 1)

    def _type(self, schema: dict[str, Any], depth: int) -> str | None:
        named = schema.get("type")
        if isinstance(named, list):
            simple = [name for name in named if name not in ("object", "array")]
            return next(iter((simple if depth >= _OPTIONAL_DEPTH and simple else named) or ()), None)
        if isinstance(named, str):
            return named
        for word, name in (
            ("properties", "object"),
            ("items", "array"),
            ("minLength", "string"),
            ("minimum", "number"),
        ):
            if word in schema:
                return name
        return "object" if depth == 0 else "string"

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = [name for name in schema.get("required", ()) if isinstance(name, str)]
        members = {
            name: self.of(member, depth + 1)
            for name, member in schema.get("properties", {}).items()
            if name in required or depth < _OPTIONAL_DEPTH
        }
        others = schema.get("additionalProperties")
        for name in required:
            if name not in members:
                members[name] = self.of(others, depth + 1) if isinstance(others, dict) else None
        while len(members) < min(schema.get("minProperties", 0), VALUES_MAX):
            members[f"key{len(members)}"] = self.of(others, depth + 1) if isinstance(others, dict) else None
        return members

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        prefix = [self.of(item, depth + 1) for item in schema.get("prefixItems", ())]
        items = schema.get("items", {"type": "string"})
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        wanted = least if depth >= _OPTIONAL_DEPTH else min(max(least, 2), most)
        made = prefix
        for _ in range(min(int(wanted) * 20, VALUES_MAX)):
            if len(made) >= wanted or items is False:
                break
            item = self.of(items, depth + 1)
            if not schema.get("uniqueItems") or item not in made:
                made.append(item)
            elif len(made) >= least:
                break
        return made

    def _string(self, schema: dict[str, Any]) -> str:
        if isinstance(schema.get("pattern"), str):
            return matching(schema["pattern"], self._choose)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._choose.choice(_WORDS)
        least, most = min(schema.get("minLength", 0), TEXT_MAX), schema.get("maxLength")
        while len(text) < least:
            text += " " + self._choose.choice(_WORDS)
        return text if most is None else text[: int(most)]

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float:
        step = schema.get("multipleOf") or (1 if whole else 0.5)
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
        least, most = max(low, above), min(high, below)
        if least == -math.inf:
            least = 0 if most >= 100 else most - 100 * step
        first = math.ceil(least / step)
        last = first + 100 if most == math.inf else math.floor(most / step)
        first += first * step <= above
        last -= last * step >= below
        if last < first:  # no multiple fits: the middle is the best there is
            return float((least + most) / 2)
        value = self._choose.randint(first, min(last, first + 100)) * step
        return value if isinstance(value, int) else float(value)


def instance(schema: Any, seed: int) -> Any:
    """Draft 2020-12 as far as both providers take it: types, enum, const, `$ref`, anyOf, oneOf, allOf, bounds, formats, patterns.

    Raises Refused for a schema that is none. Of what would be endless it makes only a beginning.
    """
    try:
        return _Instance(schema, seed).of(schema)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError, RecursionError):
        raise invalid(
            "Invalid schema: a keyword has a value that its definition does not allow.", code="invalid_schema"
        ) from None
