"""What happens during one call, gathered until it is settled and written down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from onevault.core.codec import Incoming
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal, ScopeId
from onevault.core.money import ZERO, Nanos
from onevault.core.ports import Standing
from onevault.core.records import AttemptRecord, Caller, Outcome, Settled
from onevault.core.sending import Plan, Target
from onevault.core.usage import NO_USAGE, Usage, UsageSource
from onevault.pipeline.caller import CallerGone, CallerRequest
from onevault.policy.pricing import version_charged

CLIENT_CLOSED = "CLIENT_CLOSED"
"""What is recorded in place of a fault where nobody was left to be told one."""

_NOBODY_LEFT = (asyncio.CancelledError, GeneratorExit, CallerGone)


@dataclass(slots=True)
class Receipt:
    """Filled in by the stages as the call goes on; `settled` stands from the settlement on."""

    request: CallerRequest
    principal: Principal
    incoming: Incoming
    plan: Plan | None = None
    target: Target | None = None
    attempts: list[AttemptRecord] = field(default_factory=list)
    dropped: tuple[str, ...] = ()
    status: int = 200
    content_type: str = ""
    waited_s: float = 0.0
    """How long the call waited for providers and between attempts."""
    output_limit: int | None = None
    """What the output of each choice was limited to because the money left pays for no more; None where it was not."""
    held: bool = False
    scopes: tuple[ScopeId, ...] = ()
    grace: bool = False
    """Whether the hold was granted by this process alone, while the shared ledger did not answer."""
    """In which the call counts, once it is held."""
    amount_held: Nanos = ZERO
    tokens_held: int = 0
    cost: Nanos = ZERO
    usage: Usage = NO_USAGE
    usage_source: UsageSource = UsageSource.PROVIDER
    ending: BaseException | None = None
    standing: Standing | None = None
    """How the caller stands in its limits: of a stream with its hold, of a whole answer once it is settled."""
    settled: Settled | None = None

    def settle(self, now_ns: int) -> Settled:
        """Closes the receipt. A second call gives the same settlement."""
        if self.settled is None:
            self.settled = self._settlement(now_ns)
        return self.settled

    def _settlement(self, now_ns: int) -> Settled:
        request, principal, incoming, target = self.request, self.principal, self.incoming, self.target
        fault, message = _told(self.ending)
        if self.attempts and not self.attempts[-1].fault:
            self.attempts[-1] = _ended(self.attempts[-1], now_ns, fault)
        return Settled(
            call_id=request.call_id,
            at_ns=now_ns,
            started_ns=request.started_ns,
            caller=Caller(principal.tenant_id, principal.org_id, principal.user_id, principal.key_id),
            scopes=self.scopes or principal.scopes,
            time_zone=principal.time_zone,
            held=self.held,
            amount_held=self.amount_held,
            cost=self.cost,
            tokens_held=self.tokens_held,
            usage=self.usage,
            usage_source=self.usage_source,
            outcome=_outcome(self.ending),
            fault=fault,
            fault_message=message,
            request_type=incoming.operation.value,
            dialect=incoming.dialect,
            stream=incoming.stream,
            model_asked=incoming.model or "",
            provider=target.provider if target else "",
            model=target.model if target else "",
            price_version=version_charged(target.price, self.usage.tier) if target and target.price else "",
            route_reason=self.plan.reason if self.plan else "",
            latency_ms=(now_ns - request.started_ns) // 1_000_000,
            attempts=tuple(self.attempts),
            excluded=self.plan.excluded if self.plan else (),
            request_ip=request.address,
            user_agent=request.user_agent,
            end_user=incoming.end_user or "",
            provider_key=self.plan.credential if self.plan else "",
            grace=self.grace,
            metadata={**incoming.extensions.metadata, **incoming.metadata},
        )


def _ended(attempt: AttemptRecord, now_ns: int, fault: str) -> AttemptRecord:
    """The attempt that answered, now that its answer has ended."""
    return msgspec.structs.replace(attempt, latency_ms=(now_ns - attempt.started_ns) // 1_000_000, fault=fault)


def _outcome(ending: BaseException | None) -> Outcome:
    if ending is None:
        return Outcome.SUCCESS
    if isinstance(ending, _NOBODY_LEFT):
        return Outcome.CANCELLED
    if isinstance(ending, Fault) and ending.kind is FaultKind.PROVIDER_TIMEOUT:
        return Outcome.TIMEOUT
    return Outcome.ERROR


def _told(ending: BaseException | None) -> tuple[str, str]:
    if ending is None:
        return "", ""
    if isinstance(ending, Fault):
        return ending.kind.value, ending.message
    if isinstance(ending, _NOBODY_LEFT):
        return CLIENT_CLOSED, "The client closed the connection before the answer was complete."
    return FaultKind.INTERNAL.value, "The gateway failed."
