"""The seams between rooms: Protocols of at most four verbs whose docstrings are the contract. Those to the directory are in
`directory.py`, those to providers in `sending.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from onevault.core.identity import Limit, Metric, Principal, ScopeId, Window
from onevault.core.money import Nanos
from onevault.core.notices import Notice
from onevault.core.records import Held, QuotaReset, Record, Settled
from onevault.core.secret_places import Place

# ---- time, chance --------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time as it is passed in. Wall time is for people and windows, monotonic time for durations."""

    def wall_ns(self) -> int: ...
    def monotonic_s(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


IdSource = Callable[[], str]
"""A new unguessable, time-ordered id: 32 hexadecimal characters."""

# ---- rates and money -----------------------------------------------------------------------------------------------


class RateStanding(msgspec.Struct, frozen=True, gc=False):
    """Where a caller stands in the tightest limit per minute: for the `x-ratelimit-*` headers. None where there is no limit."""

    limit: int
    remaining: int
    reset_s: float


class QuotaStanding(msgspec.Struct, frozen=True, gc=False):
    """Where a caller stands in the tightest limit of requests or tokens per day or month."""

    metric: Metric
    window: Window
    limit: int
    remaining: int


class Admission(msgspec.Struct, frozen=True):
    """A call let in, to be given back to `leave` when it ends. `quotas` are of requests per day and month, this one counted."""

    call_id: str
    principal: Principal
    requests: RateStanding | None
    quotas: tuple[QuotaStanding, ...] = ()
    grace: bool = False
    """Let in by this process alone, while the shared store did not answer."""


class Rates(Protocol):
    """Counts attempts before anything costs work: requests per minute, day and month, concurrency.

    All or nothing: a refusal in one scope leaves no trace in any. Unreachable store: raises Fault STORE_UNAVAILABLE.
    """

    async def admit(self, principal: Principal, *, call_id: str, now_ns: int) -> Admission:
        """Raises Fault RATE_LIMITED (minute, concurrency) or QUOTA_EXCEEDED (day, month), with `retry_after_s`."""

    async def leave(self, admission: Admission) -> None:
        """Gives back the concurrency. A second call does nothing."""

    async def reset(self, reset: QuotaReset) -> None:
        """Sets a scope's attempts of the running day and month back to none. What runs, and the last minute, stay."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one scope has used in the running windows. Money in nanos; `held` is not yet spent but spoken for."""

    scope: ScopeId
    day: str
    month: str
    spent_day: Nanos = Nanos(0)
    spent_month: Nanos = Nanos(0)
    spent_total: Nanos = Nanos(0)
    held: Nanos = Nanos(0)
    requests_day: int = 0
    requests_month: int = 0
    tokens_day: int = 0
    tokens_month: int = 0
    overshoot: Nanos = Nanos(0)

    def spent(self, window: Window) -> Nanos:
        """What was spent in a limit's window."""
        if window is Window.DAY:
            return self.spent_day
        return self.spent_month if window is Window.MONTH else self.spent_total

    def left(self, window: Window, maximum: int) -> Nanos:
        """What a limit of this window still affords: neither spent nor spoken for."""
        return Nanos(max(0, maximum - self.spent(window) - self.held))


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What a caller is told of the limits that its call counted in: what was spent in the limit of money with the least left and what
    is left of it, neither spent nor spoken for; without one (`limit` None), what its user has spent in the month. `quotas` are the
    tightest of tokens per day and month, `tokens` that per minute. Of a tenant's limits only those per minute are told: what others
    have used is none of a caller's business."""

    spent: Nanos
    limit: Nanos | None = None
    left: Nanos = Nanos(0)
    quotas: tuple[QuotaStanding, ...] = ()
    tokens: RateStanding | None = None


class Reserved(msgspec.Struct, frozen=True):
    """A hold as it is to be written down, and how its caller stands with it where that was asked and is known."""

    held: Held
    standing: Standing | None = None


class Ledger(Protocol):
    """Holds money before a call and settles it after, exactly.

    Promise: while a provider reports no more than was held, no scope ever settles more than its limit.
    """

    async def reserve(self, held: Held, limits: Sequence[Limit], *, tell: bool = False) -> Reserved:
        """Holds in every scope or in none; with `tell`, says how the caller stands then. Raises Fault BUDGET_EXCEEDED (money) or
        RATE_LIMITED / QUOTA_EXCEEDED (tokens) that names the scope's kind and window, never its figures for another scope.
        Idempotent by `call_id`.

        Of a call that is held already for less it enlarges the hold to what is asked now, under the same rule: in every scope or
        in none, and refused it stays as it was. For no more it changes nothing, and nothing once the call is settled.

        A refusal for money tells in `Fault.money_left` what all the limits together afforded at that moment, so that a smaller
        hold of the same call can be tried; None: that is not known."""

    async def settle(self, settled: Settled, limits: Sequence[Limit] | None = None) -> Standing | None:
        """Replaces the hold by the cost, in the windows of the hold. A second settlement of one call changes nothing.
        A cost above the hold is recorded in full, and the excess counted as overshoot. Never refuses.

        With the limits of its hold, says how the caller stands after it; None where that is not asked or not known."""

    async def reset(self, reset: QuotaReset) -> None:
        """Sets a scope's running day and month back to nothing spent."""

    async def figures(self, scope: ScopeId, *, time_zone: str, now_ns: int) -> Figures:
        """What the scope has used; zeros for a scope never seen."""


class Journal(Protocol):
    """The append-only record of holds and settlements; what it took survives the death of the process."""

    async def append(self, record: Record) -> None:
        """Returns when the record is as durable as configured. Raises Fault STORE_UNAVAILABLE when it cannot be written
        (a full disk): then nothing of it is in the journal."""


# ---- secrets --------------------------------------------------------------------------------------------------------


class KeyService(Protocol):
    """Wraps data keys with a key that stays where it is: a master key of this installation, or a key management service."""

    @property
    def current_id(self) -> str:
        """The id of the key that wraps now."""

    def knows(self, key_id: str) -> bool:
        """Whether it unwraps what was wrapped with this key."""

    async def wrap(self, data_key: bytes, data_key_id: str) -> bytes:
        """The data key wrapped with the current key, for this id alone; a second call wraps it differently."""

    async def unwrap(self, wrapped: bytes, data_key_id: str) -> bytes:
        """The data key. Raises `envelope.Unreadable` for what another key wrapped, for another id, or what was changed."""


class Sealed(msgspec.Struct, frozen=True):
    """A sealed text, and the id of the key that wraps the data key which it is sealed with."""

    envelope: bytes
    encryption_key_id: str


class Sealer(Protocol):
    """Seals the secrets of a tenant for their place in the vault (AES-256-GCM under the tenant's data key)."""

    async def seal(self, text: bytes, place: Place) -> Sealed:
        """The text sealed; twice the same text is sealed differently. Raises Fault STORE_UNAVAILABLE where no key is to be had."""

    async def open(self, envelope: bytes, place: Place) -> bytes:
        """The text again. Raises Fault STORE_UNAVAILABLE for what does not open in this place."""

    async def fingerprint(self, text: bytes, purpose: str) -> str:
        """The same for the same text as long as the data key stays, and useless to who has not the data key."""


# ---- what was asked before -----------------------------------------------------------------------------------------


class Answered(msgspec.Struct, frozen=True):
    """What is known of a request that was made before: what it asked, and its answer; None: it has none yet."""

    fingerprint: bytes
    answer: bytes | None


class Answers(Protocol):
    """Answers to requests that may be repeated, one for all processes of an installation; each is kept for a day."""

    async def begin(self, key: bytes, fingerprint: bytes, *, now_ms: int, gives_up_ms: int) -> Answered | None:
        """None: nobody has answered this key, and from now on it is the caller's to answer. Of many that begin at once one gets
        None. Who began and has not answered for `gives_up_ms` is given up."""

    async def keep(self, key: bytes, answer: bytes) -> None:
        """Keeps the answer of who began."""

    async def forget(self, key: bytes) -> None:
        """It failed and may be begun again. An answer that is there stays."""


class Requests(Protocol):
    """Past calls, read back from the vault."""

    async def find(self, call_id: str) -> Settled | None:
        """A call that has been settled, also if it was a moment ago; None if there was none."""

    async def recent(self, scope: ScopeId, *, limit: int, before: str | None) -> list[Settled]:
        """The newest calls of a scope, newest first; `before` is the call id to go on from."""


class ModelUsage(msgspec.Struct, frozen=True):
    """What one scope used of one model in one month. `provider` is "" for calls that reached none; cost in nanos."""

    provider: str
    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    cost: Nanos


class UsageHistory(Protocol):
    """What was used, as the vault has it: moments behind the ledger, and not touched by the reset of a quota."""

    async def by_model(self, scope: ScopeId, month: str) -> list[ModelUsage]:
        """One row for each provider and model of a month (`2026-11`, in the organization's time zone), dearest first."""


# ---- who is told ----------------------------------------------------------------------------------------------------


class Notices(Protocol):
    """Where it is told what happened that somebody may want to know. Not for the figures of ordinary calls: those are the observer's."""

    def tell(self, notice: Notice) -> None:
        """Takes it and returns at once; never raises. Kept and delivered later, at least once; what cannot be kept is counted."""


class Observer(Protocol):
    """What is told about calls as they happen (metrics, logs)."""

    def settled(self, record: Settled) -> None: ...
    def fault(self, kind: str) -> None: ...


class Watcher(Protocol):
    """What is told of every call that ended, to look later and at leisure at the limits that it counted in."""

    def ended(self, principal: Principal, *, at_ns: int, refused_by: Limit | None) -> None:
        """`at_ns` is when the call began, and names its windows; `refused_by` the limit that was used up, if that ended it."""
