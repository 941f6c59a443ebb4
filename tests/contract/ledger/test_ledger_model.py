"""The ledger against a model too simple to be wrong: whatever happens in whatever order, both know the same figures."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs
from tests.contract.ledger.build import (
    KEY,
    NOON,
    ORG,
    OTHER_KEY,
    SECOND_NS,
    USER,
    fault_of,
    held,
    money,
    reset,
    settled,
    tokens,
)
from tests.contract.ledger.conftest import ENGINES

from onevault.core.faults import FaultKind
from onevault.core.identity import Metric, ScopeId, Window
from onevault.core.ports import Ledger
from onevault.core.records import Held, QuotaReset, Settled
from onevault.core.windows import day_and_month

LONG = bool(os.environ.get("ONEVAULT_TEST_LONG"))
ZONES = (
    "UTC",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
)
BEGINNINGS = (NOON, 1_774_742_400 * SECOND_NS, 1_793_491_200 * SECOND_NS, 1_798_675_200 * SECOND_NS)
"""November, the eves of both changes of the clocks, the end of the year."""
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
CHAINS = ((KEY, USER, ORG), (OTHER_KEY, USER, ORG), (OTHER_KEY, ORG))


class Model:
    """Every event in order; every figure is summed up anew from them."""

    def __init__(self) -> None:
        self.events: list[Held | Settled | QuotaReset] = []

    def sums(self, scope: ScopeId, label: str) -> dict[str, int]:
        money = tokens = requests = overshoot = 0
        for event in self.events:
            if isinstance(event, Settled) and scope in event.scopes and label in _labels(event.started_ns, event):
                money += event.cost
                tokens += event.usage.total_tokens
                requests += 1
                overshoot += max(0, event.cost - event.amount_held)
            if isinstance(event, QuotaReset) and event.scope == scope:
                reset_labels = day_and_month(event.at_ns, event.time_zone)
                if label in reset_labels:
                    money = tokens = requests = 0
        ended = {event.call_id for event in self.events if isinstance(event, Settled)}
        open_holds = [
            event
            for event in self.events
            if isinstance(event, Held) and event.call_id not in ended and scope in event.scopes
        ]
        inside = [event for event in open_holds if label in _labels(event.at_ns, event)]
        return {
            "money": money,
            "tokens": tokens,
            "requests": requests,
            "overshoot": overshoot,
            "held": sum(event.amount for event in inside),
            "tokens_held": sum(event.tokens for event in inside),
        }


def _labels(at_ns: int, event: Held | Settled) -> tuple[str, ...]:
    return (*day_and_month(at_ns, event.time_zone), "")


class LedgerAgainstModel(RuleBasedStateMachine):
    calls: Bundle[Held] = Bundle("calls")
    engine = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.opened = ENGINES[self.engine]()
        self.ledger, _ = self.loop.run_until_complete(self.opened.__aenter__())
        self.model = Model()
        self.number = 0
        self.newest: dict[str, Held] = {}
        """Holds that were enlarged, as they are now."""

    def teardown(self) -> None:
        self.loop.run_until_complete(self.opened.__aexit__(None, None, None))
        self.loop.close()

    @initialize(
        begins=st.sampled_from(BEGINNINGS),
        zone=st.sampled_from(ZONES),
        maxima=st.lists(st.one_of(st.none(), st.integers(0, 300)), min_size=9, max_size=9),
    )
    def begin(self, begins: int, zone: str, maxima: list[int | None]) -> None:
        self.now_ns = self.newest_ns = begins
        self.zone = zone
        kinds = [
            money(KEY, Window.DAY, 0),
            money(KEY, Window.MONTH, 0),
            money(OTHER_KEY, Window.TOTAL, 0),
            money(USER, Window.DAY, 0),
            money(ORG, Window.DAY, 0),
            money(ORG, Window.MONTH, 0),
            money(ORG, Window.NOW, 0),
            tokens(USER, Window.MONTH, 0),
            tokens(ORG, Window.DAY, 0),
        ]
        self.limits = [
            type(kind)(kind.scope, kind.metric, kind.window, maximum)
            for kind, maximum in zip(kinds, maxima, strict=True)
            if maximum is not None
        ]

    @rule(
        target=calls,
        scopes=st.sampled_from(CHAINS),
        amount=st.integers(0, 120),
        count=st.integers(0, 120),
        began_before_s=st.sampled_from((0, 0, 1, 30)),
    )
    def reserve(self, scopes: tuple[ScopeId, ...], amount: int, count: int, began_before_s: int) -> Held:
        self.number += 1
        at_ns = self.now_ns - began_before_s * SECOND_NS
        hold = held(f"c{self.number}", amount, tokens=count, at_ns=at_ns, scopes=scopes, zone=self.zone)
        limits = [limit for limit in self.limits if limit.scope in scopes]
        kinds = self._refusals(hold)
        fault = self.loop.run_until_complete(fault_of(self.ledger.reserve(hold, limits)))
        if fault is not None:
            assert fault.kind in kinds
        else:
            assert not kinds
            self.model.events.append(hold)
        return hold

    @rule(hold=calls, more=st.integers(-5, 80), more_tokens=st.integers(-5, 80))
    def enlarge(self, hold: Held, more: int, more_tokens: int) -> None:
        """Of a call that is settled it changes nothing."""
        hold = self.newest.get(hold.call_id, hold)
        if hold not in self.model.events:
            return
        asked = structs.replace(hold, amount=max(0, hold.amount + more), tokens=max(0, hold.tokens + more_tokens))
        larger = structs.replace(hold, amount=max(hold.amount, asked.amount), tokens=max(hold.tokens, asked.tokens))
        is_settled = any(isinstance(event, Settled) and event.call_id == hold.call_id for event in self.model.events)
        kinds = set() if is_settled or larger == hold else self._refusals(larger, before=hold)
        limits = [limit for limit in self.limits if limit.scope in hold.scopes]
        fault = self.loop.run_until_complete(fault_of(self.ledger.reserve(asked, limits)))
        if fault is not None:
            assert fault.kind in kinds
        else:
            assert not kinds
            if not is_settled:
                self.model.events[self.model.events.index(hold)] = self.newest[hold.call_id] = larger

    def _refusals(self, hold: Held, before: Held | None = None) -> set[FaultKind]:
        day, month = day_and_month(hold.at_ns, hold.time_zone)
        labels = {Window.DAY: day, Window.MONTH: month, Window.TOTAL: ""}
        kinds = set()
        for limit in self.limits:
            if limit.scope not in hold.scopes:
                continue
            is_money = limit.metric is Metric.MONEY
            needed = hold.amount if is_money else hold.tokens
            used = 0
            more = needed
            if limit.window in labels:
                if before is not None:
                    more -= before.amount if is_money else before.tokens
                sums = self.model.sums(limit.scope, labels[limit.window])
                used = sums["money"] + sums["held"] if is_money else sums["tokens"] + sums["tokens_held"]
            if needed and used + more > limit.maximum:
                kinds.add(FaultKind.BUDGET_EXCEEDED if is_money else FaultKind.QUOTA_EXCEEDED)
        return kinds

    @rule(hold=calls)
    def reserve_again(self, hold: Held) -> None:
        hold = self.newest.get(hold.call_id, hold)
        if hold in self.model.events:
            self.loop.run_until_complete(self.ledger.reserve(hold, self.limits))

    @rule(hold=calls, cost=st.integers(0, 150), count=st.integers(0, 150))
    def settle(self, hold: Held, cost: int, count: int) -> None:
        """Also of calls that were refused (they were not held), and of settled ones again."""
        hold = self.newest.get(hold.call_id, hold)
        was_held = hold in self.model.events
        record = settled(hold, cost if was_held else 0, tokens=count, was_held=was_held, at_ns=self.now_ns)
        self.loop.run_until_complete(self.ledger.settle(record))
        self._settled(record)

    @rule(holds=st.lists(calls, min_size=2, max_size=6), cost=st.integers(0, 50))
    def settle_at_the_same_time(self, holds: list[Held], cost: int) -> None:
        holds = [self.newest.get(hold.call_id, hold) for hold in holds]
        records = [settled(hold, cost, at_ns=self.now_ns) for hold in holds if hold in self.model.events]

        async def together() -> None:
            await asyncio.gather(*(self.ledger.settle(record) for record in records))

        self.loop.run_until_complete(together())
        for record in records:
            self._settled(record)

    def _settled(self, record: Settled) -> None:
        ended = {event.call_id for event in self.model.events if isinstance(event, Settled)}
        if record.held and record.call_id not in ended:
            self.model.events.append(record)

    @rule(scope=st.sampled_from((KEY, OTHER_KEY, USER, ORG)))
    def reset(self, scope: ScopeId) -> None:
        self.number += 1
        record = reset(scope, at_ns=self.now_ns, reset_id=f"r{self.number}", zone=self.zone)
        self.loop.run_until_complete(self.ledger.reset(record))
        self.model.events.append(record)

    @rule(
        forward_ns=st.sampled_from(
            (1, SECOND_NS, 61 * SECOND_NS, HOUR_NS, 7 * HOUR_NS, DAY_NS, 9 * DAY_NS, 40 * DAY_NS)
        )
    )
    def time_passes(self, forward_ns: int) -> None:
        self.now_ns += forward_ns
        self.newest_ns = max(self.newest_ns, self.now_ns)

    @rule(back_ns=st.sampled_from((SECOND_NS, HOUR_NS, 5 * HOUR_NS)))
    def clock_is_set_back(self, back_ns: int) -> None:
        self.now_ns = max(self.now_ns - back_ns, self.newest_ns - 20 * HOUR_NS)

    @rule(zone=st.sampled_from(ZONES))
    def organization_moves(self, zone: str) -> None:
        self.zone = zone

    @invariant()
    def figures_are_the_models(self) -> None:
        if not hasattr(self, "now_ns"):
            return
        for scope in (KEY, OTHER_KEY, USER, ORG):
            found = self.loop.run_until_complete(self.ledger.figures(scope, time_zone=self.zone, now_ns=self.now_ns))
            assert (found.day, found.month) == day_and_month(self.now_ns, self.zone)
            day, month, total = (self.model.sums(scope, label) for label in (found.day, found.month, ""))
            assert (found.spent_day, found.requests_day) == (day["money"], day["requests"])
            assert (found.spent_month, found.requests_month) == (month["money"], month["requests"])
            assert found.tokens_month == month["tokens"]
            assert (found.spent_total, found.held) == (total["money"], total["held"])
            assert found.overshoot == total["overshoot"]


class RedisAgainstModel(LedgerAgainstModel):
    engine = "redis"


def _examples(most: int) -> settings:
    return settings(
        max_examples=most,
        stateful_step_count=60 if LONG else 40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


LedgerAgainstModel.TestCase.settings = _examples(1500 if LONG else 60)
RedisAgainstModel.TestCase.settings = _examples(300 if LONG else 10)
test_the_ledger_always_knows_what_the_model_knows = LedgerAgainstModel.TestCase
test_the_ledger_in_redis_always_knows_what_the_model_knows = RedisAgainstModel.TestCase


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=1000 if LONG else 100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 60), st.integers(0, 60), st.integers(0, 5)), max_size=80
    )
)
def test_no_sixty_seconds_hold_more_tokens_than_the_limit_and_none_are_refused_without_reason(
    engine: str, steps: list[tuple[int, int, int, int]]
) -> None:
    """Each step: milliseconds that pass, tokens asked for, tokens used in the end, after how many further steps it ends."""
    limit = tokens(KEY, Window.MINUTE, 100)
    counted: list[list[int]] = []
    ending: dict[int, list[tuple[Held, int, list[int]]]] = {}

    async def steps_of(ledger: Ledger) -> None:
        now_ns = NOON
        for number, (milliseconds, asked, used, later) in enumerate(steps):
            now_ns += milliseconds * 1_000_000
            for hold, tokens_used, entry in ending.pop(number, ()):
                await ledger.settle(settled(hold, 1, tokens=tokens_used, at_ns=now_ns))
                entry[1] = tokens_used
            hold = held(f"c{number}", tokens=asked, at_ns=now_ns)
            inside = sum(entry[1] for entry in counted if entry[0] > now_ns - 60 * SECOND_NS)
            a_little_longer = sum(entry[1] for entry in counted if entry[0] > now_ns - 60_100_000_000)
            fault = await fault_of(ledger.reserve(hold, [limit]))
            if fault is not None:
                assert fault.kind is FaultKind.RATE_LIMITED
                assert a_little_longer + asked > 100
                assert fault.retry_after_s is not None
                assert 0 < fault.retry_after_s <= 60
            else:
                assert inside + asked <= 100
                entry = [now_ns, asked]
                counted.append(entry)
                ending.setdefault(number + 1 + later, []).append((hold, used, entry))

    async def run() -> None:
        async with ENGINES[engine]() as (ledger, _):
            await steps_of(ledger)

    asyncio.run(run())
