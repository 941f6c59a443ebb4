"""Google's token endpoint: gives an access token for a service account's assertion, and knows its own again.

Written from developers.google.com/identity/protocols/oauth2/service-account and RFC 7523.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from onevault.simulator.faults import Fault, Refused, invalid
from onevault.simulator.format import Format, bearer_or
from onevault.simulator.gemini_format import JSON_UTF8
from onevault.simulator.reply import Reply
from onevault.simulator.tokens import Ring
from onevault.simulator.turn import Route, Turn

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_LIFE_S: Final = 3599
_ASSERTION_LIFE_MAX_S: Final = 3600
_SKEW_S: Final = 300
_PREFIX: Final = "ya29.simulated."
_NAMES: Final = {
    400: "invalid_grant",
    401: "invalid_client",
    403: "access_denied",
    404: "invalid_request",
    405: "invalid_request",
    429: "rate_limit_exceeded",
    503: "temporarily_unavailable",
}
_REASONABLE: Final = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


def _error(fault: Fault, request_id: str) -> bytes:
    """`{"error", "error_description"}`; a refusal of this endpoint's own brings the name of its error as `code`."""
    name = fault.openai_code if fault.openai_code and not fault.name else _NAMES.get(fault.status, "internal_failure")
    return msgspec.json.encode({"error": name, "error_description": fault.message})


def _no_model(name: str) -> Refused:
    return invalid(f"Unknown: {name}", status=404)


OAUTH: Final = Format(
    name="google-oauth",
    error=_error,
    success_headers=lambda served: b"cache-control: no-cache, no-store, max-age=0, must-revalidate\r\n",
    error_headers=lambda fault, served, retry_after_s: b"cache-control: no-store\r\n",
    unknown_model=_no_model,
    missing_key=None,
    key_of=bearer_or(),
    prefixes=("/token",),
)


def grant(turn: Turn) -> Reply:
    """An access token for a well-formed assertion; its signature is not looked at."""
    turn.enter("", known=True)
    form = parse_qs(turn.request.body.decode("latin-1"))
    kind = form.get("grant_type", [""])[-1]
    if kind != GRANT:
        raise _refused("unsupported_grant_type", f"Invalid grant_type: {kind}")
    now_s = time.time()
    claims = _claims(form.get("assertion", [""])[-1])
    _check(claims, now_s)
    token = new_token(turn.state.ring, int(now_s) + TOKEN_LIFE_S, str(claims["iss"]))
    answer = {"access_token": token, "expires_in": TOKEN_LIFE_S, "token_type": "Bearer"}
    return Reply(200, msgspec.json.encode(answer), content_type=JSON_UTF8)


def _refused(name: str, description: str) -> Refused:
    return invalid(description, code=name)


def _decoded(part: str) -> Any:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _claims(assertion: str) -> dict[str, Any]:
    parts = assertion.split(".")
    header = _decoded(parts[0]) if len(parts) == 3 else None
    claims = _decoded(parts[1]) if len(parts) == 3 else None
    if not isinstance(header, dict) or not isinstance(claims, dict) or not parts[2]:
        raise _refused("invalid_grant", "Bad Request")
    if header.get("alg") != "RS256":
        raise _refused("invalid_grant", "Invalid JWT: Unsupported algorithm, RS256 is needed.")
    return claims


def _check(claims: dict[str, Any], now_s: float) -> None:
    issued_s, ends_s = claims.get("iat"), claims.get("exp")
    if not isinstance(claims.get("iss"), str) or "@" not in claims["iss"]:
        raise _refused("invalid_grant", "Invalid grant: account not found")
    if not isinstance(claims.get("aud"), str) or not claims["aud"].endswith("/token"):
        raise _refused("invalid_grant", "Invalid JWT: Failed audience check. The right audience is the token endpoint.")
    if not isinstance(issued_s, int | float) or not isinstance(ends_s, int | float):
        raise _refused("invalid_grant", _REASONABLE)
    if issued_s > now_s + _SKEW_S or ends_s < now_s or not 0 < ends_s - issued_s <= _ASSERTION_LIFE_MAX_S:
        raise _refused("invalid_grant", _REASONABLE)
    scopes = claims.get("scope")
    if not isinstance(scopes, str) or not all(
        one.startswith("https://www.googleapis.com/auth/") for one in scopes.split() or [""]
    ):
        raise _refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")


def new_token(ring: Ring, ends_s: int, issuer: str) -> str:
    """Carries its own proof, so that nothing has to be kept."""
    name = base64.urlsafe_b64encode(issuer.encode()).decode().rstrip("=")
    written = f"{ends_s}.{name}"
    return f"{_PREFIX}{written}.{ring.digest(written.encode())}"


def is_given_out(token: str, ring: Ring, now_s: float) -> bool:
    """Whether this simulator's seed gave out the token, and it has not run out."""
    written, _, proof = token.removeprefix(_PREFIX).rpartition(".")
    ends = written.partition(".")[0]
    if not token.startswith(_PREFIX) or not ends.isdecimal() or not token.isascii():
        return False
    return hmac.compare_digest(proof, ring.digest(written.encode())) and int(ends) >= now_s


ROUTES: Final = (Route("POST", "/token", grant, OAUTH),)
