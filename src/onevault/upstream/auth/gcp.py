"""Fetches the token that a Google service account acts with, and keeps it until shortly before it runs out.

Source: developers.google.com/identity/protocols/oauth2/service-account ("Preparing to make an authorized API call"), RFC 7523.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import urlencode, urlsplit

import jwt
import msgspec

from onevault.config.schema import ServiceAccount
from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock
from onevault.core.transport import HttpRequest, Origin, Transport, TransportError
from onevault.upstream.endpoint import Header

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_S: Final = 3600
"""For how long Google is asked to let a token live; its answer says how long it does."""
SPARE_S: Final = 60.0
"""How long before its end a token is replaced: no call shall arrive with one that has just run out."""
CONNECT_S: Final = 5.0
TOTAL_S: Final = 15.0
ANSWER_BYTES_MAX: Final = 64 << 10
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
_WORD: Final = re.compile(r"[a-z_]{1,64}")
_PORTS: Final = {"http": 80, "https": 443}


class _Token(msgspec.Struct, frozen=True):
    """`good_until_s` is monotonic."""

    text: str
    good_until_s: float


class _Failure(msgspec.Struct, frozen=True):
    """Why there is none; each call that waited makes a fault of its own of it."""

    kind: FaultKind
    message: str
    status: int | None = None
    text: str = ""

    def fault(self) -> Fault:
        return Fault(self.kind, self.message, provider_status=self.status, provider_text=self.text)


class _Answered(msgspec.Struct, frozen=True):
    """What the token service says (RFC 6749, 5.1 and 5.2)."""

    access_token: str = ""
    expires_in: float = 0.0
    error: str = ""


class GcpSigner:
    """Implements `Signer`: a bearer token of a service account. However many calls need one, one is fetched at a time; a call
    that is given up leaves the fetch to the others. What failed is tried again by the next call."""

    def __init__(self, account: ServiceAccount, transport: Transport, clock: Clock) -> None:
        self._account = account
        self._transport = transport
        self._clock = clock
        self._token: _Token | None = None
        self._fetching: asyncio.Task[_Token | _Failure] | None = None

    async def headers(self, method: str, origin: Origin, path: str, body: bytes) -> tuple[Header, ...]:
        """Raises Fault PROVIDER_ERROR or PROVIDER_TIMEOUT where no token is to be had."""
        token = self._token
        if token is None or self._clock.monotonic_s() >= token.good_until_s:
            token = await self._fetched()
        return (("authorization", f"Bearer {token.text}"),)

    def without_secrets(self, text: str) -> str:
        return text.replace(self._token.text, "[redacted]") if self._token is not None else text

    async def _fetched(self) -> _Token:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._keep)
        found = await asyncio.shield(self._fetching)
        if isinstance(found, _Failure):
            raise found.fault()
        return found

    def _keep(self, done: asyncio.Task[_Token | _Failure]) -> None:
        self._fetching = None
        if not done.cancelled() and done.exception() is None and isinstance(found := done.result(), _Token):
            self._token = found

    async def _fetch(self) -> _Token | _Failure:
        asked_s = self._clock.monotonic_s()
        try:
            async with self._transport.exchange(self._request()) as answer:
                status, body = answer.status, await answer.read(ANSWER_BYTES_MAX)
        except TransportError as error:
            kind = FaultKind.PROVIDER_TIMEOUT if error.timeout else FaultKind.PROVIDER_ERROR
            failed = "did not answer in time" if error.timeout else "could not be reached"
            return _Failure(kind, f"Google's token service {failed}.", text=str(error))
        try:
            said = msgspec.json.decode(body, type=_Answered)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = _Answered()
        if status == 200 and _TOKEN.fullmatch(said.access_token) and said.expires_in > 0:
            return _Token(said.access_token, asked_s + said.expires_in - SPARE_S)
        reason = said.error if _WORD.fullmatch(said.error) else ""
        return _Failure(FaultKind.PROVIDER_ERROR, "Google's token service gave no token.", status=status, text=reason)

    def _request(self) -> HttpRequest:
        parts = urlsplit(self._account.token_uri)
        query = f"?{parts.query}" if parts.query else ""
        return HttpRequest(
            "POST",
            Origin(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]),
            (parts.path or "/") + query,
            (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")),
            urlencode({"grant_type": GRANT, "assertion": self._assertion()}).encode(),
            connect_s=CONNECT_S,
            first_byte_s=TOTAL_S,
            stall_s=TOTAL_S,
            total_s=TOTAL_S,
        )

    def _assertion(self) -> str:
        account, now_s = self._account, self._clock.wall_ns() // 1_000_000_000
        claims = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": now_s,
            "exp": now_s + ASSERTION_S,
        }
        named = {"kid": account.private_key_id} if account.private_key_id else None
        return jwt.encode(claims, account.private_key.reveal(), algorithm="RS256", headers=named)
