"""Decides what to do after an attempt failed: try the same target again, go on to the next, or tell the caller."""

from __future__ import annotations

from enum import Enum

import msgspec

from onevault.core.faults import Fault, FaultKind

WAIT_FIRST_S = 0.25
WAIT_MAX_S = 4.0
RETRY_AFTER_MAX_S = 5.0
"""A provider that asks for more patience than this is left for the next target, or its wish is passed on to the caller."""


class Next(Enum):
    SAME_TARGET = "same target"
    NEXT_TARGET = "next target"
    GIVE_UP = "give up"


class Step(msgspec.Struct, frozen=True, gc=False):
    next: Next
    wait_s: float = 0.0


_PASSING = frozenset(
    {FaultKind.PROVIDER_ERROR, FaultKind.PROVIDER_TIMEOUT, FaultKind.OVERLOADED, FaultKind.RATE_LIMITED}
)
"""Faults that may be gone at the next try."""

_ELSEWHERE = frozenset({FaultKind.MODEL_NOT_FOUND, FaultKind.UNSUPPORTED_PARAMETER})
"""Faults of this target for this request: no second try here, but another target may do."""

_MAY_PASS = (408, 409)
"""The statuses of the 400s that are about a moment. A PROVIDER_ERROR with any other of them is about the gateway's own account
(credential, credit, quota) or address: trying again changes nothing."""


def after(fault: Fault, *, tries: int, retries_max: int, chance: float) -> Step:
    """What follows the `tries`-th failed attempt (1, 2, …) at one target. `chance` in [0, 1) is the jitter.

    Waits double from WAIT_FIRST_S to WAIT_MAX_S, each drawn from its upper half, and never undercut a `retry-after`.
    """
    if fault.kind in _ELSEWHERE or refuses_credential(fault):
        return Step(Next.NEXT_TARGET)
    if fault.kind not in _PASSING:
        return Step(Next.GIVE_UP)
    asked = fault.retry_after_s or 0.0
    if tries > retries_max or asked > RETRY_AFTER_MAX_S:
        return Step(Next.NEXT_TARGET)
    wait = min(WAIT_MAX_S, WAIT_FIRST_S * 2 ** (tries - 1)) * (0.5 + chance / 2)
    return Step(Next.SAME_TARGET, max(wait, asked))


def refuses_credential(fault: Fault) -> bool:
    """Whether a provider does not take the account that it was called with, be it the gateway's or a customer's own."""
    status = fault.provider_status
    if fault.kind is not FaultKind.PROVIDER_ERROR or status is None:
        return False
    return 400 <= status < 500 and status not in _MAY_PASS


def told_to_caller(faults: list[Fault], *, targets: int) -> Fault:
    """The one fault that stands for all failed attempts: the meaning they share, or that all providers failed."""
    last = faults[-1]
    if targets <= 1 or len(faults) == 1:
        return last
    if all(fault.kind is last.kind and last.kind in _ELSEWHERE for fault in faults):
        return last
    if all(fault.kind is FaultKind.RATE_LIMITED for fault in faults):
        return min(faults, key=lambda fault: fault.retry_after_s or 0.0)
    waits = [fault.retry_after_s for fault in faults if fault.retry_after_s]
    return Fault(
        FaultKind.ALL_PROVIDERS_FAILED,
        f"All {targets} providers that could serve this call failed; the last one with {last.kind.value}.",
        retry_after_s=min(waits) if waits else None,
        provider_status=last.provider_status,
        provider_text=last.provider_text,
    )
