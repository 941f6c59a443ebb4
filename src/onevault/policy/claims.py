"""Reads from a token's claims who signs in, or why they do not hold now. The signature has been checked before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Role
from onevault.core.sign_in import ClaimRules, SignedIn

LEEWAY_S: Final = 30.0
"""By how much the issuer's clock and ours may differ."""
TEXT_LENGTH_MAX: Final = 320
_VALUES_MAX: Final = 200


def signed_in(claims: Mapping[str, Any], rules: ClaimRules, *, now_s: float) -> SignedIn:
    """Who the claims name. Raises Fault UNAUTHENTICATED for a token that is too old or not valid yet, or that names no user."""
    expires_s, from_s = _time(claims.get("exp")), _time(claims.get("nbf", 0))
    if expires_s is None or from_s is None:
        raise _refused("This token does not say until when it is valid.")
    if now_s >= expires_s + LEEWAY_S:
        raise _refused("This token has expired.")
    if now_s < from_s - LEEWAY_S:
        raise _refused("This token is not valid yet.")
    user = _text(claims, rules.user_claim)
    if not user:
        raise _refused(f"This token does not say who its user is (claim `{rules.user_claim}`).")
    organization = _text(claims, rules.organization_claim)
    said = _texts(claims, rules.role_claim)
    role, whole_tenant = _mightiest(said, rules)
    return SignedIn(
        issuer=_text(claims, "iss"),
        subject=_text(claims, "sub") or user,
        user=user,
        email=_text(claims, rules.email_claim) if claims.get("email_verified") is not False else "",
        organization=rules.organizations.get(organization, organization) or rules.organization,
        team=_text(claims, rules.team_claim),
        expires_at_ms=int((expires_s + LEEWAY_S) * 1000),
        role=role,
        whole_tenant=whole_tenant,
        creates_users=rules.creates_users,
    )


def _mightiest(said: list[str], rules: ClaimRules) -> tuple[Role | None, bool]:
    """The first in the order of roles, that of the whole tenant before one of the organization."""
    for mapped, whole_tenant in ((rules.roles, True), (rules.organization_roles, False)):
        had = {mapped[value] for value in said if value in mapped}
        for role in Role:
            if role in had:
                return role, whole_tenant
    return None, False


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _text(claims: Mapping[str, Any], name: str) -> str:
    """What a claim says, where it is one short text (of a list with one element: that)."""
    found = _claim(claims, name)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found.strip() if isinstance(found, str) and len(found) <= TEXT_LENGTH_MAX else ""


def _texts(claims: Mapping[str, Any], name: str) -> list[str]:
    """What a claim says, where it is a list or a text with spaces between (as `scope` is)."""
    found = _claim(claims, name)
    if isinstance(found, str):
        return [found, *found.split()][:_VALUES_MAX]
    return [each for each in found[:_VALUES_MAX] if isinstance(each, str)] if isinstance(found, list) else []


def _time(value: object) -> float | None:
    """Seconds since the epoch; None for what is no time."""
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1 << 40
    return float(value) if is_time else None  # type: ignore[arg-type]


def _refused(message: str) -> Fault:
    return Fault(FaultKind.UNAUTHENTICATED, message)
