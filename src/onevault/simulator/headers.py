"""Which limits every format's headers tell, and when an error says to come back."""

from __future__ import annotations

import math
from typing import Final

from onevault.simulator.faults import Fault

REQUESTS: Final = 10_000
TOKENS: Final = 2_000_000


def is_limited(fault: Fault) -> bool:
    """A rate limit, which passes; a quota does not."""
    return fault.status == 429 and fault.should_retry is not False


def wait_s(fault: Fault, retry_after_s: float | None) -> float | None:
    """When to come back: what was asked for, or 1 s after a rate limit."""
    return 1.0 if retry_after_s is None and is_limited(fault) else retry_after_s


def left(fault: Fault) -> dict[str, int]:
    """How many requests and tokens a rate limit leaves."""
    by_tokens = fault.openai_type == "tokens"
    return {"requests": REQUESTS - 1 if by_tokens else 0, "tokens": 0 if by_tokens else TOKENS - 100}


def advice(fault: Fault, retry_after_s: float | None, *, milliseconds: bool = False) -> list[str]:
    """`retry-after` in whole seconds, `retry-after-ms` beside it where asked for, and `x-should-retry` where the fault has it."""
    lines = []
    after_s = wait_s(fault, retry_after_s)
    if after_s is not None:
        lines.append(f"retry-after: {math.ceil(after_s)}")
        if milliseconds and after_s != int(after_s):
            lines.append(f"retry-after-ms: {after_s * 1000:g}")
    if fault.should_retry is not None:
        lines.append(f"x-should-retry: {str(fault.should_retry).lower()}")
    return lines


def written(lines: list[str]) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode()
