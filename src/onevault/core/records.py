"""What is written down about a call: its hold before the bytes go out, its settlement before the caller sees the end.

Both records stand alone, so the journal can be read from anywhere: a settlement carries all that the vault keeps, a hold carries
enough to be settled at the worst case when its process died.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from onevault.core.identity import ScopeId
from onevault.core.money import Nanos
from onevault.core.usage import NO_USAGE, Usage, UsageSource


class Outcome(StrEnum):
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"


class Caller(msgspec.Struct, frozen=True, array_like=True):
    tenant_id: str
    org_id: str
    user_id: str
    key_id: str


class Held(msgspec.Struct, frozen=True, array_like=True, tag="held"):
    """Money and tokens reserved for a call. `at_ns` is wall time since the epoch, and names the windows (in `time_zone`)
    in which the call counts, whenever it ends."""

    call_id: str
    at_ns: int
    caller: Caller
    scopes: tuple[ScopeId, ...]
    time_zone: str
    amount: Nanos
    tokens: int
    request_type: str
    model_asked: str
    provider: str
    model: str
    price_version: str
    provider_key: str = ""
    """The customer's own provider key that the call is made with; "": the gateway's."""
    grace: bool = False
    """Granted by the process alone, while the shared ledger did not answer; to be counted there once it does."""


class AttemptRecord(msgspec.Struct, frozen=True, array_like=True):
    """One try at one provider. `fault` is a FaultKind, or "" where it answered; `provider_text` is redacted and bounded."""

    provider: str
    deployment: str
    model: str
    started_ns: int
    latency_ms: int
    first_event_ms: int | None
    status: int | None
    fault: str = ""
    provider_text: str = ""


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="settled"):
    """How a call ended and what it cost. `held` is False where it was refused before anything was held.

    Where the call was held, `started_ns` is the hold's `at_ns`: a settlement that stands alone counts in the same windows.
    """

    call_id: str
    at_ns: int
    started_ns: int
    caller: Caller
    scopes: tuple[ScopeId, ...]
    time_zone: str
    held: bool
    amount_held: Nanos
    cost: Nanos
    tokens_held: int = 0
    usage: Usage = NO_USAGE
    usage_source: UsageSource = UsageSource.PROVIDER
    outcome: Outcome = Outcome.SUCCESS
    fault: str = ""
    fault_message: str = ""
    request_type: str = ""
    dialect: str = ""
    stream: bool = False
    model_asked: str = ""
    provider: str = ""
    model: str = ""
    price_version: str = ""
    route_reason: str = ""
    latency_ms: int = 0
    attempts: tuple[AttemptRecord, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    request_ip: str = ""
    user_agent: str = ""
    end_user: str = ""
    metadata: dict[str, str] = {}  # msgspec copies mutable defaults
    provider_key: str = ""
    """The customer's own provider key that the call was made with: its provider's cost is the customer's own."""
    grace: bool = False
    """As of its hold."""


class QuotaReset(msgspec.Struct, frozen=True, array_like=True, tag="reset"):
    """An admin set a scope's usage of the running day and month back to nothing (holds in flight stay held)."""

    reset_id: str
    at_ns: int
    scope: ScopeId
    time_zone: str


Record = Held | Settled | QuotaReset
