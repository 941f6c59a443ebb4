"""Callers, limits and records as the tests of the ledger, the rates and the journal need them."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from zoneinfo import ZoneInfo

from onevault.core.faults import Fault
from onevault.core.identity import Limit, Metric, Principal, ScopeId, Window
from onevault.core.money import Nanos
from onevault.core.records import AttemptRecord, Caller, Held, QuotaReset, Settled
from onevault.core.usage import Usage

KEY, USER, ORG = ScopeId("key:k1"), ScopeId("user:u1"), ScopeId("org:o1")
OTHER_KEY = ScopeId("key:k2")
SCOPES = (KEY, USER, ORG)
SECOND_NS = 1_000_000_000


def at(text: str, zone: str = "UTC") -> int:
    """The moment that a wall clock in a zone shows, in ns since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_NS


async def fault_of(work: Awaitable[object]) -> Fault | None:
    """The fault that work was refused with; None where it was done."""
    try:
        await work
    except Fault as fault:
        return fault
    return None


NOON = at("2026-11-21T12:00:00")


def money(scope: ScopeId, window: Window, maximum: int) -> Limit:
    return Limit(scope, Metric.MONEY, window, maximum)


def tokens(scope: ScopeId, window: Window, maximum: int) -> Limit:
    return Limit(scope, Metric.TOKENS, window, maximum)


def requests(scope: ScopeId, window: Window, maximum: int) -> Limit:
    return Limit(scope, Metric.REQUESTS, window, maximum)


def concurrency(scope: ScopeId, maximum: int) -> Limit:
    return Limit(scope, Metric.CONCURRENCY, Window.NOW, maximum)


def principal(*limits: Limit, scopes: tuple[ScopeId, ...] = SCOPES, zone: str = "UTC") -> Principal:
    return Principal(
        tenant_id="t1",
        org_id="o1",
        user_id="u1",
        key_id="k1",
        test=False,
        time_zone=zone,
        scopes=scopes,
        limits=limits,
    )


def held(
    call_id: str,
    amount: int = 10,
    *,
    tokens: int = 0,
    at_ns: int = NOON,
    scopes: tuple[ScopeId, ...] = SCOPES,
    zone: str = "UTC",
) -> Held:
    return Held(
        call_id=call_id,
        at_ns=at_ns,
        caller=Caller("t1", "o1", "u1", "k1"),
        scopes=scopes,
        time_zone=zone,
        amount=Nanos(amount),
        tokens=tokens,
        request_type="chat",
        model_asked="gpt-4o",
        provider="openai",
        model="gpt-4o",
        price_version="2026-11",
    )


def settled(hold: Held, cost: int, *, tokens: int = 0, was_held: bool = True, at_ns: int | None = None) -> Settled:
    return Settled(
        call_id=hold.call_id,
        at_ns=hold.at_ns + SECOND_NS if at_ns is None else at_ns,
        started_ns=hold.at_ns,
        caller=hold.caller,
        scopes=hold.scopes,
        time_zone=hold.time_zone,
        held=was_held,
        amount_held=hold.amount,
        cost=Nanos(cost),
        tokens_held=hold.tokens,
        usage=Usage(input_tokens=tokens // 2, output_tokens=tokens - tokens // 2),
        request_type="chat",
        dialect="openai-chat",
        model_asked=hold.model_asked,
        provider=hold.provider,
        model=hold.model,
        price_version=hold.price_version,
        attempts=(AttemptRecord("openai", "openai-1", "gpt-4o", hold.at_ns, 900, 300, 200),),
        metadata={"project": "blue"},
    )


def reset(scope: ScopeId, *, at_ns: int = NOON, reset_id: str = "r1", zone: str = "UTC") -> QuotaReset:
    return QuotaReset(reset_id=reset_id, at_ns=at_ns, scope=scope, time_zone=zone)
