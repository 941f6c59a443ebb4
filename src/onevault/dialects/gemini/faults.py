"""Tells faults from Google's error documents, and writes them for callers of that dialect.

Source: Gemini API, "Troubleshooting"; Google API design, "Errors" (google.rpc.Status with its details).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire.provider_faults import (
    RETRY_AFTER_S_MAX,
    broken_off,
    is_field_path,
    kind_of_status,
    provider_fault,
)

_JSON = msgspec.json.Decoder()

_KIND_BY_STATUS = {
    "UNAUTHENTICATED": FaultKind.PROVIDER_ERROR,
    "PERMISSION_DENIED": FaultKind.PROVIDER_ERROR,
    "FAILED_PRECONDITION": FaultKind.PROVIDER_ERROR,
    "RESOURCE_EXHAUSTED": FaultKind.RATE_LIMITED,
    "UNAVAILABLE": FaultKind.OVERLOADED,
    "DEADLINE_EXCEEDED": FaultKind.PROVIDER_TIMEOUT,
    "INTERNAL": FaultKind.PROVIDER_ERROR,
    "UNKNOWN": FaultKind.PROVIDER_ERROR,
    "UNIMPLEMENTED": FaultKind.PROVIDER_ERROR,
    "CANCELLED": FaultKind.PROVIDER_ERROR,
    "ABORTED": FaultKind.PROVIDER_ERROR,
    "DATA_LOSS": FaultKind.PROVIDER_ERROR,
}
"""Google's words that say more than the status. A failed precondition is the gateway's place or its account's billing."""
_CREDENTIAL_REASONS = ("API_KEY_", "ACCESS_TOKEN_", "CREDENTIALS_", "SERVICE_DISABLED", "BILLING_DISABLED", "CONSUMER_")
_CREDENTIAL_PHRASES = ("api key", "user location is not supported")
_CONTEXT_PHRASES = (
    "exceeds the maximum number of tokens",
    "input token count",
    "maximum context length",
    "token limit",
)
_SAFETY_PHRASES = ("safety", "blocked by", "prohibited content", "responsible ai")
_CALLERS_OWN = frozenset({400, 404, 409, 422})
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_DETAIL = "type.googleapis.com/google.rpc."
_DOMAIN = "gateway"

_WRITTEN: dict[FaultKind, tuple[int, str]] = {
    FaultKind.INVALID_REQUEST: (400, "INVALID_ARGUMENT"),
    FaultKind.UNSUPPORTED_PARAMETER: (400, "INVALID_ARGUMENT"),
    FaultKind.CONTEXT_LENGTH_EXCEEDED: (400, "INVALID_ARGUMENT"),
    FaultKind.SAFETY_VIOLATION: (400, "INVALID_ARGUMENT"),
    FaultKind.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
    FaultKind.BUDGET_EXCEEDED: (402, "FAILED_PRECONDITION"),
    FaultKind.FORBIDDEN: (403, "PERMISSION_DENIED"),
    FaultKind.NOT_FOUND: (404, "NOT_FOUND"),
    FaultKind.MODEL_NOT_FOUND: (404, "NOT_FOUND"),
    FaultKind.CONFLICT: (409, "ABORTED"),
    FaultKind.PAYLOAD_TOO_LARGE: (413, "INVALID_ARGUMENT"),
    FaultKind.UNPRICED_MODEL: (422, "FAILED_PRECONDITION"),
    FaultKind.RATE_LIMITED: (429, "RESOURCE_EXHAUSTED"),
    FaultKind.QUOTA_EXCEEDED: (429, "RESOURCE_EXHAUSTED"),
    FaultKind.INTERNAL: (500, "INTERNAL"),
    FaultKind.ALL_PROVIDERS_FAILED: (502, "UNAVAILABLE"),
    FaultKind.PROVIDER_ERROR: (502, "UNAVAILABLE"),
    FaultKind.OVERLOADED: (503, "UNAVAILABLE"),
    FaultKind.STORE_UNAVAILABLE: (503, "UNAVAILABLE"),
    FaultKind.PROVIDER_TIMEOUT: (504, "DEADLINE_EXCEEDED"),
}
"""The `code` (the answer's own status, said once more) and `status` of each kind."""


def gemini_fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """What an error answer means; never raises."""
    error = _error_in(body)
    if error is None:
        # Not an error document: a proxy's page or a wrong address, so nothing that the caller could mend.
        kind = FaultKind.PROVIDER_ERROR if status in _CALLERS_OWN else kind_of_status(status)
        return provider_fault(kind, status=status, headers=headers, body=body)
    details = _details(error)
    fault = provider_fault(
        _kind(error, details, status), status=status, headers=headers, body=body, param=_param(details)
    )
    if fault.retry_after_s is None:
        fault.retry_after_s = _retry_after_s(details)
    return fault


def fault_in_stream(error: Any) -> Fault:
    """What an error object inside a 200 answer means."""
    fields = error if isinstance(error, dict) else {}
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    details = _details(fields)
    fault = broken_off(_kind(fields, details, status), fields.get("status"), code, param=_param(details))
    fault.retry_after_s = _retry_after_s(details)
    return fault


def _error_in(body: bytes) -> dict[str, Any] | None:
    """The `error` of a document, or of the array of one that a stream not of events answers with."""
    try:
        document = _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(document, list) and document:
        document = document[0]
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else None


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _kind(error: dict[str, Any], details: list[dict[str, Any]], status: int) -> FaultKind:
    if status in (401, 402, 403):
        return FaultKind.PROVIDER_ERROR
    for detail in details:
        reason = detail.get("reason")
        if isinstance(reason, str) and reason.startswith(_CREDENTIAL_REASONS):
            return FaultKind.PROVIDER_ERROR
    word = error.get("status")
    kind = _KIND_BY_STATUS.get(word) if isinstance(word, str) else None
    if kind is not None:
        return kind
    message = str(error.get("message") or "").lower()
    if word == "NOT_FOUND" or status == 404:
        return FaultKind.MODEL_NOT_FOUND if "model" in message else FaultKind.INVALID_REQUEST
    if status in (400, 413, 422):
        for phrases, meant in (
            (_CREDENTIAL_PHRASES, FaultKind.PROVIDER_ERROR),
            (_CONTEXT_PHRASES, FaultKind.CONTEXT_LENGTH_EXCEEDED),
            (_SAFETY_PHRASES, FaultKind.SAFETY_VIOLATION),
        ):
            if any(phrase in message for phrase in phrases):
                return meant
    return kind_of_status(status)


def _param(details: list[dict[str, Any]]) -> str | None:
    for detail in details:
        violations = detail.get("fieldViolations")
        if isinstance(violations, list) and violations and isinstance(violations[0], dict):
            field = violations[0].get("field")
            if isinstance(field, str) and is_field_path(field):
                return field
    return None


def _retry_after_s(details: list[dict[str, Any]]) -> float | None:
    for detail in details:
        delay = detail.get("retryDelay")
        found = _DURATION.fullmatch(delay) if isinstance(delay, str) else None
        if found is not None:
            return min(float(found[1]), RETRY_AFTER_S_MAX)
    return None


def error_document(fault: Fault) -> dict[str, Any]:
    """`{"error": {"code", "message", "status", "details"}}`; the details have the gateway's own code, the field and when to
    try again."""
    code, status = _WRITTEN[fault.kind]
    details: list[dict[str, Any]] = [
        {"@type": _DETAIL + "ErrorInfo", "reason": fault.kind.value, "domain": _DOMAIN},
    ]
    if fault.param is not None:
        violation = {"field": fault.param, "description": fault.message}
        details.append({"@type": _DETAIL + "BadRequest", "fieldViolations": [violation]})
    if fault.retry_after_s is not None:
        details.append(
            {"@type": _DETAIL + "RetryInfo", "retryDelay": f"{math.ceil(fault.retry_after_s * 1000) / 1000:g}s"}
        )
    return {"error": {"code": code, "message": fault.message, "status": status, "details": details}}


def gemini_error_body(fault: Fault) -> bytes:
    return msgspec.json.encode(error_document(fault))


def gemini_error_frame(fault: Fault) -> bytes:
    """The event after which a stream ends, without a `finishReason`, so that no client takes it for complete."""
    return b"data: " + gemini_error_body(fault) + b"\r\n\r\n"
