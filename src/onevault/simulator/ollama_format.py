"""Ollama's errors; it wants no key and tells nothing in headers.

Written from github.com/ollama/ollama, docs/api.md and docs/errors.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from onevault.simulator.faults import CATALOGUE, Fault, Refused, invalid
from onevault.simulator.format import Format, bearer_or
from onevault.simulator.headers import advice, written

R = TypeVar("R")
_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`")
_MESSAGES: Final = {
    "authentication": "unauthorized",
    "rate_limit": "too many concurrent requests",
    "token_rate_limit": "you've reached your hourly usage limit, please upgrade to continue",
    "quota": "you've reached your weekly usage limit, please upgrade to continue",
    "context_length": "input length exceeds the context length",
    "server": "llama runner process has terminated: exit status 2",
    "unavailable": "server busy, please try again.  maximum pending requests exceeded",
    "overloaded": "server busy, please try again.  maximum pending requests exceeded",
}


def _error(fault: Fault, request_id: str) -> bytes:
    return msgspec.json.encode({"error": _MESSAGES.get(fault.name, fault.message)})


ERROR_EVENT: Final = _error(CATALOGUE["server"], "") + b"\n"


def _success_headers(served: int) -> bytes:
    return b""


def _error_headers(fault: Fault, served: int, retry_after_s: float | None) -> bytes:
    return b"" if retry_after_s is None else written(advice(fault, retry_after_s))


def _unknown_model(name: str) -> Refused:
    return invalid(f"model '{name}' not found", status=404)


def read(decoder: msgspec.json.Decoder[R], body: bytes) -> R:
    """Raises Refused in Ollama's words."""
    if not body.strip():
        raise invalid("missing request body")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        place = match[1] if (match := _PLACE.search(text)) else ""
        if "missing required field" in text and not place:
            raise invalid("model is required") from None
        words = text.partition(" - at ")[0].lower()
        raise invalid(f"json: cannot unmarshal field {place}: {words}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid("invalid character in the request body: looking for beginning of value") from None


OLLAMA: Final = Format(
    name="ollama",
    error=_error,
    success_headers=_success_headers,
    error_headers=_error_headers,
    unknown_model=_unknown_model,
    missing_key=None,
    key_of=bearer_or(),
    prefixes=("/api/",),
)
