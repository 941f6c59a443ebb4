"""Tells faults from Anthropic's error documents, and writes them for callers of that dialect.

Source: Anthropic API documentation, "Errors".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire.provider_faults import broken_off, kind_of_status, provider_fault


class DetailsIn(msgspec.Struct, frozen=True):
    error_code: str = ""


class ErrorIn(msgspec.Struct, frozen=True):
    type: str = ""
    message: str = ""
    details: DetailsIn | None = None


class ErrorDocument(msgspec.Struct, frozen=True):
    error: ErrorIn


_ERROR = msgspec.json.Decoder(ErrorDocument)

_STATUS_BY_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPE_BY_KIND = {
    FaultKind.UNAUTHENTICATED: "authentication_error",
    FaultKind.BUDGET_EXCEEDED: "billing_error",
    FaultKind.FORBIDDEN: "permission_error",
    FaultKind.NOT_FOUND: "not_found_error",
    FaultKind.MODEL_NOT_FOUND: "not_found_error",
    FaultKind.PAYLOAD_TOO_LARGE: "request_too_large",
    FaultKind.RATE_LIMITED: "rate_limit_error",
    FaultKind.QUOTA_EXCEEDED: "rate_limit_error",
    FaultKind.INTERNAL: "api_error",
    FaultKind.ALL_PROVIDERS_FAILED: "api_error",
    FaultKind.PROVIDER_ERROR: "api_error",
    FaultKind.PROVIDER_TIMEOUT: "timeout_error",
    FaultKind.OVERLOADED: "overloaded_error",
    FaultKind.STORE_UNAVAILABLE: "overloaded_error",
}
"""Kinds that are not here are the caller's own: `invalid_request_error`."""

THREAD_UNSUPPORTED = "thread_unsupported_request"
_THREAD_FAULTS = {
    THREAD_UNSUPPORTED: (FaultKind.UNSUPPORTED_PARAMETER, "The provider cannot hold this conversation."),
    "thread_not_found": (FaultKind.NOT_FOUND, "The provider does not hold this conversation."),
    "thread_already_continued": (FaultKind.CONFLICT, "This conversation was continued already."),
    "thread_continue_in_flight": (FaultKind.CONFLICT, "This conversation is being continued."),
}
"""By Anthropic's codes, after each of which its SDK sends the whole conversation by itself."""

_CONTEXT_PHRASES = ("prompt is too long", "exceed context limit", "context window", "maximum context")
_ACCOUNT_PHRASES = ("credit balance", "spend limit", "usage limits")
_SAFETY_PHRASES = ("content filtering policy", "usage policy")
_LEADING_PATH = re.compile(r"(?P<path>[a-z_]+(?:\.[A-Za-z0-9_-]+)*): ")
_FIELDS = frozenset(
    (
        *("messages", "model", "max_tokens", "system", "tools", "tool_choice", "thinking", "output_config", "stream"),
        *("output_format", "metadata", "stop_sequences", "temperature", "top_p", "top_k", "service_tier"),
        *("cache_control", "container", "mcp_servers"),
    )
)


def anthropic_fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """What an error answer means; never raises."""
    try:
        error = _ERROR.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Not an error document: a proxy's page or a wrong address, so nothing that the caller could mend.
        kind = FaultKind.PROVIDER_ERROR if status in (400, 404, 409, 422) else kind_of_status(status)
        return provider_fault(kind, status=status, headers=headers, body=body)
    code = error.details.error_code if error.details is not None else ""
    if code in _THREAD_FAULTS:
        kind, message = _THREAD_FAULTS[code]
        fault = provider_fault(kind, status=status, headers=headers, body=body, param="thread", message=message)
        fault.sdk_code = code
        return fault
    kind = _kind(error, status)
    return provider_fault(kind, status=status, headers=headers, body=body, param=_param(error, kind))


def fault_in_stream(frame: bytes) -> Fault:
    """What an `error` event inside a 200 answer means."""
    try:
        error = _ERROR.decode(frame).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return broken_off(FaultKind.PROVIDER_ERROR)
    return broken_off(_kind(error, _STATUS_BY_TYPE.get(error.type, 500)), error.type)


def _kind(error: ErrorIn, status: int) -> FaultKind:
    message = error.message.lower()
    if status in (401, 402, 403) or any(phrase in message for phrase in _ACCOUNT_PHRASES):
        return FaultKind.PROVIDER_ERROR
    if status in (400, 413, 422):
        if any(phrase in message for phrase in _CONTEXT_PHRASES):
            return FaultKind.CONTEXT_LENGTH_EXCEEDED
        if any(phrase in message for phrase in _SAFETY_PHRASES):
            return FaultKind.SAFETY_VIOLATION
    if status == 404 and message.startswith("model"):
        return FaultKind.MODEL_NOT_FOUND
    if error.type == "overloaded_error":
        return FaultKind.OVERLOADED
    return kind_of_status(status)


def _param(error: ErrorIn, kind: FaultKind) -> str | None:
    """Anthropic begins the message with the path of the field: `messages.0.content.1: …`."""
    if kind is FaultKind.MODEL_NOT_FOUND:
        return "model"
    found = _LEADING_PATH.match(error.message)
    if found is None or found["path"].partition(".")[0] not in _FIELDS:
        return None
    return found["path"]


def anthropic_type(kind: FaultKind) -> str:
    """How Anthropic calls such an error."""
    return _TYPE_BY_KIND.get(kind, "invalid_request_error")


def anthropic_error_body(fault: Fault, *, request_id: str) -> bytes:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`. The message begins with the field at fault, as Anthropic's.
    With `details: {"error_code"}` where its SDK goes on by it."""
    message = fault.message
    if fault.param and not message.startswith(fault.param):
        message = f"{fault.param}: {message}"
    error: dict[str, object] = {"type": anthropic_type(fault.kind), "message": message}
    if fault.sdk_code:
        error["details"] = {"error_code": fault.sdk_code, "unsupported": ["thread"]}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def anthropic_error_frame(fault: Fault, *, request_id: str) -> bytes:
    """The event after which a stream ends, without `message_stop`, so that no client takes it for complete."""
    return b"event: error\ndata: " + anthropic_error_body(fault, request_id=request_id) + b"\n\n"
