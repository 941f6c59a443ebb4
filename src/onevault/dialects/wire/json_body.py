"""Decodes a caller's JSON into typed structs, and says in a Fault which field is wrong.

Bounds: the server bounds the body's length, the decoder its depth (about a thousand levels, the interpreter's own limit on nesting).
NaN and Infinity are no JSON and are refused, as is text that is not UTF-8. Of a key given twice the last counts.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from onevault.core.faults import Fault, FaultKind

_T = TypeVar("_T")

ABSENT = msgspec.Raw()
"""The default of a field that is kept as it came (`Raw` cannot be in a union with None)."""

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_FIELD = re.compile(r"field `(?P<name>[^`]{1,200})`")
_PATH_LENGTH_MAX = 200

fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""An object's fields as the bytes they came in, in their order."""


def present(raw: msgspec.Raw) -> msgspec.Raw | None:
    """A field that is kept as it came, if it was given and is not null."""
    return raw if raw and bytes(raw) != b"null" else None


def decoded(decoder: msgspec.json.Decoder[_T], body: bytes, *, at: str = "") -> _T:
    """JSON as the decoder's type. Raises Fault INVALID_REQUEST, with the path of the field at fault where there is one.

    `at` is the path of `body` itself, where it is a part of a request that was read before.
    """
    try:
        body.decode()  # skipped values are not looked at by the decoder, yet they are passed on
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error), at) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Fault(FaultKind.INVALID_REQUEST, "The body is not valid JSON.") from None
    except RecursionError:
        raise Fault(FaultKind.INVALID_REQUEST, "The body is nested too deeply.") from None


def _wrong_field(message: str, at: str) -> Fault:
    found = _AT.match(message)
    what = found["what"] if found else message
    path = (found["path"] or "$") if found else "$"
    named = _FIELD.search(what)
    if named:
        path = f"{path}.{named['name']}"
    param = (at + path.removeprefix("$")).removeprefix(".")[:_PATH_LENGTH_MAX]
    if what.startswith("Object missing required field"):
        return invalid(param, "is missing")
    if what.startswith("Object contains unknown field"):
        return invalid(param, "is not known")
    if what.startswith("Expected"):
        return invalid(param, what[0].lower() + what[1:].replace("`", ""))
    return invalid(param, "has a value that it cannot take")


def invalid(param: str, what: str) -> Fault:
    """A fault for one field: `invalid("n", "must be 1")` reads "n must be 1."."""
    if not param:
        return Fault(FaultKind.INVALID_REQUEST, f"The body {what}.")
    return Fault(FaultKind.INVALID_REQUEST, f"{param} {what}.", param=param)


def unsupported(param: str, why: str) -> Fault:
    """A fault for a field that means something which cannot be done: `unsupported("n", "cannot be above 1 here")`."""
    return Fault(FaultKind.UNSUPPORTED_PARAMETER, f"{param} {why}.", param=param)
