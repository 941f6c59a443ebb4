"""Makes calls as the journal has them, and journals on disk, for the tests of the vault."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from onevault.core.identity import ScopeId
from onevault.core.money import Nanos
from onevault.core.records import AttemptRecord, Caller, Held, Outcome, QuotaReset, Record, Settled
from onevault.core.usage import Usage, UsageSource
from onevault.stores.journal.frame import framed

NOON_NS = 1_795_262_400_000_000_000  # 2026-11-21 12:00 UTC
SECOND_NS = 1_000_000_000


def caller_of(number: int, *, keys: int = 5) -> Caller:
    key = number % keys
    return Caller("default", f"org_{key % 2}", f"user_{key}", f"key_{key}")


def scopes_of(caller: Caller) -> tuple[ScopeId, ...]:
    return ScopeId(f"key:{caller.key_id}"), ScopeId(f"user:{caller.user_id}"), ScopeId(f"org:{caller.org_id}")


def held_call(number: int, *, started_ns: int | None = None, time_zone: str = "UTC") -> Held:
    caller = caller_of(number)
    return Held(
        call_id=f"{number:032x}",
        at_ns=NOON_NS + number * SECOND_NS // 1000 if started_ns is None else started_ns,
        caller=caller,
        scopes=scopes_of(caller),
        time_zone=time_zone,
        amount=Nanos(5_000_000),
        tokens=700,
        request_type="chat",
        model_asked="gpt-4o-mini",
        provider="openai",
        model="gpt-4o-mini",
        price_version="v1",
    )


def settled_call(number: int, *, settled_ns: int | None = None, **changes: Any) -> Settled:
    """The settlement of `held_call(number)`, half a second later; costs 1,000,000 + number nanos."""
    held = held_call(number, started_ns=changes.pop("started_ns", None), time_zone=changes.pop("time_zone", "UTC"))
    values: dict[str, Any] = {
        "call_id": held.call_id,
        "at_ns": held.at_ns + SECOND_NS // 2 if settled_ns is None else settled_ns,
        "started_ns": held.at_ns,
        "caller": held.caller,
        "scopes": held.scopes,
        "time_zone": held.time_zone,
        "held": True,
        "amount_held": held.amount,
        "cost": Nanos(1_000_000 + number),
        "tokens_held": held.tokens,
        "usage": Usage(input_tokens=100, output_tokens=number % 50, cache_read_tokens=10, reasoning_tokens=3),
        "usage_source": UsageSource.PROVIDER,
        "outcome": Outcome.SUCCESS,
        "request_type": "chat",
        "dialect": "openai-chat",
        "model_asked": "gpt-4o-mini",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "price_version": "v1",
        "route_reason": "configured order",
        "latency_ms": 500,
        "attempts": (AttemptRecord("openai", "openai-eu", "gpt-4o-mini", held.at_ns, 490, 120, 200),),
        "request_ip": "127.0.0.1",
        "user_agent": "test/1.0",
        "end_user": "someone",
        "metadata": {"team": "red"},
    }
    return Settled(**values | changes)


def reset_of(scope: str, at_ns: int, *, reset_id: str = "reset-1", time_zone: str = "UTC") -> QuotaReset:
    return QuotaReset(reset_id=reset_id, at_ns=at_ns, scope=ScopeId(scope), time_zone=time_zone)


def both(numbers: Iterable[int]) -> list[Record]:
    """Hold and settlement of each of these calls."""
    return [record for number in numbers for record in (held_call(number), settled_call(number))]


def write_segment(directory: Path, sequence: int, records: Iterable[Record], *, tail: bytes = b"") -> Path:
    """Writes or lengthens a segment, as a process would that was started at `sequence`."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{sequence:020d}-1.journal"
    with path.open("ab") as file:
        for record in records:
            file.write(framed(record))
        file.write(tail)
    return path
