"""The headers that each provider sends beside its answers: request ids, rate limits, retry advice."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from onevault.simulator.faults import Dialect, Fault

_REQUESTS: Final = 10_000
_TOKENS: Final = 2_000_000
_RESET: Final = "2026-01-01T00:00:00Z"
_OPENAI: Final = (
    f"openai-version: 2020-10-01\r\nopenai-organization: simulator\r\nopenai-processing-ms: 1\r\n"
    f"x-ratelimit-limit-requests: {_REQUESTS}\r\nx-ratelimit-limit-tokens: {_TOKENS}\r\n"
    f"x-ratelimit-remaining-requests: {_REQUESTS - 1}\r\nx-ratelimit-remaining-tokens: {_TOKENS - 100}\r\n"
    "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 3ms\r\n"
).encode()
_ANTHROPIC: Final = b"anthropic-organization-id: simulator\r\n" + b"".join(
    b"anthropic-ratelimit-%b-limit: %d\r\nanthropic-ratelimit-%b-remaining: %d\r\nanthropic-ratelimit-%b-reset: %b\r\n"
    % (name, limit, name, limit - 1, name, _RESET.encode())
    for name, limit in ((b"requests", _REQUESTS), (b"tokens", _TOKENS))
)


def success_headers(dialect: Dialect, served: int) -> bytes:
    if dialect == "openai":
        return b"x-request-id: req_%032x\r\n%b" % (served, _OPENAI)
    return b"request-id: req_%032x\r\n%b" % (served, _ANTHROPIC)


def error_headers(fault: Fault, dialect: Dialect, served: int, *, retry_after_s: float | None) -> bytes:
    """A rate limit says so in the provider's own headers, and when to come back; 1 s if nothing else is asked for."""
    lines = [f"x-request-id: req_{served:032x}" if dialect == "openai" else f"request-id: req_{served:032x}"]
    limited = fault.status == 429 and fault.should_retry is not False
    if retry_after_s is None and limited:
        retry_after_s = 1.0
    if retry_after_s is not None:
        lines.append(f"retry-after: {math.ceil(retry_after_s)}")
        if dialect == "openai" and retry_after_s != int(retry_after_s):
            lines.append(f"retry-after-ms: {retry_after_s * 1000:g}")
    if fault.should_retry is not None:
        lines.append(f"x-should-retry: {str(fault.should_retry).lower()}")
    if limited and retry_after_s is not None:
        lines += _exhausted(fault, dialect, retry_after_s)
    return "".join(line + "\r\n" for line in lines).encode()


def _exhausted(fault: Fault, dialect: Dialect, reset_s: float) -> list[str]:
    by_tokens = fault.openai_type == "tokens"
    left = {"requests": _REQUESTS - 1 if by_tokens else 0, "tokens": 0 if by_tokens else _TOKENS - 100}
    lines = []
    at = (datetime.now(UTC) + timedelta(seconds=math.ceil(reset_s))).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, limit in (("requests", _REQUESTS), ("tokens", _TOKENS)):
        if dialect == "openai":
            after = reset_s if left[name] == 0 else 0
            lines += [
                f"x-ratelimit-limit-{name}: {limit}",
                f"x-ratelimit-remaining-{name}: {left[name]}",
                f"x-ratelimit-reset-{name}: {_duration(after)}",
            ]
        else:
            lines += [
                f"anthropic-ratelimit-{name}-limit: {limit}",
                f"anthropic-ratelimit-{name}-remaining: {left[name]}",
                f"anthropic-ratelimit-{name}-reset: {at}",
            ]
    return lines


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `1.5s`, `6m0s`."""
    if seconds >= 60:
        return f"{int(seconds // 60)}m{seconds % 60:g}s"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:g}ms"
