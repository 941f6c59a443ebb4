"""The ledger against a model too simple to be wrong: whatever happens in whatever order, both know the same figures."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable

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
    concurrency,
    fault_of,
    held,
    money,
    principal,
    requests,
    reset,
    settled,
    tokens,
)
from tests.contract.ledger.conftest import ENGINES, TENANT
from tests.contract.ledger.model import Attempted, Model
from tests.support.redis_server import shared_redis

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.ports import Admission, Ledger
from onevault.core.records import Held, Settled
from onevault.core.windows import day_and_month, seconds_to_next_day, seconds_to_next_month
from onevault.stores.redis.keys import TenantKeys
from onevault.stores.redis.ledger import RedisLedger

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
AT_PROVIDER, AT_MODEL = ScopeId(f"{USER}|provider:openai"), ScopeId(f"{ORG}|model:gpt-4o")
CHAINS = (
    (KEY, USER, ORG),
    (OTHER_KEY, USER, ORG),
    (OTHER_KEY, ORG),
    (KEY, USER, ORG, AT_PROVIDER),
    (OTHER_KEY, USER, ORG, AT_PROVIDER, AT_MODEL),
)
ADMITTED_IN = (*CHAINS[:3], (AT_PROVIDER,), (AT_PROVIDER, AT_MODEL))
"""For the rates of its provider and model a call is admitted by itself."""
EVERY_SCOPE = (KEY, OTHER_KEY, USER, ORG, AT_PROVIDER, AT_MODEL)


UNTIL_END_OF = {Window.DAY: seconds_to_next_day, Window.MONTH: seconds_to_next_month}


def with_maxima(kinds: list[Limit], maxima: list[int | None]) -> list[Limit]:
    return [
        Limit(kind.scope, kind.metric, kind.window, maximum)
        for kind, maximum in zip(kinds, maxima, strict=True)
        if maximum is not None
    ]


def kind_of(limit: Limit) -> FaultKind:
    return FaultKind.BUDGET_EXCEEDED if limit.metric is Metric.MONEY else FaultKind.QUOTA_EXCEEDED


async def outcome_of(work: Awaitable[Admission]) -> Admission | Fault:
    try:
        return await work
    except Fault as fault:
        return fault


class LedgerAgainstModel(RuleBasedStateMachine):
    calls: Bundle[Held] = Bundle("calls")
    engine = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.opened = ENGINES[self.engine]()
        self.ledger, self.rates = self.loop.run_until_complete(self.opened.__aenter__())
        self.model = Model()
        self.number = 0
        self.admitted: list[Admission] = []
        self.newest: dict[str, Held] = {}
        """Holds that were enlarged, as they are now."""

    def teardown(self) -> None:
        self.loop.run_until_complete(self.opened.__aexit__(None, None, None))
        self.loop.close()

    @initialize(
        begins=st.sampled_from(BEGINNINGS),
        zone=st.sampled_from(ZONES),
        rates=st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=8, max_size=8),
        maxima=st.lists(st.one_of(st.none(), st.integers(0, 300)), min_size=13, max_size=13),
    )
    def begin(self, begins: int, zone: str, maxima: list[int | None], rates: list[int | None]) -> None:
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
            money(AT_PROVIDER, Window.DAY, 0),
            money(AT_MODEL, Window.MONTH, 0),
            tokens(AT_PROVIDER, Window.MONTH, 0),
            tokens(AT_MODEL, Window.DAY, 0),
        ]
        kinds_of_rates = [
            requests(KEY, Window.DAY, 0),
            requests(USER, Window.DAY, 0),
            requests(USER, Window.MONTH, 0),
            requests(ORG, Window.MONTH, 0),
            concurrency(ORG, 0),
            requests(AT_PROVIDER, Window.DAY, 0),
            requests(AT_MODEL, Window.MONTH, 0),
            concurrency(AT_PROVIDER, 0),
        ]
        self.limits, self.rate_limits = with_maxima(kinds, maxima), with_maxima(kinds_of_rates, rates)

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
        refused = self.model.refusals(hold, limits)
        fault = self.loop.run_until_complete(fault_of(self._reserve(hold, limits)))
        if fault is not None:
            assert fault.kind in {kind_of(limit) for limit in refused}
            if fault.kind is FaultKind.BUDGET_EXCEEDED:
                assert fault.money_left == self.model.money_left(hold, limits)
                return self._clamped(hold, limits, fault.money_left)
        else:
            assert not refused
        return hold

    def _clamped(self, hold: Held, limits: list[Limit], money_left: int) -> Held:
        """What is said to be left can be held, unless a limit of tokens is in the way."""
        lower = structs.replace(hold, amount=money_left)
        refused = self.model.refusals(lower, limits)
        assert all(limit.metric is Metric.TOKENS for limit in refused)
        fault = self.loop.run_until_complete(fault_of(self._reserve(lower, limits)))
        assert (fault is not None) == bool(refused)
        return lower

    async def _reserve(self, hold: Held, limits: list[Limit]) -> None:
        reserved = await self.ledger.reserve(hold, limits, tell=True)
        self.model.events.append(hold)
        assert reserved.standing == self.model.standing(hold, hold.at_ns, limits)

    @rule(hold=calls, more=st.integers(-5, 80), more_tokens=st.integers(-5, 80))
    def enlarge(self, hold: Held, more: int, more_tokens: int) -> None:
        """Of a call that is settled it changes nothing."""
        hold = self.newest.get(hold.call_id, hold)
        if hold not in self.model.events or hold.call_id in self.model.expired:
            return
        asked = structs.replace(hold, amount=max(0, hold.amount + more), tokens=max(0, hold.tokens + more_tokens))
        larger = structs.replace(hold, amount=max(hold.amount, asked.amount), tokens=max(hold.tokens, asked.tokens))
        is_settled = any(isinstance(event, Settled) and event.call_id == hold.call_id for event in self.model.events)
        limits = [limit for limit in self.limits if limit.scope in hold.scopes]
        refused = [] if is_settled or larger == hold else self.model.refusals(larger, limits, before=hold)
        fault = self.loop.run_until_complete(fault_of(self.ledger.reserve(asked, limits)))
        if fault is not None:
            assert fault.kind in {kind_of(limit) for limit in refused}
        else:
            assert not refused
            if not is_settled:
                self.model.events[self.model.events.index(hold)] = self.newest[hold.call_id] = larger

    @rule(hold=calls)
    def reserve_again(self, hold: Held) -> None:
        hold = self.newest.get(hold.call_id, hold)
        if hold in self.model.events and hold.call_id not in self.model.expired:
            self.loop.run_until_complete(self.ledger.reserve(hold, self.limits))

    @rule(hold=calls, cost=st.integers(0, 150), count=st.integers(0, 150))
    def settle(self, hold: Held, cost: int, count: int) -> None:
        """Also of calls that were refused (they were not held), and of settled ones again."""
        hold = self.newest.get(hold.call_id, hold)
        was_held = hold in self.model.events
        record = settled(hold, cost if was_held else 0, tokens=count, was_held=was_held, at_ns=self.now_ns)
        limits = [limit for limit in self.limits if limit.scope in hold.scopes]
        standing = self.loop.run_until_complete(self.ledger.settle(record, limits))
        self._settled(record)
        if self.newest_ns - record.started_ns < 2 * DAY_NS:  # older windows may be forgotten when another begins
            assert standing == self.model.standing(record, record.started_ns, limits)

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

    @rule(scope=st.sampled_from(EVERY_SCOPE))
    def reset(self, scope: ScopeId) -> None:
        self.number += 1
        record = reset(scope, at_ns=self.now_ns, reset_id=f"r{self.number}", zone=self.zone)
        self.loop.run_until_complete(self.ledger.reset(record))
        self.loop.run_until_complete(self.rates.reset(record))
        self.model.events.append(record)

    @rule(scopes=st.sampled_from(ADMITTED_IN))
    def admit(self, scopes: tuple[ScopeId, ...]) -> None:
        self.number += 1
        attempt = Attempted(f"a{self.number}", self.now_ns, self.zone, scopes)
        limits = [limit for limit in self.rate_limits if limit.scope in scopes]
        caller = principal(*limits, scopes=scopes, zone=self.zone)
        refused = self.model.attempt_refusals(attempt, limits)
        outcome = self.loop.run_until_complete(
            outcome_of(self.rates.admit(caller, call_id=attempt.call_id, now_ns=self.now_ns))
        )
        if isinstance(outcome, Fault):
            assert (outcome.kind, outcome.retry_after_s) in {
                (FaultKind.RATE_LIMITED, 1.0 if limit.maximum else None)
                if limit.metric is Metric.CONCURRENCY
                else (FaultKind.QUOTA_EXCEEDED, UNTIL_END_OF[limit.window](self.now_ns, self.zone))
                for limit in refused
            }
            return
        assert not refused
        self.model.events.append(attempt)
        self.model.running[attempt.call_id] = attempt
        left = {quota.window: quota.remaining for quota in outcome.quotas}
        assert left == self.model.attempts_left(attempt, limits)
        self.admitted.append(outcome)

    @rule(number=st.integers(0, 5))
    def leave(self, number: int) -> None:
        """One of those that were admitted, also a second time."""
        if self.admitted:
            admission = self.admitted[number % len(self.admitted)]
            self.loop.run_until_complete(self.rates.leave(admission))
            self.model.running.pop(admission.call_id, None)

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
        for scope in EVERY_SCOPE:
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

    @rule(hold=LedgerAgainstModel.calls)
    def its_process_is_taken_for_dead(self, hold: Held) -> None:
        """Its lease runs out. What it held is given back, and its settlement, should it still come, counts in full."""
        hold = self.newest.get(hold.call_id, hold)
        is_settled = any(isinstance(event, Settled) and event.call_id == hold.call_id for event in self.model.events)
        if hold not in self.model.events or is_settled or hold.call_id in self.model.expired:
            return
        shared_redis().command("ZADD", TenantKeys(TENANT).leases, "1", hold.call_id)
        assert isinstance(self.ledger, RedisLedger)
        assert self.loop.run_until_complete(self.ledger.leases.sweep(TENANT)) == 1
        self.model.expired.add(hold.call_id)


def _examples(most: int) -> settings:
    return settings(
        max_examples=most,
        stateful_step_count=60 if LONG else 40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


LedgerAgainstModel.TestCase.settings = _examples(500 if LONG else 60)
RedisAgainstModel.TestCase.settings = _examples(100 if LONG else 10)
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
