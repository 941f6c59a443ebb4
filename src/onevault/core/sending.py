"""The seam to providers: where a call may go, how it is sent there, and what begins to come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from onevault.core.codec import Incoming, OnExhausted
from onevault.core.events import Event
from onevault.core.identity import Principal
from onevault.core.operations import Capability, Dialect, Operation
from onevault.core.prices import Price


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
        """What the principal may use and is listed."""

    def model(self, name: str, principal: Principal) -> ModelFacts | None:
        """What a name means here that the principal may use, listed or not (dated and fine-tuned ones); None: nobody knows it."""


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
