"""Decides whether a request was signed with the simulator's own AWS credentials (Signature Version 4, in headers).

Written from docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote

from onevault.simulator.faults import Refused, invalid
from onevault.simulator.request import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SKEW: Final = timedelta(minutes=5)
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_SPACES: Final = re.compile(r" +")
_PARTS: Final = ("Credential", "SignedHeaders", "Signature")
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class _Scope:
    """What follows the access key in `Credential`: 20260102/us-east-1/bedrock/aws4_request."""

    date: str
    region: str
    service: str
    ending: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{self.ending}"


def verify(request: Request, credentials: Credentials, *, service: str, now: datetime) -> None:
    """Raises Refused in AWS's words for a signature that is incomplete, late, for another service or not right.

    A session token may be sent; it must be signed like every other `x-amz-` header.
    """
    sent = _authorization(request)
    access_key, _, scope_text = sent["Credential"].partition("/")
    parts = scope_text.split("/")
    if len(parts) != 4 or parts[3] != "aws4_request":
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term."
        )
    scope = _Scope(*parts)
    if scope.service != service:
        raise _refused("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'. ")
    if access_key != credentials.access_key:
        raise _refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    stamp = request.headers.get(b"x-amz-date", b"").decode("latin-1")
    _check_date(stamp, scope, now)
    signed = sent["SignedHeaders"].split(";")
    _check_signed(request, signed)
    to_sign = "\n".join((ALGORITHM, stamp, str(scope), _sha256(canonical(request, signed).encode("latin-1"))))
    key = _key(credentials.secret_key, scope)
    if not hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex().encode(), sent["Signature"].encode()):
        raise _refused("InvalidSignatureException", _MISMATCH)


def canonical(request: Request, signed: list[str]) -> str:
    """The canonical request, in Latin-1: method, path, query, the signed headers, their names, and the hash of the body."""
    lines = [request.method, _path(request.path), _query(request.query)]
    for name in signed:
        values = [value.decode("latin-1") for sent, value in request.listed if sent == name.encode("latin-1")]
        lines.append(f"{name}:{','.join(_SPACES.sub(' ', value.strip()) for value in values)}")
    return "\n".join((*lines, "", ";".join(signed), _sha256(request.body)))


def _refused(kind: str, message: str) -> Refused:
    return invalid(message, code=kind, status=403)


def _incomplete(message: str) -> Refused:
    return invalid(message, code="IncompleteSignatureException", status=403)


def _authorization(request: Request) -> dict[str, str]:
    header = request.headers.get(b"authorization", b"").decode("latin-1")
    pairs = (part.strip().partition("=") for part in header.removeprefix(ALGORITHM).split(","))
    sent = {name: value for name, _, value in pairs}
    for name in _PARTS:
        if not sent.get(name):
            raise _incomplete(f"Authorization header requires '{name}' parameter.")
    if b"x-amz-date" not in request.headers:
        raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    return sent


def _check_date(stamp: str, scope: _Scope, now: datetime) -> None:
    try:
        at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _incomplete("Date must be in ISO-8601 'basic format'.") from None
    if at.strftime("%Y%m%d") != scope.date:
        raise _refused(
            "InvalidSignatureException",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.",
        )
    shown = f"{now:{_STAMP}}"
    if at < now - _SKEW:
        late = f"Signature expired: {stamp} is now earlier than {now - _SKEW:{_STAMP}} ({shown} - 5 min.)"
        raise _refused("InvalidSignatureException", late)
    if at > now + _SKEW:
        early = f"Signature not yet current: {stamp} is still later than {now + _SKEW:{_STAMP}} ({shown} + 5 min.)"
        raise _refused("InvalidSignatureException", early)


def _check_signed(request: Request, signed: list[str]) -> None:
    """The host and every `x-amz-` header must be among the signed ones."""
    needed = ["host", *(name.decode("latin-1") for name in request.headers if name.startswith(b"x-amz-"))]
    missing = [name for name in needed if name not in signed]
    if missing:
        listed = ", ".join(missing)
        raise _refused("InvalidSignatureException", f"'{listed}' must be a 'SignedHeader' in the AWS Authorization.")


def _path(path: str) -> str:
    """Without empty and relative segments, and encoded once more than it was sent, as all services but S3 have it."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    ending = "/" if path.endswith("/") and kept else ""
    return quote("/" + "/".join(kept) + ending, safe="/-_.~", encoding="latin-1")


def _query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    coded = sorted((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in coded)


def _key(secret: str, scope: _Scope) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (scope.date, scope.region, scope.service, scope.ending):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
