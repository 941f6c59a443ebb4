"""Cohere's errors, headers and keys.

Written from docs.cohere.com/v2/reference/errors.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

from onevault.simulator.faults import Fault, Refused, invalid
from onevault.simulator.format import Format, bearer_or
from onevault.simulator.headers import advice, written

R = TypeVar("R")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`")
_MESSAGES: Final = {
    "authentication": "invalid api token",
    "billing": "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue",
    "permission": "your api key is not permitted to use this endpoint",
    "rate_limit": "You are past the per minute request limit, please wait and try again later.",
    "token_rate_limit": "trial token rate limit exceeded, limit is 100000 tokens per minute",
    "quota": "You are using a Trial key, which is limited to 1000 API calls / month.",
    "context_length": "too many tokens: the total number of tokens in the prompt cannot exceed 256000. "
    "Try using a shorter prompt, or enable prompt truncating.",
    "content_filter": "the request was blocked: please rephrase your message",
    "server": "internal server error, this has been reported to our developers.",
    "unavailable": "the service is temporarily overloaded, please try again later",
    "overloaded": "the service is temporarily overloaded, please try again later",
    "gateway_timeout": "the request timed out, please try again later",
}


def _error(fault: Fault, request_id: str) -> bytes:
    identity = identity_of(request_id.removeprefix("req_").rjust(32, "0"))
    return msgspec.json.encode({"id": identity, "message": _MESSAGES.get(fault.name, fault.message)})


def _success_headers(served: int) -> bytes:
    return (
        b"x-debug-trace-id: %032x\r\nx-trial-endpoint-call-limit: 20\r\nx-trial-endpoint-call-remaining: 19\r\n"
    ) % served


def _error_headers(fault: Fault, served: int, retry_after_s: float | None) -> bytes:
    """Cohere gives no advice of its own; `retry-after` stands there only if it was asked for."""
    lines = [f"x-debug-trace-id: {served:032x}"]
    if retry_after_s is not None:
        lines += advice(fault, retry_after_s)
    return written(lines)


def unknown_model(name: str) -> Refused:
    message = (
        f"model '{name}' not found, make sure the correct model ID was used and that you have access to the model."
    )
    return invalid(message, status=404)


def read(decoder: msgspec.json.Decoder[R], body: bytes) -> R:
    """Raises Refused in Cohere's words: 400 for what is missing or no JSON, 422 for what is of the wrong kind."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        place = match[1] if (match := _PLACE.search(text)) else ""
        if match := _MISSING.search(text):
            name = f"{place}.{match[1]}".lstrip(".")
            raise invalid(f"invalid request: {name} is required") from None
        words = text.partition(" - at ")[0].lower()
        raise invalid(f"invalid type: parameter {place} is of the wrong type: {words}.", status=422) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid("invalid request: the request body is not valid JSON") from None


def identity_of(digest: str) -> str:
    """An id as Cohere writes it, from a digest of 32 digits."""
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def meta(**billed: Any) -> dict[str, Any]:
    return {"api_version": {"version": "2"}, "billed_units": billed}


COHERE: Final = Format(
    name="cohere",
    error=_error,
    success_headers=_success_headers,
    error_headers=_error_headers,
    unknown_model=unknown_model,
    missing_key=invalid("no api key supplied", status=401).fault,
    key_of=bearer_or(),
    prefixes=("/v2/",),
)
