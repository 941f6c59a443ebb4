"""Decides what webhooks are sent, how it is signed (the Standard Webhooks specification), and when it is tried again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from onevault.core.delivery import Kept

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # how every library for such signatures knows a secret
RETRY_FACTOR: Final = 4
RETRY_S_MAX: Final = 8 * 3600.0
SPREAD: Final = 0.2
"""By how much a wait differs at most, so that what failed together is not tried together."""


def event_document(kept: Kept) -> dict[str, Any]:
    """A notice as subscribers read it, wherever they do."""
    notice = kept.notice
    return {
        "id": kept.notice_id,
        "type": notice.kind.value,
        "timestamp": _time_text(notice.at_ns),
        "data": {"tenant_id": notice.tenant_id, "org_id": notice.org_id, "scope": notice.scope, **notice.facts},
    }


def _time_text(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000_000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def secret_text(secret: bytes) -> str:
    """A secret as its receiver is given it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signed_headers(secrets: Iterable[bytes], *, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers by which the receiver knows that the body is ours and new: one signature by each secret."""
    signed = f"{message_id}.{at_s}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def retry_after_s(attempts: int, *, first_s: float, chance: float) -> float:
    """How long to wait after so many tries that failed: four times as long each time, up to eight hours, and by chance (0 to 1)
    up to a fifth more or less."""
    wait_s = min(RETRY_S_MAX, first_s * float(RETRY_FACTOR ** min(attempts - 1, 30)))
    return wait_s * (1 + SPREAD * (2 * chance - 1))
