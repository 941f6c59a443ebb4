"""Tells faults from Cohere's error documents: `{"message": …, "id"?: …}`.

Source: Cohere API reference, "Errors".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire.provider_faults import kind_of_status, provider_fault


class ErrorDocument(msgspec.Struct, frozen=True):
    message: str | None = None


_ERROR = msgspec.json.Decoder(ErrorDocument).decode
_TOO_LONG = ("too many tokens", "context length", "maximum context", "total number of tokens", "exceeds the limit of")
_FILTERED = ("blocked output", "blocked input", "request was blocked", "content filter", "safety")


def cohere_fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """What an error answer means; never raises."""
    return provider_fault(_kind(status, _message(body)), status=status, headers=headers, body=body)


def _message(body: bytes) -> str | None:
    try:
        return _ERROR(body).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _kind(status: int, message: str | None) -> FaultKind:
    if message is None and status in (400, 404, 422):
        return FaultKind.PROVIDER_ERROR  # a proxy's page or a wrong address
    said = (message or "").lower()
    if status == 404 and "model" in said:
        return FaultKind.MODEL_NOT_FOUND
    if status in (400, 422) and any(phrase in said for phrase in _TOO_LONG):
        return FaultKind.CONTEXT_LENGTH_EXCEEDED
    if status in (400, 422) and any(phrase in said for phrase in _FILTERED):
        return FaultKind.SAFETY_VIOLATION
    if status == 498:  # "Invalid Token": a blocked account of the gateway's own
        return FaultKind.PROVIDER_ERROR
    if status == 499:
        return FaultKind.PROVIDER_ERROR
    return kind_of_status(status)
