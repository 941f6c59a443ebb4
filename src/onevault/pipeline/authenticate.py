"""Decides who calls: the key's principal, or a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from onevault.core.identity import Principal
from onevault.core.ports import Clock


class Identities(Protocol):
    """The keys that are known now; replaced as they change."""

    def authenticate(self, credential: str | None, *, now_ms: int) -> Principal:
        """Raises Fault UNAUTHENTICATED for a key that is absent, unknown, expired or revoked."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Reads memory only: no key is looked up in a store while its caller is unknown."""

    identities: Identities
    clock: Clock

    def __call__(self, credential: str | None) -> Principal:
        return self.identities.authenticate(credential, now_ms=self.clock.wall_ns() // 1_000_000)
