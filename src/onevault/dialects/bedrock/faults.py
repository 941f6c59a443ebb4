"""Tells faults from AWS's errors: those of a refused request, and those told inside a stream.

Source: Amazon Bedrock API reference, errors of Converse and ConverseStream, and "Common errors" of AWS services. The error's type
is in `x-amzn-errortype` (with a URL after a colon) or in the body's `__type` (with a namespace before a `#`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire.provider_faults import broken_off, kind_of_status, provider_fault


class ErrorIn(msgspec.Struct, frozen=True):
    """`{"message": …}`; some services of AWS write `Message`."""

    message: str | None = None
    Message: str | None = None
    type: str | None = msgspec.field(default=None, name="__type")


_ERROR = msgspec.json.Decoder(ErrorIn)
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_KINDS: Final = {
    "throttling": FaultKind.RATE_LIMITED,
    "toomanyrequests": FaultKind.RATE_LIMITED,
    "servicequotaexceeded": FaultKind.RATE_LIMITED,
    "modelnotready": FaultKind.OVERLOADED,
    "serviceunavailable": FaultKind.OVERLOADED,
    "modeltimeout": FaultKind.PROVIDER_TIMEOUT,
    "resourcenotfound": FaultKind.MODEL_NOT_FOUND,
    "modelerror": FaultKind.PROVIDER_ERROR,
    "modelstreamerror": FaultKind.PROVIDER_ERROR,
    "internalserver": FaultKind.PROVIDER_ERROR,
    "internalfailure": FaultKind.PROVIDER_ERROR,
    "accessdenied": FaultKind.PROVIDER_ERROR,
    "unrecognizedclient": FaultKind.PROVIDER_ERROR,
    "expiredtoken": FaultKind.PROVIDER_ERROR,
    "invalidsignature": FaultKind.PROVIDER_ERROR,
    "signaturedoesnotmatch": FaultKind.PROVIDER_ERROR,
    "incompletesignature": FaultKind.PROVIDER_ERROR,
    "invalidclienttokenid": FaultKind.PROVIDER_ERROR,
    "missingauthenticationtoken": FaultKind.PROVIDER_ERROR,
    "requestexpired": FaultKind.PROVIDER_ERROR,
    "notauthorized": FaultKind.PROVIDER_ERROR,
    "optinrequired": FaultKind.PROVIDER_ERROR,
}
"""By the type without `Exception`, in lower case. Whatever concerns the credential is the gateway's own business."""

_VALIDATION: Final = "validation"
_CONTEXT_PHRASES: Final = (
    "too long",
    "context window",
    "context length",
    "context limit",
    "maximum context",
    "maximum number of input tokens",
    "too many input tokens",
    "input tokens exceed",
    "exceeds the maximum number of tokens",
    "max input tokens",
)
_SAFETY_PHRASES: Final = ("content filter", "content policy", "usage policy", "guardrail")
_MODEL_PHRASES: Final = (
    "model identifier is invalid",
    "on-demand throughput",
    "model id is invalid",
    "end of its life",
)
_UNSUPPORTED_PHRASES: Final = ("doesn't support", "does not support", "isn't supported", "not supported")


def bedrock_fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """What an error answer means; never raises."""
    try:
        error = _ERROR.decode(body)
    except _NOT_JSON:
        error = None
    told = headers.get("x-amzn-errortype") or (error.type if error else None) or ""
    if error is None and not told:
        # Not an error document: a proxy's page or a wrong address, so nothing that the caller could mend.
        kind = FaultKind.PROVIDER_ERROR if status in (400, 404, 409, 422) else kind_of_status(status)
    else:
        message = (error.message or error.Message or "") if error else ""
        kind = _kind(_short(told), message.lower(), status)
    param = "model" if kind is FaultKind.MODEL_NOT_FOUND else None
    return provider_fault(kind, status=status, headers=headers, body=body, param=param)


def fault_in_stream(name: str, payload: bytes) -> Fault:
    """What an exception or error message inside a stream means; of its text nothing is kept but its type."""
    try:
        error = _ERROR.decode(payload)
    except _NOT_JSON:
        error = ErrorIn()
    kind = _kind(_short(name), (error.message or error.Message or "").lower(), 500)
    return broken_off(kind, name)


def _short(name: str) -> str:
    """`com.amazon.coral#ValidationException:http://…` is `validation`."""
    return name.partition(":")[0].rpartition("#")[2].strip().lower().removesuffix("exception")


def _kind(name: str, message: str, status: int) -> FaultKind:
    known = _KINDS.get(name)
    if known is not None:
        return known
    if name == _VALIDATION or (not name and status == 400):
        return _kind_of_validation(message)
    if status == 404:
        return FaultKind.MODEL_NOT_FOUND
    return kind_of_status(status)


def _kind_of_validation(message: str) -> FaultKind:
    """Everything that the service or the model finds wrong with a request is one type of error; only its words tell more."""
    if any(phrase in message for phrase in _MODEL_PHRASES):
        return FaultKind.MODEL_NOT_FOUND
    if any(phrase in message for phrase in _CONTEXT_PHRASES):
        return FaultKind.CONTEXT_LENGTH_EXCEEDED
    if any(phrase in message for phrase in _SAFETY_PHRASES):
        return FaultKind.SAFETY_VIOLATION
    if any(phrase in message for phrase in _UNSUPPORTED_PHRASES):
        return FaultKind.UNSUPPORTED_PARAMETER
    return FaultKind.INVALID_REQUEST
