"""Decides who calls with a signed token of an identity provider: an alternative to an API key."""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.ports import Clock
from onevault.core.sign_in import SignedIn

TOKENS_KNOWN_MAX: Final = 10_000
CHECKED_ANEW_S: Final = 60.0
"""For how long a token that was checked is not checked again: an issuer's withdrawn key, and a move to another team, are seen
within that time. Whether user, team and organization are active is looked at with every call."""
EXPIRED: Final = "This token has expired."


class Person(msgspec.Struct, frozen=True):
    """The user that a token stands for, and the team in which its calls count (None: in none)."""

    user_id: str
    team_id: str | None


class Tokens(Protocol):
    """The issuers that are trusted."""

    async def verify(self, token: str) -> SignedIn:
        """What a token says, if a trusted issuer signed it and it is valid now. Raises Fault UNAUTHENTICATED, or STORE_UNAVAILABLE
        where the issuer's keys cannot be had."""


class People(Protocol):
    """The directory, as tokens name what is in it."""

    async def user(self, signed_in: SignedIn) -> Person:
        """Raises Fault FORBIDDEN where there is no such organization, team or user, and none may be made."""

    async def organization_id(self, signed_in: SignedIn) -> str:
        """Raises Fault FORBIDDEN where there is no such organization."""


class Members(Protocol):
    """The identities in memory."""

    def member(self, user_id: str, team_id: str | None) -> Principal:
        """A user without a key, as the user is now. Raises Fault UNAUTHENTICATED where user, team or organization is not active."""


class _Known(msgspec.Struct, frozen=True):
    """`until_s` is monotonic."""

    person: Person
    until_s: float
    expires_at_ms: int


class SignIn:
    """Checks a token once and knows it for a minute, by the SHA-256 of all of it. `tokens` is replaced with the configuration."""

    def __init__(self, tokens: Tokens, people: People, members: Members, clock: Clock) -> None:
        self._tokens = tokens
        self._people = people
        self._members = members
        self._clock = clock
        self._known: dict[bytes, _Known] = {}

    def trust(self, tokens: Tokens) -> None:
        """Other issuers hold from the next call on."""
        self._tokens = tokens
        self._known = {}

    async def principal(self, token: str) -> Principal:
        """Who calls with this token. Raises Fault UNAUTHENTICATED, FORBIDDEN, STORE_UNAVAILABLE."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is None or self._clock.monotonic_s() >= known.until_s:
            known = await self._checked(token)
            if len(self._known) >= TOKENS_KNOWN_MAX:
                self._known.clear()
            self._known[digest] = known
        if self._clock.wall_ns() // 1_000_000 >= known.expires_at_ms:
            raise Fault(FaultKind.UNAUTHENTICATED, EXPIRED)
        return self._members.member(known.person.user_id, known.person.team_id)

    async def admin(self, token: str) -> tuple[SignedIn, str | None]:
        """Who administers with this token, and the organization that this is confined to (None: to none).

        Raises Fault FORBIDDEN for a token without a role here, and as `principal`.
        """
        signed_in = await self._tokens.verify(token)
        if signed_in.role is None:
            raise Fault(FaultKind.FORBIDDEN, "This token gives no role in the admin API.")
        return signed_in, None if signed_in.whole_tenant else await self._people.organization_id(signed_in)

    async def _checked(self, token: str) -> _Known:
        signed_in = await self._tokens.verify(token)
        person = await self._people.user(signed_in)
        return _Known(person, self._clock.monotonic_s() + CHECKED_ANEW_S, signed_in.expires_at_ms)
