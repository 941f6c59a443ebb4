"""Decides who calls: the principal of a key or of a signed token, or a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from onevault.core.identity import Principal
from onevault.core.ports import Clock
from onevault.core.sign_in import is_token_text
from onevault.pipeline.sign_in import SignIn


class Identities(Protocol):
    """The keys that are known now; replaced as they change."""

    def authenticate(self, credential: str | None, *, now_ms: int, address: str = "") -> Principal:
        """Raises Fault UNAUTHENTICATED for a key that is absent, unknown, expired or revoked, FORBIDDEN for a good one that may
        not be used from the peer's address."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Reads memory only: no key is looked up in a store while its caller is unknown. A token is checked against keys of its
    issuer, which may have to be fetched."""

    identities: Identities
    clock: Clock
    sign_in: SignIn

    async def __call__(self, credential: str | None, address: str) -> Principal:
        if credential is not None and is_token_text(credential):
            return await self.sign_in.principal(credential)
        now_ms = self.clock.wall_ns() // 1_000_000
        return self.identities.authenticate(credential, now_ms=now_ms, address=address)
