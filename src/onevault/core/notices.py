"""What happens to limits, stores, providers and keys that somebody may want to be told of: the words for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from onevault.core.identity import ScopeId

DEFAULT_THRESHOLDS: Final = (50, 80, 90, 100)
"""At which per cent of a limit it is told, where nobody says anything else."""
PER_CENT_MAX: Final = 100
THRESHOLDS_MAX: Final = 20


class NoticeKind(StrEnum):
    """What happened. The names are what subscribers and webhooks see."""

    BUDGET_THRESHOLD = "budget.threshold"
    """A scope's use of one of its limits has passed a threshold in this window."""
    BUDGET_REFUSED = "budget.refused"
    """A call was refused because a budget was used up: told once in a window."""
    LEDGER_DEGRADED = "ledger.degraded"
    """The store that counts limits does not answer; the organization's failure mode holds."""
    LEDGER_RESTORED = "ledger.restored"
    """It answers again, and what was allowed meanwhile has been counted."""
    DIRECTORY_DEGRADED = "directory.degraded"
    """The vault does not answer; keys are checked against the last signed snapshot."""
    DIRECTORY_RESTORED = "directory.restored"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    KEY_EXPIRED = "key.expired"
    PROVIDER_KEY_CHANGED = "provider_key.changed"
    WEBHOOK_TEST = "webhook.test"
    """Somebody tries a webhook out; only that one is sent it."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at `at_ns` (wall time). `org_id` None: it concerns the whole tenant.

    Notices of a tenant with the same `once` are one: only the first is kept and delivered, however many processes see it happen.
    `facts` hold no secret and nothing that a caller wrote; money in them is a decimal number of dollars as text.
    """

    kind: NoticeKind
    tenant_id: str
    at_ns: int
    org_id: str | None = None
    scope: ScopeId | None = None
    once: str = ""
    facts: dict[str, str | int] = {}  # msgspec copies mutable defaults
