"""Compares what a shared ledger holds with the calls that it holds it for, and these with the journals of processes that run.

The first is read at one moment, so it must be the same to the nano whatever goes on, for the calls of all hosts. A call is held in the
ledger before its journal has it, and settled in its journal before the ledger; so the ledger must know each that the journal of a
process at work holds, with no less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain

from onevault.core.identity import ScopeId
from onevault.core.records import Held
from onevault.stores.held import HeldNow, Holding
from onevault.stores.verify.shared import ASKED_TOGETHER, SharedLedger
from onevault.stores.verify.words import Difference, Kind

_WINDOWS = {0: "total", len("2026-11"): "month", len("2026-11-21"): "day"}


class SharedHolds:
    """`compare` tells what does not agree; `calls` is how many the ledger held something for; `missing` are those, of the calls that
    were given, that it knows nothing of: whoever has them settled by now has not lost them."""

    def __init__(self, ledger: SharedLedger, running: Mapping[str, Held]) -> None:
        """`running` are the holds in the journals of processes at work."""
        self._ledger = ledger
        self._running = {call_id: hold for call_id, hold in running.items() if not hold.grace}
        self.calls = 0
        self.missing: list[Held] = []

    async def compare(self, scopes: list[ScopeId]) -> list[Difference]:
        """Raises Fault STORE_UNAVAILABLE."""
        now = await self._ledger.held([], list(self._running))
        self.calls = len(now.calls)
        self.missing = [self._running[call_id] for call_id in sorted(now.unknown)]
        found = [
            _less(hold, held.holding) for call_id, hold in self._running.items() if (held := now.calls.get(call_id))
        ]
        held_in = [call.scopes for call in now.calls.values()] + [hold.scopes for hold in self._running.values()]
        every = sorted({*scopes, *chain.from_iterable(held_in)})
        for start in range(0, len(every), ASKED_TOGETHER):
            together = every[start : start + ASKED_TOGETHER]
            found += _not_summing_up(await self._ledger.held(together, []), together)
        return [difference for difference in found if difference is not None]


def missing(hold: Held) -> Difference:
    """The shared ledger holds nothing for a call that runs."""
    message = (
        f"The call {hold.call_id} runs and is held at {hold.amount} nanos in its journal; the shared ledger knows nothing of it "
        "(it may have lost its data since the call began)."
    )
    return Difference(kind=Kind.SHARED_HELD, message=message, call_id=hold.call_id)


def _less(hold: Held, has: Holding) -> Difference | None:
    if has.nanos >= hold.amount and has.tokens >= hold.tokens:
        return None
    message = (
        f"The call {hold.call_id} is held at {hold.amount} nanos and {hold.tokens} tokens in its journal; "
        f"the shared ledger holds {has.nanos} and {has.tokens} for it."
    )
    return Difference(kind=Kind.SHARED_HELD, message=message, call_id=hold.call_id)


def _not_summing_up(now: HeldNow, scopes: list[ScopeId]) -> list[Difference]:
    sums: defaultdict[tuple[ScopeId, str], Holding] = defaultdict(Holding)
    for call in now.calls.values():
        for scope in call.scopes:
            for label in (call.day, call.month, ""):
                sums[scope, label] += call.holding
    found = []
    asked = frozenset(scopes)
    for scope, label in sorted({*now.figures, *sums}):
        has, wanted = now.figures.get((scope, label), Holding()), sums.get((scope, label), Holding())
        if scope in asked and has != wanted:
            when = f"in {label}" if label else "in total"
            message = (
                f"{scope} {when}: the shared ledger has {has.nanos} nanos and {has.tokens} tokens held; "
                f"the calls that it holds come to {wanted.nanos} and {wanted.tokens}."
            )
            difference = Difference(
                kind=Kind.SHARED_HELD,
                message=message,
                scope=scope,
                window=_WINDOWS[len(label)],
                label=label,
                stored={"held_nanos": has.nanos, "held_tokens": has.tokens},
                recomputed={"held_nanos": wanted.nanos, "held_tokens": wanted.tokens},
            )
            found.append(difference)
    return found
