"""Anthropic's errors, rate-limit headers and keys.

Written from docs.anthropic.com/en/api/errors and /en/api/rate-limits.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from onevault.simulator.faults import Fault, Refused, invalid
from onevault.simulator.format import Format, bearer_or
from onevault.simulator.headers import REQUESTS, TOKENS, advice, is_limited, left, wait_s, written

_RESET: Final = "2026-01-01T00:00:00Z"
_SUCCESS: Final = b"anthropic-organization-id: simulator\r\n" + b"".join(
    b"anthropic-ratelimit-%b-limit: %d\r\nanthropic-ratelimit-%b-remaining: %d\r\nanthropic-ratelimit-%b-reset: %b\r\n"
    % (name, limit, name, limit - 1, name, _RESET.encode())
    for name, limit in ((b"requests", REQUESTS), (b"tokens", TOKENS))
)
ERROR_EVENT: Final = (
    b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},'
    b'"request_id":"req_simulated"}\n\n'
)


def _error(fault: Fault, request_id: str) -> bytes:
    error: dict[str, object] = {"type": fault.anthropic_type, "message": fault.anthropic_message}
    if fault.anthropic_code:
        error["details"] = {"error_code": fault.anthropic_code}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def _success_headers(served: int) -> bytes:
    return b"request-id: req_%032x\r\n%b" % (served, _SUCCESS)


def _error_headers(fault: Fault, served: int, retry_after_s: float | None) -> bytes:
    lines = [f"request-id: req_{served:032x}", *advice(fault, retry_after_s)]
    if is_limited(fault):
        remaining = left(fault)
        at = datetime.now(UTC) + timedelta(seconds=math.ceil(wait_s(fault, retry_after_s) or 0))
        for name, limit in (("requests", REQUESTS), ("tokens", TOKENS)):
            lines += [
                f"anthropic-ratelimit-{name}-limit: {limit}",
                f"anthropic-ratelimit-{name}-remaining: {remaining[name]}",
                f"anthropic-ratelimit-{name}-reset: {at:%Y-%m-%dT%H:%M:%SZ}",
            ]
    return written(lines)


def _unknown_model(name: str) -> Refused:
    return invalid(f"model: {name}", status=404)


ANTHROPIC: Final = Format(
    name="anthropic",
    error=_error,
    success_headers=_success_headers,
    error_headers=_error_headers,
    unknown_model=_unknown_model,
    missing_key=invalid("x-api-key header is required", status=401).fault,
    key_of=bearer_or(b"x-api-key"),
    prefixes=("/v1/messages",),
)
