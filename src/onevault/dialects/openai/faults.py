"""Tells faults from OpenAI's error documents, and writes them for callers of that dialect.

Source: OpenAI API reference, "Error codes"; the shapes of Azure, OpenRouter, Mistral, vLLM and Ollama beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire.provider_faults import broken_off, kind_of_status, provider_fault

_JSON = msgspec.json.Decoder()

_KIND_BY_CODE = {
    "insufficient_quota": FaultKind.PROVIDER_ERROR,
    "billing_hard_limit_reached": FaultKind.PROVIDER_ERROR,
    "billing_not_active": FaultKind.PROVIDER_ERROR,
    "account_deactivated": FaultKind.PROVIDER_ERROR,
    "invalid_api_key": FaultKind.PROVIDER_ERROR,
    "unsupported_country_region_territory": FaultKind.PROVIDER_ERROR,
    "context_length_exceeded": FaultKind.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": FaultKind.SAFETY_VIOLATION,
    "content_policy_violation": FaultKind.SAFETY_VIOLATION,
    "responsibleaipolicyviolation": FaultKind.SAFETY_VIOLATION,
    "moderation_blocked": FaultKind.SAFETY_VIOLATION,
    "invalid_prompt": FaultKind.SAFETY_VIOLATION,
    "image_content_policy_violation": FaultKind.SAFETY_VIOLATION,
    "bio_policy": FaultKind.SAFETY_VIOLATION,
    "misalignment_policy_violation": FaultKind.SAFETY_VIOLATION,
    "invalid_image": FaultKind.INVALID_REQUEST,
    "invalid_image_format": FaultKind.INVALID_REQUEST,
    "invalid_base64_image": FaultKind.INVALID_REQUEST,
    "invalid_image_url": FaultKind.INVALID_REQUEST,
    "image_too_large": FaultKind.INVALID_REQUEST,
    "image_too_small": FaultKind.INVALID_REQUEST,
    "image_parse_error": FaultKind.INVALID_REQUEST,
    "invalid_image_mode": FaultKind.INVALID_REQUEST,
    "image_file_too_large": FaultKind.INVALID_REQUEST,
    "unsupported_image_media_type": FaultKind.INVALID_REQUEST,
    "empty_image_file": FaultKind.INVALID_REQUEST,
    "failed_to_download_image": FaultKind.INVALID_REQUEST,
    "image_file_not_found": FaultKind.INVALID_REQUEST,
    "model_not_found": FaultKind.MODEL_NOT_FOUND,
    "deploymentnotfound": FaultKind.MODEL_NOT_FOUND,
    "unsupported_parameter": FaultKind.UNSUPPORTED_PARAMETER,
    "rate_limit_exceeded": FaultKind.RATE_LIMITED,
    "rate_limit_error": FaultKind.RATE_LIMITED,
    "overloaded": FaultKind.OVERLOADED,
    "overloaded_error": FaultKind.OVERLOADED,
    "server_overloaded": FaultKind.OVERLOADED,
    "timeout": FaultKind.PROVIDER_TIMEOUT,
}
"""Words that say more than the status. `server_error` does not: OpenAI writes it beside 408, 503 and 504, too."""
_CONTEXT_PHRASES = (
    "maximum context length",
    "context window",
    "context length",
    "prompt is too long",
    "reduce the length of the messages",
)
_CALLERS_OWN = frozenset({400, 404, 409, 413, 422})
_TYPES = {
    FaultKind.UNAUTHENTICATED: "authentication_error",
    FaultKind.BUDGET_EXCEEDED: "insufficient_quota",
    FaultKind.QUOTA_EXCEEDED: "insufficient_quota",
    FaultKind.FORBIDDEN: "permission_error",
    FaultKind.NOT_FOUND: "not_found_error",
    FaultKind.RATE_LIMITED: "rate_limit_error",
    FaultKind.INTERNAL: "server_error",
    FaultKind.ALL_PROVIDERS_FAILED: "server_error",
    FaultKind.PROVIDER_ERROR: "server_error",
    FaultKind.OVERLOADED: "server_error",
    FaultKind.STORE_UNAVAILABLE: "server_error",
    FaultKind.PROVIDER_TIMEOUT: "server_error",
}
"""Kinds that are not here are the caller's own: `invalid_request_error`."""


def openai_fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """What an error answer means; never raises."""
    try:
        document = _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    error = _error_in(document)
    if error is None:
        # Not an error document: a proxy's page or a wrong address, so nothing that the caller could mend.
        kind = FaultKind.PROVIDER_ERROR if status in _CALLERS_OWN - {413} else kind_of_status(status)
        return provider_fault(kind, status=status, headers=headers, body=body)
    return provider_fault(
        _kind(error, status),
        status=status,
        headers=headers,
        body=body,
        param=error.get("param"),
    )


def fault_in_stream(error: Any) -> Fault:
    """What an error object inside a 200 answer means."""
    fields = error if isinstance(error, dict) else {"message": error}
    status = 400 if fields.get("type") == "invalid_request_error" else 500
    for named in (fields.get("code"), fields.get("status_code")):
        if isinstance(named, int) and 400 <= named < 600:
            status = named
    return broken_off(_kind(fields, status), fields.get("type"), fields.get("code"), param=fields.get("param"))


def _error_in(document: Any) -> dict[str, Any] | None:
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {"message": error}
    if "message" in document or "detail" in document:
        return document
    return None


def _kind(error: dict[str, Any], status: int) -> FaultKind:
    if status in (401, 402, 403):
        return FaultKind.PROVIDER_ERROR
    inner = error.get("innererror")
    words = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
    for word in words:
        kind = _KIND_BY_CODE.get(word.lower()) if isinstance(word, str) else None
        if kind is not None:
            return kind
    message = str(error.get("message") or error.get("detail") or "").lower()
    if status in (400, 413, 422) and any(phrase in message for phrase in _CONTEXT_PHRASES):
        return FaultKind.CONTEXT_LENGTH_EXCEEDED
    if status == 404 and "model" in message:
        return FaultKind.MODEL_NOT_FOUND
    return kind_of_status(status)


def openai_type(kind: FaultKind) -> str:
    """How OpenAI calls such an error."""
    return _TYPES.get(kind, "invalid_request_error")


def openai_error_body(fault: Fault, *, request_id: str) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`; the code is the gateway's own."""
    return msgspec.json.encode(
        {
            "error": {
                "message": fault.message,
                "type": openai_type(fault.kind),
                "param": fault.param,
                "code": fault.kind.value,
            }
        }
    )


def openai_error_frame(fault: Fault, *, request_id: str) -> bytes:
    """The event after which a stream ends, without `[DONE]`, so that no client takes it for complete."""
    return b"data: " + openai_error_body(fault, request_id=request_id) + b"\n\n"
