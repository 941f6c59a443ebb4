"""Tells faults from Ollama's error documents: `{"error": "…"}`.

Source: Ollama's documentation, "Errors".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire.provider_faults import kind_of_status, provider_fault


class ErrorDocument(msgspec.Struct, frozen=True):
    error: str | None = None


_ERROR = msgspec.json.Decoder(ErrorDocument).decode
_TOO_LONG = ("context length", "exceeds the available context", "input length exceeds", "prompt is too long")
_CANNOT = ("does not support", "not supported")


def ollama_fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """What an error answer means; never raises."""
    try:
        said = _ERROR(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    return provider_fault(_kind(status, said), status=status, headers=headers, body=body)


def _kind(status: int, said: str | None) -> FaultKind:
    if said is None and status in (400, 404, 422):
        return FaultKind.PROVIDER_ERROR  # a proxy's page or a wrong address
    text = (said or "").lower()
    if status == 404 and "model" in text:
        return FaultKind.MODEL_NOT_FOUND
    if any(phrase in text for phrase in _TOO_LONG):
        return FaultKind.CONTEXT_LENGTH_EXCEEDED
    if status == 400 and any(phrase in text for phrase in _CANNOT):
        return FaultKind.UNSUPPORTED_PARAMETER
    return kind_of_status(status)
