"""What a verification says: what it counted, what does not agree, and what is not settled yet. Money in nanos."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from onevault.core.identity import ScopeId

DIFFERENCES_TOLD_MAX: Final = 1_000
"""Of more only the number is told: somebody has to look at the data directory anyhow."""


class Kind(StrEnum):
    """In which way something does not agree."""

    SCOPE_SUM = "scope_sum"
    """The stored sum of a scope's window is not what its calls add up to."""
    MODEL_SUM = "model_sum"
    """The same of a scope's month by provider and model."""
    SETTLED_TWICE = "settled_twice"
    LOST = "lost"
    """Something that the journal has, or had, is nowhere."""
    ALTERED = "altered"
    """Journal and vault tell different things of one call."""
    RECORD_MISSING = "record_missing"
    """The vault has what the journal must have had, and has no more."""
    SHARED_SUM = "shared_sum"
    """The ledger that processes share counts something else than vault and journals say."""
    SHARED_HELD = "shared_held"
    """What it holds in a scope is not what it holds for calls, or it does not hold what a call that runs is held for."""
    DAMAGED = "damaged"
    """A stretch of the journal cannot be read."""


class Sum(NamedTuple):
    """What calls that were held add up to. Tokens of both sides; `overshoot` is the cost above what was held."""

    money_nanos: int = 0
    tokens: int = 0
    requests: int = 0
    overshoot_nanos: int = 0


class ModelSum(NamedTuple):
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanos: int = 0


class Call(msgspec.Struct, frozen=True, gc=False):
    """What of a settled call counts somewhere; two that are equal count alike."""

    scopes: tuple[ScopeId, ...]
    time_zone: str
    started_ns: int
    settled_ns: int
    held: bool
    amount_held: int
    cost: int
    tokens_held: int
    input_tokens: int
    output_tokens: int
    provider: str
    model: str


class NotSettled(msgspec.Struct, frozen=True):
    """What a scope has beside its stored sums: calls that are settled and wait for the vault, and calls that are held."""

    scope: ScopeId
    waiting_calls: int = 0
    waiting_nanos: int = 0
    held_calls: int = 0
    held_nanos: int = 0
    held_tokens: int = 0


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that does not agree. `message` says it whole; the rest is for programs. `stored` and `recomputed` are figures by
    name, `not_settled` what the scope has beside them."""

    kind: Kind
    message: str
    scope: str = ""
    window: str = ""
    label: str = ""
    provider: str = ""
    model: str = ""
    call_id: str = ""
    segment: str = ""
    stored: dict[str, int] = {}
    recomputed: dict[str, int] = {}
    not_settled: NotSettled | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome. `differences` are the first DIFFERENCES_TOLD_MAX of `differences_found`; `not_settled` has the scopes with
    anything that is not in the stored sums yet, dearest first, as many."""

    calls: int
    """In the vault, those that were refused before anything was held too."""
    settled_nanos: int
    sums: int
    """Stored sums that were compared, of scopes and of models."""
    scopes: int
    segments: int
    records: int
    repeated: int
    """Records that stand in the journal twice, word for word, as a disk that failed can leave them; each counts once."""
    waiting_calls: int
    waiting_nanos: int
    held_calls: int
    held_nanos: int
    shared_scopes: int | None
    """How many scopes the shared ledger was asked about; None: there is none, or it did not answer, or it has not been filled."""
    shared_held_calls: int | None
    """For how many calls it holds something, those of other hosts too."""
    grace_calls: int
    """Settled calls of grace that are to be counted in it yet."""
    differences_found: int
    differences: tuple[Difference, ...]
    not_settled: tuple[NotSettled, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences_found


class Differences:
    """Gathers what does not agree, and keeps the first of it."""

    def __init__(self) -> None:
        self.found = 0
        self.told: list[Difference] = []

    def add(self, difference: Difference) -> None:
        self.found += 1
        if len(self.told) < DIFFERENCES_TOLD_MAX:
            self.told.append(difference)
