"""Checks tokens of OpenID Connect issuers against the keys with which these sign, which are fetched and kept.

Source: OpenID Connect Discovery 1.0 (section 4), RFC 7517 (JWK sets), RFC 8725 (best current practices: algorithms are
configured and never taken from the token, an issuer's keys verify nothing but its tokens).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from onevault.config.schema import OidcSettings
from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Clock
from onevault.core.sign_in import SignedIn
from onevault.core.transport import HttpRequest, Origin, Transport, TransportError
from onevault.policy.claims import signed_in

T = TypeVar("T")

KEYS_KEPT_S: Final = 300.0
"""How long the keys of an issuer are taken to be the newest. A key that it has withdrawn is refused this much later at most."""
UNKNOWN_KEY_WAIT_S: Final = 3.0
"""How long after a fetch the next is made for a token whose key is not known, so that forged ones cannot make it a flood."""
KEYS_OLD_MAX_S: Final = 24 * 3600.0
"""For how long an issuer that does not answer is trusted with the keys it had."""
CONNECT_S: Final = 3.0
TOTAL_S: Final = 5.0
DOCUMENT_BYTES_MAX: Final = 1 << 20
KEYS_MAX: Final = 100
RSA_BITS_MIN: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}
_NOT_OURS = "This token was not made by an issuer that this gateway trusts."
_UNSIGNED = "This token is not signed with a key of its issuer."


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Discovered(msgspec.Struct, frozen=True):
    issuer: str
    jwks_uri: str


class _Unusable(Exception):
    """The issuer does not give its keys; the message says why."""


class Issuer:
    """One trusted issuer. Its keys are fetched when a token needs them, by one call for all that wait."""

    def __init__(self, settings: OidcSettings, transport: Transport, clock: Clock) -> None:
        self.settings = settings
        self._transport = transport
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at_s = self._tried_at_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self.last_error = ""
        """Why the last fetch failed, "" after a good one."""

    async def verify(self, token: str, key_id: str) -> SignedIn:
        """Who a token of this issuer names. Raises Fault UNAUTHENTICATED, or STORE_UNAVAILABLE where its keys are not to be had."""
        key = await self._key(key_id)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self.settings.algorithms),
                audience=list(self.settings.audiences),
                issuer=self.settings.issuer,
                # Times are checked by our own clock, in `signed_in`.
                options={
                    "require": ["exp", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError:
            raise Fault(FaultKind.UNAUTHENTICATED, "This token was made for another audience.") from None
        except jwt.MissingRequiredClaimError as error:
            raise Fault(FaultKind.UNAUTHENTICATED, f"This token lacks the claim `{error.claim}`.") from None
        except (jwt.PyJWTError, ValueError):
            raise Fault(FaultKind.UNAUTHENTICATED, _UNSIGNED) from None
        return signed_in(claims, self.settings.rules, now_s=self._clock.wall_ns() / 1e9)

    async def _key(self, key_id: str) -> jwt.PyJWK:
        now_s = self._clock.monotonic_s()
        is_due = now_s - self._fetched_at_s > KEYS_KEPT_S or self._found(key_id) is None
        if is_due and (self._fetching is not None or now_s - self._tried_at_s > UNKNOWN_KEY_WAIT_S):
            await self._refreshed()
        key = self._found(key_id)
        if key is None:
            if self.last_error:
                message = "The issuer of this token does not give the keys to check it by; try again in a moment."
                raise Fault(FaultKind.STORE_UNAVAILABLE, message, retry_after_s=UNKNOWN_KEY_WAIT_S)
            raise Fault(FaultKind.UNAUTHENTICATED, _UNSIGNED)
        return key

    def _found(self, key_id: str) -> jwt.PyJWK | None:
        """A token that names no key is checked with the issuer's only one."""
        if not key_id and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _refreshed(self) -> None:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh())
            self._fetching.add_done_callback(self._ended)
        await asyncio.shield(self._fetching)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _refresh(self) -> None:
        self._tried_at_s = self._clock.monotonic_s()
        try:
            address = self.settings.jwks_uri or await self._discovered()
            found = _decoded(await self._get(address), _KeySet)
        except _Unusable as error:
            self.last_error = str(error)
            if self._tried_at_s - self._fetched_at_s > KEYS_OLD_MAX_S:
                self._keys = {}
            return
        self.last_error = ""
        self._keys = _usable(found.keys[:KEYS_MAX], self.settings.algorithms)
        self._fetched_at_s = self._tried_at_s

    async def _discovered(self) -> str:
        issuer = self.settings.issuer
        document = _decoded(await self._get(issuer.rstrip("/") + "/.well-known/openid-configuration"), _Discovered)
        if document.issuer != issuer:
            raise _Unusable("its discovery document names another issuer")
        parts = urlsplit(document.jwks_uri)
        if parts.scheme != urlsplit(issuer).scheme and parts.scheme != "https":
            raise _Unusable("its keys are not served over https")
        return document.jwks_uri

    async def _get(self, url: str) -> bytes:
        try:
            parts = urlsplit(url)
            origin = Origin(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
        except (KeyError, ValueError):
            raise _Unusable("the address of its keys is none") from None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = HttpRequest(
            "GET",
            origin,
            path,
            (("accept", "application/json"),),
            b"",
            connect_s=CONNECT_S,
            first_byte_s=TOTAL_S,
            stall_s=TOTAL_S,
            total_s=TOTAL_S,
        )
        try:
            async with self._transport.exchange(request) as answer:
                if answer.status != 200:
                    raise _Unusable(f"it answers with status {answer.status}")
                return await answer.read(DOCUMENT_BYTES_MAX)
        except (TransportError, ValueError) as error:
            raise _Unusable(str(error)) from None


class Issuers:
    """Every trusted issuer, by the name that its tokens carry. Implements `pipeline.sign_in.Tokens`."""

    def __init__(self, settings: Sequence[OidcSettings], transport: Transport, clock: Clock) -> None:
        self._issuers = {each.issuer: Issuer(each, transport, clock) for each in settings}

    async def verify(self, token: str) -> SignedIn:
        """As `Issuer.verify`. The token's own word for its issuer only chooses who has to have signed it."""
        try:
            unverified: Mapping[str, Any] = jwt.decode_complete(token, options={"verify_signature": False})
            head, claims = unverified["header"], unverified["payload"]
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Fault(FaultKind.UNAUTHENTICATED, "This is not a signed token that can be read.") from None
        named, key_id = claims.get("iss"), head.get("kid", "")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None or not isinstance(key_id, str):
            raise Fault(FaultKind.UNAUTHENTICATED, _NOT_OURS)
        return await issuer.verify(token, key_id)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Unusable("what it answers is not the document that was asked for") from None


def _usable(documents: Sequence[dict[str, Any]], algorithms: Sequence[str]) -> dict[str, jwt.PyJWK]:
    """The public keys for signatures among them. One that cannot be read, is meant for something else, or is too weak is
    passed over: the set may hold keys for others. Shared secrets never verify."""
    keys: dict[str, jwt.PyJWK] = {}
    for document in documents:
        if document.get("kty") not in ("RSA", "EC", "OKP") or document.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(document)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS_MIN:
            continue
        if document.get("alg", key.algorithm_name) in algorithms or (key.key_type == "RSA" and "alg" not in document):
            keys[str(document.get("kid", ""))] = key
    return keys
