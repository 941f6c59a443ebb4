"""The one taxonomy of faults: what went wrong, in words that are safe to show to the caller."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from onevault.core.events import Event
from onevault.core.identity import Limit


class FaultKind(StrEnum):
    """The code that a caller sees. The status it becomes is chosen in `api/errors.py` alone."""

    INVALID_REQUEST = "INVALID_REQUEST"
    UNSUPPORTED_PARAMETER = "UNSUPPORTED_PARAMETER"
    CONTEXT_LENGTH_EXCEEDED = "CONTEXT_LENGTH_EXCEEDED"
    SAFETY_VIOLATION = "SAFETY_VIOLATION"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    CONFLICT = "CONFLICT"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNPRICED_MODEL = "UNPRICED_MODEL"
    RATE_LIMITED = "RATE_LIMITED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    INTERNAL = "INTERNAL"
    ALL_PROVIDERS_FAILED = "ALL_PROVIDERS_FAILED"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    OVERLOADED = "OVERLOADED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    PROVIDER_TIMEOUT = "PROVIDER_TIMEOUT"


class LimitReached(msgspec.Struct, frozen=True):
    """The limit that refused a call, and where its caller stands in it: what is left, neither used nor spoken for; of money what was
    spent; and when more of it is free (None: never, or the call alone is above it)."""

    limit: Limit
    left: int = 0
    spent: int = 0
    reset_s: float | None = None


class Fault(Exception):
    """A call that cannot go on.

    `message` is written by the gateway and safe to show: it names no secret and quotes neither prompt nor provider.
    `param` is the path of the field at fault (`messages[2].content`). `retry_after_s` is when trying again makes sense.
    `provider_status` and `provider_text` are what a provider said; the text is redacted before it is kept and is shown only
    in the request's own record.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        provider_status: int | None = None,
        provider_text: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.provider_status = provider_status
        self.provider_text = provider_text
        self.attempts = 0
        """How many attempts were made at providers before this was told to the caller."""
        self.money_left: int | None = None
        """Of a refused hold of money: the nanos that all its limits together afforded at that moment. Never shown to anybody."""
        self.limit: Limit | None = None
        """Of a call refused for want of money, tokens, or requests of its day or month: the limit that is used up. Never shown either."""
        self.reached: LimitReached | None = None
        """Of a call that a limit refused, and which is the caller's business: for the headers."""
        self.sdk_code = ""
        """The word by which the SDK of the caller's dialect knows how to go on by itself; one that the dialect lists, never free text."""
        self.read_before: list[Event] = []
        """Of an answer that breaks: the events of the same bytes that came before the break and are still to be delivered."""

    def __repr__(self) -> str:
        return f"Fault({self.kind.value}, {self.message!r}, param={self.param!r})"
