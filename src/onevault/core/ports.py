"""The seams between rooms: Protocols of at most four verbs whose docstrings are the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from onevault.core.changes import ChangeQuery, RecordedChange
from onevault.core.codec import Incoming, OnExhausted
from onevault.core.events import Event
from onevault.core.faults import Fault
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    DataKey,
    Limit,
    Metric,
    Organization,
    Principal,
    ProviderKey,
    ScopeId,
    Team,
    Tenant,
    User,
    Webhook,
    Window,
)
from onevault.core.money import Nanos
from onevault.core.notices import Notice
from onevault.core.operations import Capability, Dialect, Operation
from onevault.core.prices import Price
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


# ---- who ------------------------------------------------------------------------------------------------------------


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that authentication needs, by id. A tenant is in it once its limits were changed. Users and keys may be packed."""

    version: int
    organizations: dict[str, Organization]
    users: Mapping[str, User]
    keys: Mapping[str, ApiKey]
    teams: dict[str, Team] = {}  # msgspec copies mutable defaults
    tenants: dict[str, Tenant] = {}
    admin_keys: dict[str, AdminKey] = {}
    provider_keys: dict[str, ProviderKey] = {}
    data_keys: dict[str, DataKey] = {}
    webhooks: dict[str, Webhook] = {}


Entity = Tenant | Organization | Team | User | ApiKey | AdminKey | ProviderKey | DataKey | Webhook
"""What is kept in the directory with its history."""


class Change(msgspec.Struct, frozen=True):
    """A change of configuration for the audit: who, from where, and the entity as it is now."""

    actor: str
    address: str
    entity: Entity


class Changes(msgspec.Struct, frozen=True):
    """What became of the directory since some version: each entity that was changed once, as it is now, and what it stands
    under before it. `version` is the one to go on from."""

    version: int
    entities: tuple[Entity, ...]


class Directory(Protocol):
    """Tenants, organizations, teams, users, keys and admin keys, kept with all their history.

    Every change by any process has a number, its version. The numbers become visible in their order: whoever has read up to
    one misses none below it.
    """

    async def snapshot(self) -> Snapshot:
        """The newest state of all, deleted ones included: the whole is read, so ask once and follow `changes`."""

    async def changes(self, since: int) -> Changes:
        """What any process has changed after this version. With nothing new it is one look-up, for polling; else it costs what
        has changed, not what is there."""

    async def put(self, change: Change) -> None:
        """Adds the entity's new state to its history. Raises Fault CONFLICT when the stored version is not the one before
        (`entity.version - 1`), so two admins cannot overwrite each other."""

    async def put_each(self, changes: Sequence[Change]) -> list[Fault | None]:
        """The same for many, in their order and in one go: each whole or not at all. Gives for each what it was refused for,
        None where it was taken; when it raises anything, none was."""


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


class ChangeLog(Protocol):
    """The audit of what was changed in the directory."""

    async def newest(self, query: ChangeQuery) -> list[RecordedChange]:
        """The changes that were asked for, newest first, by every process and of all times. Nothing ever leaves it."""

    async def note(self, change: RecordedChange) -> None:
        """Adds what somebody did that makes no new state of an entity; its `change_id` is given here, whatever it says."""


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


# ---- providers ------------------------------------------------------------------------------------------------------


class Timeouts(msgspec.Struct, frozen=True, gc=False):
    """How long to wait for each step of one attempt."""

    connect_s: float = 5.0
    first_event_s: float = 60.0
    stall_s: float = 60.0
    total_s: float = 600.0


CancellingStopsBill = Literal["never", "streams", "always"]
"""Whether a provider stops billing when its connection is closed: not as far as anybody knows, for streams, or for whole answers too."""


class Target(msgspec.Struct, frozen=True):
    """A deployment and model chosen for an attempt. `price` None: unpriced."""

    provider: str
    deployment: str
    model: str
    price: Price | None
    output_tokens_max: int
    context_tokens_max: int
    timeouts: Timeouts = Timeouts()
    retries_max: int = 2
    context_is_known: bool = False
    """Whether `context_tokens_max` is a fact and not an assumption."""
    adaptive_thinking: bool = True
    """Whether the model decides itself how much to think, where its dialect can ask for that."""
    dialects: tuple[Dialect, ...] = ()
    """The only dialects that the model chats in, where its provider speaks more; empty: all of them."""
    lacks: frozenset[Capability] = frozenset()
    """What the model is known not to be able to."""
    unpriced: str = ""
    """What is missing for a price, where there is none."""
    credential: str = ""
    """The id of the customer's own provider key that it is called with; "": the gateway's."""
    cancelling_stops_bill: CancellingStopsBill = "never"
    unsaid_tiers: tuple[str, ...] = ()
    """Tiers of service at which its provider may serve, and charge, calls that ask for none."""


class Plan(msgspec.Struct, frozen=True):
    """Where a call may go, in order; why; and what was left out for which reason."""

    targets: tuple[Target, ...]
    reason: str
    output_tokens_max: int | None = None
    """Set where policy limits the output below what the caller or the model would."""
    excluded: tuple[tuple[str, str], ...] = ()
    clamp: bool = False
    """Whether the output may be limited further, to what the money that is left pays for."""
    on_exhausted: OnExhausted | None = None
    """What becomes of a stream that uses its hold up; None: no limit of money holds, so nothing."""

    @property
    def credential(self) -> str:
        """The customer's own provider key that all targets are called with; "": the gateway's own credentials."""
        return self.targets[0].credential if self.targets else ""


class Catalog(Protocol):
    """Which deployments there are for a model name; swapped in whole when the configuration changes."""

    def candidates(self, model: str | None, operation: Operation, principal: Principal) -> tuple[Target, ...]:
        """Targets for a name as callers write it, in the configured order. Raises Fault MODEL_NOT_FOUND with the nearest names."""

    def models(self, principal: Principal) -> tuple[ModelFacts, ...]:
        """What the principal may use."""


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What `/v1/models` tells of a model. `capabilities` None: nobody knows; `aliases` are further ids of the same."""

    id: str
    provider: str
    operations: tuple[Operation, ...]
    context_length: int | None = None
    output_tokens_max: int | None = None
    price: Price | None = None
    model: str = ""
    """As its provider calls it."""
    capabilities: frozenset[Capability] | None = None
    aliases: tuple[str, ...] = ()
    unpriced: str = ""
    """What is missing for a price, where there is none."""


class AttemptAnswer(Protocol):
    """An answer that has begun: its first events are here, so failing over is no longer possible."""

    @property
    def status(self) -> int: ...
    @property
    def dropped(self) -> tuple[str, ...]:
        """Tuning hints that the target's dialect could not express."""

    @property
    def caller_status(self) -> int:
        """What the caller is answered with: 200, or for a relayed request what the provider said."""

    @property
    def content_type(self) -> str:
        """As the provider says it, for callers who get its bytes."""

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        """Batches of events as the bytes come in, first ones first. Raises Fault when the answer breaks."""


class Dispatch(msgspec.Struct, frozen=True):
    """One attempt as it is handed to the sender. `on_reached` is told when the first byte of the request goes out: from
    then on the provider may be working. `headers` are the caller's that its provider may want."""

    target: Target
    incoming: Incoming
    call_id: str
    output_tokens_max: int | None
    headers: tuple[tuple[str, str], ...]
    on_reached: Callable[[], None]


class Sender(Protocol):
    """The one room that sends bytes to providers."""

    def send(self, dispatch: Dispatch) -> AbstractAsyncContextManager[AttemptAnswer]:
        """One attempt. Entering waits for the first events; leaving closes the provider's connection at once unless the
        answer was read to its end. Raises Fault: PROVIDER_ERROR, PROVIDER_TIMEOUT, RATE_LIMITED, or what the provider's
        own fault means for the caller."""


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
