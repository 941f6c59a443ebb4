"""What providers' refusals have in common: which kind a status means, when to try again, what of their text is kept."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from onevault.core.faults import Fault, FaultKind

PROVIDER_TEXT_LENGTH_MAX = 2_048
RETRY_AFTER_S_MAX = 86_400.0

_FIELD_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:\.[A-Za-z0-9_-]{1,64}|\[\d{1,6}\]){0,16}")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

_MESSAGES = {
    FaultKind.INVALID_REQUEST: "The provider refused the request as invalid.",
    FaultKind.UNSUPPORTED_PARAMETER: "The model does not support a parameter of the request.",
    FaultKind.CONTEXT_LENGTH_EXCEEDED: "The request is longer than the model's context.",
    FaultKind.SAFETY_VIOLATION: "The provider's content filter refused the request.",
    FaultKind.MODEL_NOT_FOUND: "The provider does not have this model, or not for this account.",
    FaultKind.PAYLOAD_TOO_LARGE: "The request is larger than the provider accepts.",
    FaultKind.RATE_LIMITED: "The provider's rate limit is reached.",
    FaultKind.OVERLOADED: "The provider is overloaded.",
    FaultKind.PROVIDER_TIMEOUT: "The provider took too long.",
    FaultKind.PROVIDER_ERROR: "The provider failed.",
}


def provider_fault(
    kind: FaultKind,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    param: object = None,
    message: str | None = None,
) -> Fault:
    """A fault in the gateway's own words: `message`, or those of its kind. `param` is kept where it looks like a field's path."""
    return Fault(
        kind,
        message or _MESSAGES[kind],
        param=param if isinstance(param, str) and is_field_path(param) else None,
        retry_after_s=retry_after_s(headers) if headers else None,
        provider_status=status,
        provider_text=body[: PROVIDER_TEXT_LENGTH_MAX * 4].decode(errors="replace")[:PROVIDER_TEXT_LENGTH_MAX],
    )


def broken_off(kind: FaultKind, *names: object, param: object = None) -> Fault:
    """A fault told inside an answer. Of its text only `names` (its type and code) are kept: the rest may quote the answer."""
    kept = [str(name) for name in names if isinstance(name, int) or (isinstance(name, str) and _NAME.fullmatch(name))]
    return provider_fault(kind, body=" ".join(dict.fromkeys(kept)).encode(), param=param)


def malformed(what: str, body: bytes = b"") -> Fault:
    """An answer that is not what the provider should have sent: `malformed("an event that is not JSON")`. Of its bytes only the
    number is told: they may be what the model said."""
    return Fault(
        FaultKind.PROVIDER_ERROR,
        f"The provider sent {what}.",
        provider_text=f"{len(body)} bytes" if body else "",
    )


def cut_short() -> Fault:
    """An answer that ended before its end."""
    return Fault(FaultKind.PROVIDER_ERROR, "The provider's answer ended before it was complete.")


def is_field_path(text: str) -> bool:
    return _FIELD_PATH.fullmatch(text) is not None


def kind_of_status(status: int) -> FaultKind:
    """What a status means where the body says nothing better.

    401 and 403 concern the gateway's credential, never the caller's; a 409 is the provider's own business.
    """
    if status == 429:
        return FaultKind.RATE_LIMITED
    if status in (503, 529):
        return FaultKind.OVERLOADED
    if status in (408, 504, 524):
        return FaultKind.PROVIDER_TIMEOUT
    if status == 413:
        return FaultKind.PAYLOAD_TOO_LARGE
    if status in (400, 404, 422):
        return FaultKind.INVALID_REQUEST
    return FaultKind.PROVIDER_ERROR


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (RFC 9110, 10.2.3). Its other form, a date, is not read: that takes a clock."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        if text is None:
            continue
        try:
            seconds = float(text) / per_second
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return min(seconds, RETRY_AFTER_S_MAX)
    return None
