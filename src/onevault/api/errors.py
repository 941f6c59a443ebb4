"""The only place where a status code is chosen, and the headers that go with a fault."""

from __future__ import annotations

import math
from typing import assert_never

import msgspec

from onevault.api.headers import reached_headers
from onevault.core.faults import Fault, FaultKind

Headers = list[tuple[bytes, bytes]]


def status_of(kind: FaultKind) -> int:
    """The HTTP status of a fault."""
    match kind:
        case (
            FaultKind.INVALID_REQUEST
            | FaultKind.UNSUPPORTED_PARAMETER
            | FaultKind.CONTEXT_LENGTH_EXCEEDED
            | FaultKind.SAFETY_VIOLATION
        ):
            return 400
        case FaultKind.UNAUTHENTICATED:
            return 401
        case FaultKind.BUDGET_EXCEEDED:
            return 402
        case FaultKind.FORBIDDEN:
            return 403
        case FaultKind.NOT_FOUND | FaultKind.MODEL_NOT_FOUND:
            return 404
        case FaultKind.CONFLICT:
            return 409
        case FaultKind.PAYLOAD_TOO_LARGE:
            return 413
        case FaultKind.UNPRICED_MODEL:
            return 422
        case FaultKind.RATE_LIMITED | FaultKind.QUOTA_EXCEEDED:
            return 429
        case FaultKind.INTERNAL:
            return 500
        case FaultKind.ALL_PROVIDERS_FAILED | FaultKind.PROVIDER_ERROR:
            return 502
        case FaultKind.OVERLOADED | FaultKind.STORE_UNAVAILABLE:
            return 503
        case FaultKind.PROVIDER_TIMEOUT:
            return 504
    assert_never(kind)


_RETRY_AFTER_DEFAULT_S = {FaultKind.OVERLOADED: 1.0, FaultKind.STORE_UNAVAILABLE: 1.0}


def fault_headers(fault: Fault) -> Headers:
    """`retry-after` (whole seconds, rounded up) and its exact twin in ms; whether a client should try again by itself; how
    often the gateway did; and how the limit stands that refused the call."""
    headers: Headers = [(b"x-gateway-attempts", b"%d" % fault.attempts)] if fault.attempts else []
    wait = fault.retry_after_s if fault.retry_after_s is not None else _RETRY_AFTER_DEFAULT_S.get(fault.kind)
    if wait is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(wait))))
        headers.append((b"retry-after-ms", b"%d" % max(1, math.ceil(wait * 1000))))
    if fault.kind in (FaultKind.QUOTA_EXCEEDED, FaultKind.BUDGET_EXCEEDED):
        headers.append((b"x-should-retry", b"false"))
    if fault.kind is FaultKind.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    headers += reached_headers(fault.reached)
    return headers


def fault_body(fault: Fault) -> bytes:
    """A fault as JSON where no dialect has a say: OpenAI's shape with Anthropic's `type` beside it, so every client reads it."""
    error = {
        "message": fault.message,
        "type": "api_error" if status_of(fault.kind) >= 500 else "invalid_request_error",
        "param": fault.param,
        "code": fault.kind.value,
    }
    return msgspec.json.encode({"type": "error", "error": error})


_GOOGLES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}


def google_fault_body(fault: Fault) -> bytes:
    """A fault in Google's shape (AIP-193), for the reading of models, which no dialect has a say in."""
    status = status_of(fault.kind)
    error = {"code": status, "message": fault.message, "status": _GOOGLES.get(status, "INTERNAL")}
    return msgspec.json.encode({"error": error})


def where(error: BaseException) -> str:
    """The innermost place of an unforeseen error, for the log: a file's name and a line, no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rpartition('onevault/')[2]}:{trace.tb_lineno}"
