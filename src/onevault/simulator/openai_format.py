"""OpenAI's errors, rate-limit headers and keys.

Written from platform.openai.com/docs/guides/error-codes and /docs/guides/rate-limits.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onevault.simulator.faults import CATALOGUE, Fault, Refused, invalid
from onevault.simulator.format import Format, bearer_or
from onevault.simulator.headers import REQUESTS, TOKENS, advice, is_limited, left, wait_s, written

_SUCCESS: Final = (
    f"openai-version: 2020-10-01\r\nopenai-organization: simulator\r\nopenai-processing-ms: 1\r\n"
    f"x-ratelimit-limit-requests: {REQUESTS}\r\nx-ratelimit-limit-tokens: {TOKENS}\r\n"
    f"x-ratelimit-remaining-requests: {REQUESTS - 1}\r\nx-ratelimit-remaining-tokens: {TOKENS - 100}\r\n"
    "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 3ms\r\n"
).encode()
_KEY_NEEDED: Final = "You need to provide your API key in an Authorization header using Bearer auth."


def error_of(fault: Fault) -> dict[str, Any]:
    """What stands under `error`."""
    return {
        "message": fault.openai_message,
        "type": fault.openai_type,
        "param": fault.openai_param,
        "code": fault.openai_code,
    }


def error_body(fault: Fault, request_id: str) -> bytes:
    return msgspec.json.encode({"error": error_of(fault)})


ERROR_EVENT: Final = b"data: " + error_body(CATALOGUE["server"], "") + b"\n\n"


def success_headers(served: int) -> bytes:
    return b"x-request-id: req_%032x\r\n%b" % (served, _SUCCESS)


def error_headers(fault: Fault, served: int, retry_after_s: float | None) -> bytes:
    lines = [f"x-request-id: req_{served:032x}", *advice(fault, retry_after_s, milliseconds=True)]
    if is_limited(fault):
        remaining = left(fault)
        for name, limit in (("requests", REQUESTS), ("tokens", TOKENS)):
            reset_s = wait_s(fault, retry_after_s) or 0 if remaining[name] == 0 else 0
            lines += [
                f"x-ratelimit-limit-{name}: {limit}",
                f"x-ratelimit-remaining-{name}: {remaining[name]}",
                f"x-ratelimit-reset-{name}: {_duration(reset_s)}",
            ]
    return written(lines)


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `1.5s`, `6m0s`."""
    if seconds >= 60:
        return f"{int(seconds // 60)}m{seconds % 60:g}s"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:g}ms"


def unknown_model(name: str) -> Refused:
    message = f"The model `{name}` does not exist or you do not have access to it."
    return invalid(message, code="model_not_found", status=404)


OPENAI: Final = Format(
    name="openai",
    error=error_body,
    success_headers=success_headers,
    error_headers=error_headers,
    unknown_model=unknown_model,
    missing_key=invalid(f"You didn't provide an API key. {_KEY_NEEDED}", status=401).fault,
    key_of=bearer_or(b"x-api-key"),
)
