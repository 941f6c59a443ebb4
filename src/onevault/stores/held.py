"""What a shared ledger holds, as it is read out of it."""

from __future__ import annotations

import msgspec

from onevault.core.identity import ScopeId


class Holding(msgspec.Struct, frozen=True):
    """Money (nanos) and tokens."""

    nanos: int = 0
    tokens: int = 0

    def __add__(self, other: Holding) -> Holding:
        return Holding(self.nanos + other.nanos, self.tokens + other.tokens)


class HeldCall(msgspec.Struct, frozen=True):
    """A call that something is held for, and where that counts."""

    day: str
    month: str
    scopes: tuple[ScopeId, ...]
    holding: Holding


class HeldNow(msgspec.Struct, frozen=True):
    """What is held at one moment. `calls` are all of the tenant by their ids, `figures` what windows (by their label, "" for the total)
    of the scopes that were asked for have held. Of the calls that were looked for, `unknown` are those that the ledger knows nothing
    of, `put_down` those whose lease has run out and that count as spent until they are settled."""

    calls: dict[str, HeldCall]
    figures: dict[tuple[ScopeId, str], Holding]
    unknown: frozenset[str]
    put_down: frozenset[str]
