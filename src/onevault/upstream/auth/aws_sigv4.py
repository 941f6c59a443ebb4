"""Signs requests for AWS (Signature Version 4).

Source: AWS Identity and Access Management user guide, "Create a signed AWS API request". The path is escaped once more than it is
sent, which AWS demands of every service but S3; S3 is not spoken to.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from onevault.core.ports import Clock
from onevault.core.transport import Origin
from onevault.upstream.endpoint import Header
from onevault.upstream.http1_head import authority

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"
_NS_PER_S: Final = 1_000_000_000


class AwsCredentials(msgspec.Struct, frozen=True):
    """An access key; `session_token` belongs to a temporary one."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"AwsCredentials({self.access_key[:4]}…)"


class AwsScope(msgspec.Struct, frozen=True):
    """What a signature is good for."""

    region: str
    service: str


class AwsRequest(msgspec.Struct, frozen=True):
    """What is signed. `host` with its port where that is not the scheme's own; `path` as it is sent, without the query; header
    values as they are sent, a name that comes twice with both its values."""

    method: str
    host: str
    path: str
    query: str = ""
    headers: tuple[Header, ...] = ()
    body: bytes = b""


def signed_headers(
    request: AwsRequest, credentials: AwsCredentials, scope: AwsScope, *, at: datetime
) -> tuple[Header, ...]:
    """The headers to add to a request: `x-amz-date`, `x-amz-security-token` with a session token, `authorization`.

    `at` is aware of its time zone. What is signed beside these are `host` and the headers of `request`.
    """
    moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added: list[Header] = [("x-amz-date", moment)]
    if credentials.session_token is not None:
        added.append(("x-amz-security-token", credentials.session_token))
    names, lines = _canonical_headers([("host", request.host), *request.headers, *added])
    canonical = "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            _canonical_query(request.query),
            *lines,
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    day = moment[:8]
    credential_scope = f"{day}/{scope.region}/{scope.service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, moment, credential_scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = _signing_key(credentials.secret_key, day, scope.region, scope.service)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"{credentials.access_key}/{credential_scope}"
    added.append(
        ("authorization", f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}")
    )
    return tuple(added)


@lru_cache(maxsize=64)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _canonical_path(path: str) -> str:
    """Dot segments resolved, neighbouring slashes one, everything but slashes escaped once more."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return quote("/" + "/".join(kept) + end, safe="/" + _UNRESERVED)


def _canonical_query(query: str) -> str:
    """Names and values escaped, sorted by name, then by value."""
    pairs = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        pairs.append((quote(unquote(name), safe=_UNRESERVED), quote(unquote(value), safe=_UNRESERVED)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _canonical_headers(headers: Iterable[Header]) -> tuple[str, list[str]]:
    """The names, sorted and joined, and a line for each; runs of spaces are one."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = sorted(values)
    return ";".join(names), [f"{name}:{','.join(values[name])}" for name in names]


class AwsSigner:
    """Implements `Signer`: signs each request to a service in a region with long-lived or temporary keys.

    A Bedrock API key needs no signer: it is a bearer token that stays the same.
    """

    def __init__(self, credentials: AwsCredentials, clock: Clock, *, region: str, service: str = "bedrock") -> None:
        """Raises ValueError without a region, a key or its secret: no signature is good without them."""
        if not (region and credentials.access_key and credentials.secret_key):
            raise ValueError("AWS needs a region, an access key and its secret key")
        self._credentials = credentials
        self._clock = clock
        self._scope = AwsScope(region, service)

    async def headers(self, method: str, origin: Origin, path: str, body: bytes) -> tuple[Header, ...]:
        """What to add to this very request; never waits and never fails."""
        bare, _, query = path.partition("?")
        request = AwsRequest(method, authority(origin), bare, query, body=body)
        at = datetime.fromtimestamp(self._clock.wall_ns() // _NS_PER_S, tz=UTC)
        return signed_headers(request, self._credentials, self._scope, at=at)

    def without_secrets(self, text: str) -> str:
        """AWS quotes what it was to have signed, which names the access key."""
        for secret in (
            self._credentials.secret_key,
            self._credentials.session_token,
            self._credentials.access_key,
        ):
            if secret:
                text = text.replace(secret, "[redacted]")
        return text
