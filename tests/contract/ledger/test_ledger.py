"""What every ledger promises."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.contract.ledger.build import (
    KEY,
    NOON,
    ORG,
    OTHER_KEY,
    SCOPES,
    SECOND_NS,
    USER,
    at,
    fault_of,
    held,
    money,
    requests,
    reset,
    settled,
    tokens,
)

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Metric, Window
from onevault.core.ports import Figures, Ledger


async def figures(ledger: Ledger, scope: str = ORG, *, now_ns: int = NOON, zone: str = "UTC") -> Figures:
    return await ledger.figures(scope, time_zone=zone, now_ns=now_ns)  # type: ignore[arg-type]


async def test_a_scope_never_seen_has_used_nothing(ledger: Ledger) -> None:
    assert await figures(ledger) == Figures(scope=ORG, day="2026-11-21", month="2026-11")


async def test_a_hold_counts_as_held_in_every_scope_and_its_settlement_as_spent(ledger: Ledger) -> None:
    hold = held("a", 100, tokens=50)
    await ledger.reserve(hold, [])
    for scope in SCOPES:
        found = await figures(ledger, scope)
        assert (found.held, found.spent_day, found.tokens_month, found.requests_day) == (100, 0, 0, 0)
    await ledger.settle(settled(hold, 30, tokens=20))
    for scope in SCOPES:
        assert await figures(ledger, scope) == Figures(
            scope=scope,
            day="2026-11-21",
            month="2026-11",
            spent_day=30,
            spent_month=30,
            spent_total=30,
            held=0,
            requests_day=1,
            requests_month=1,
            tokens_day=20,
            tokens_month=20,
        )


REFUSALS = [
    (money(KEY, Window.DAY, 99), FaultKind.BUDGET_EXCEEDED, "API key", "a day"),
    (money(USER, Window.MONTH, 99), FaultKind.BUDGET_EXCEEDED, "user", "a month"),
    (money(ORG, Window.TOTAL, 99), FaultKind.BUDGET_EXCEEDED, "organization", "all time"),
    (money(ORG, Window.NOW, 99), FaultKind.BUDGET_EXCEEDED, "organization", "one call"),
    (tokens(KEY, Window.MINUTE, 49), FaultKind.RATE_LIMITED, "API key", "minute"),
    (tokens(ORG, Window.MONTH, 49), FaultKind.QUOTA_EXCEEDED, "organization", "a month"),
]


@pytest.mark.parametrize(("limit", "kind", "scope", "window"), REFUSALS)
async def test_a_call_that_alone_is_above_a_limit_is_refused_and_told_never_to_come_back(
    ledger: Ledger, limit: Limit, kind: FaultKind, scope: str, window: str
) -> None:
    with pytest.raises(Fault) as refusal:
        await ledger.reserve(held("a", 100, tokens=50), [limit])
    assert refusal.value.kind is kind
    assert scope in refusal.value.message
    assert window in refusal.value.message
    assert refusal.value.retry_after_s is None
    await ledger.reserve(held("b", 99, tokens=49), [limit])


@pytest.mark.parametrize(
    ("limit", "kind", "retry_after_s"),
    [
        (money(KEY, Window.DAY, 150), FaultKind.BUDGET_EXCEEDED, 12 * 3600),
        (money(USER, Window.MONTH, 150), FaultKind.BUDGET_EXCEEDED, (9 * 24 + 12) * 3600),
        (money(ORG, Window.TOTAL, 150), FaultKind.BUDGET_EXCEEDED, None),
        (tokens(KEY, Window.MINUTE, 75), FaultKind.RATE_LIMITED, 60),
        (tokens(ORG, Window.MONTH, 75), FaultKind.QUOTA_EXCEEDED, (9 * 24 + 12) * 3600),
    ],
)
async def test_a_limit_without_room_tells_when_there_is_some(
    ledger: Ledger, limit: Limit, kind: FaultKind, retry_after_s: float | None
) -> None:
    await ledger.reserve(held("a", 100, tokens=50), [limit])
    with pytest.raises(Fault) as refusal:
        await ledger.reserve(held("b", 100, tokens=50), [limit])
    assert (refusal.value.kind, refusal.value.retry_after_s) == (kind, retry_after_s)


@pytest.mark.parametrize(("limit", "kind", "scope", "window"), REFUSALS)
async def test_a_refused_hold_leaves_no_trace_in_any_scope(
    ledger: Ledger, limit: Limit, kind: FaultKind, scope: str, window: str
) -> None:
    roomy = [money(KEY, Window.DAY, 1000), tokens(KEY, Window.MINUTE, 1000), tokens(USER, Window.MINUTE, 60)]
    with pytest.raises(Fault):
        await ledger.reserve(held("a", 100, tokens=50), [*roomy, limit])
    for counted in SCOPES:
        found = await figures(ledger, counted)
        assert (found.held, found.spent_total, found.tokens_month) == (0, 0, 0)
    await ledger.reserve(held("b", 100, tokens=50), roomy)  # user's minute has room for one of them only


async def test_a_refusal_for_money_tells_what_all_limits_together_afford_so_that_less_can_be_held(
    ledger: Ledger,
) -> None:
    limits = [
        money(KEY, Window.MONTH, 100),
        tokens(USER, Window.MONTH, 1000),
        money(USER, Window.DAY, 70),
        money(ORG, Window.TOTAL, 90),
        money(KEY, Window.NOW, 50),
    ]
    await ledger.reserve(held("a", 30), limits)
    refused = await fault_of(ledger.reserve(held("b", 71, tokens=5), limits))
    assert refused is not None
    assert refused.money_left == 40  # of the user's day, though the key's month was asked first
    refused = await fault_of(ledger.reserve(held("b", 41, tokens=5), limits))
    assert refused is not None
    assert refused.money_left == 40
    await ledger.reserve(held("b", 40, tokens=5), limits)
    nothing = await fault_of(ledger.reserve(held("c", 1), limits))
    assert nothing is not None
    assert nothing.money_left == 0
    of_tokens = await fault_of(ledger.reserve(held("d", 0, tokens=1000), limits))
    assert of_tokens is not None
    assert of_tokens.money_left is None


async def test_a_message_names_no_figures(ledger: Ledger) -> None:
    limits = [money(ORG, Window.MONTH, 777)]
    await ledger.reserve(held("a", 555), limits)
    with pytest.raises(Fault) as refusal:
        await ledger.reserve(held("b", 333), limits)
    assert not any(character.isdigit() for character in refusal.value.message)


async def test_a_call_that_costs_nothing_is_held_where_nothing_is_left(ledger: Ledger) -> None:
    limits = [money(ORG, Window.MONTH, 10), tokens(ORG, Window.MONTH, 10)]
    await ledger.reserve(held("a", 10, tokens=10), limits)
    await ledger.reserve(held("b", 0), limits)


async def test_limits_of_the_rates_are_not_the_ledgers(ledger: Ledger) -> None:
    await ledger.reserve(held("a", 10), [requests(ORG, Window.MINUTE, 0), requests(ORG, Window.DAY, 0)])


async def test_reserving_twice_holds_once_and_settling_twice_counts_once(ledger: Ledger) -> None:
    hold = held("a", 60)
    limits = [money(ORG, Window.DAY, 100)]
    await ledger.reserve(hold, limits)
    await ledger.reserve(hold, limits)
    assert (await figures(ledger)).held == 60
    await ledger.settle(settled(hold, 50))
    await ledger.settle(settled(hold, 50))
    await ledger.settle(settled(hold, 7))
    await ledger.reserve(hold, limits)
    found = await figures(ledger)
    assert (found.spent_total, found.held, found.requests_day) == (50, 0, 1)


async def test_a_hold_is_enlarged_in_every_scope_and_ends_with_its_settlement(ledger: Ledger) -> None:
    limits = [money(KEY, Window.DAY, 200), money(ORG, Window.NOW, 180), tokens(USER, Window.MINUTE, 100)]
    await ledger.reserve(held("a", 100, tokens=50), limits)
    larger = held("a", 150, tokens=80)
    for _ in range(2):
        await ledger.reserve(larger, limits)
        for scope in SCOPES:
            assert (await figures(ledger, scope)).held == 150
    await ledger.reserve(held("a", 120, tokens=90), [])
    assert (await figures(ledger)).held == 150  # never smaller
    assert (await fault_of(ledger.reserve(held("b", 1, tokens=11), limits))) is not None  # the minute has 10 left
    await ledger.settle(settled(larger, 150, tokens=10))
    found = await figures(ledger)
    assert (found.held, found.spent_day, found.overshoot, found.requests_day) == (0, 150, 0, 1)
    await ledger.reserve(held("c", 50, tokens=90), limits)
    await ledger.reserve(held("a", 180), limits)
    assert (await figures(ledger)).held == 50  # nothing of a call that is settled


ENLARGED_BEYOND = [
    money(KEY, Window.DAY, 149),
    money(USER, Window.MONTH, 149),
    money(ORG, Window.TOTAL, 149),
    money(ORG, Window.NOW, 139),
    tokens(KEY, Window.MINUTE, 79),
    tokens(ORG, Window.MONTH, 79),
]


@pytest.mark.parametrize("limit", ENLARGED_BEYOND)
async def test_a_hold_that_may_not_be_enlarged_stays_as_it_was_in_every_scope(ledger: Ledger, limit: Limit) -> None:
    roomy = [money(KEY, Window.DAY, 1000), tokens(KEY, Window.MINUTE, 1000), tokens(USER, Window.MINUTE, 100)]
    await ledger.reserve(held("other", 10), roomy)
    hold = held("a", 100, tokens=50)
    await ledger.reserve(hold, [*roomy, limit])
    refusal = await fault_of(ledger.reserve(held("a", 140, tokens=80), [*roomy, limit]))
    assert refusal is not None
    assert refusal.money_left == (139 if limit.metric is Metric.MONEY else None)  # for this call in all
    for scope in SCOPES:
        assert (await figures(ledger, scope)).held == 110
    await ledger.reserve(held("b", 1, tokens=50), [*roomy])  # the user's minute has its room still
    await ledger.settle(settled(hold, 60))
    assert ((await figures(ledger)).held, (await figures(ledger)).spent_total) == (11, 60)


async def test_a_settlement_below_the_hold_gives_the_rest_back(ledger: Ledger) -> None:
    limits = [money(ORG, Window.DAY, 100), tokens(ORG, Window.MINUTE, 100), tokens(ORG, Window.MONTH, 100)]
    hold = held("a", 100, tokens=100)
    await ledger.reserve(hold, limits)
    await ledger.settle(settled(hold, 40, tokens=30))
    with pytest.raises(Fault):
        await ledger.reserve(held("b", 61), limits)
    with pytest.raises(Fault):
        await ledger.reserve(held("b", 1, tokens=71), limits)
    await ledger.reserve(held("b", 60, tokens=70), limits)


async def test_a_cost_above_the_hold_is_recorded_in_full_and_the_excess_counted(ledger: Ledger) -> None:
    hold = held("a", 100)
    await ledger.reserve(hold, [money(ORG, Window.DAY, 100)])
    await ledger.settle(settled(hold, 130))
    found = await figures(ledger)
    assert (found.spent_day, found.overshoot, found.held) == (130, 30, 0)
    with pytest.raises(Fault):
        await ledger.reserve(held("b", 1), [money(ORG, Window.DAY, 100)])


async def test_a_settlement_of_a_call_that_was_never_held_counts_nothing(ledger: Ledger) -> None:
    await ledger.settle(settled(held("a", 0), 0, was_held=False))
    assert await figures(ledger) == Figures(scope=ORG, day="2026-11-21", month="2026-11")


async def test_a_settlement_whose_hold_is_unknown_counts_in_full_once_for_usage_is_never_lost(ledger: Ledger) -> None:
    hold = held("a", 100)
    await ledger.settle(settled(hold, 130, tokens=9))
    await ledger.settle(settled(hold, 130, tokens=9))
    found = await figures(ledger)
    assert (found.spent_day, found.overshoot, found.held, found.tokens_month) == (130, 30, 0, 9)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"])
async def test_a_call_counts_in_the_windows_of_its_hold_in_the_callers_time_zone(ledger: Ledger, zone: str) -> None:
    before, after = at("2026-11-30T23:59:59", zone), at("2026-12-01T00:00:01", zone)
    hold = held("a", 100, at_ns=before, zone=zone)
    await ledger.reserve(hold, [])
    await ledger.settle(settled(hold, 80, at_ns=after))
    old = await figures(ledger, now_ns=before, zone=zone)
    new = await figures(ledger, now_ns=after, zone=zone)
    assert (old.day, old.month, old.spent_day, old.spent_month) == ("2026-11-30", "2026-11", 80, 80)
    assert (new.day, new.month, new.spent_day, new.spent_month, new.spent_total) == ("2026-12-01", "2026-12", 0, 0, 80)


async def test_a_settlement_whose_hold_is_unknown_counts_in_the_windows_in_which_its_call_began(ledger: Ledger) -> None:
    before, after = at("2026-11-30T23:59:59"), at("2026-12-01T00:00:01")
    await ledger.settle(settled(held("a", 100, at_ns=before), 80, at_ns=after))
    assert (await figures(ledger, now_ns=before)).spent_month == 80
    assert (await figures(ledger, now_ns=after)).spent_month == 0


@pytest.mark.parametrize(
    ("zone", "begins", "ends"),
    [
        ("Europe/Berlin", "2026-03-29T00:00:00", "2026-03-29T23:59:59"),  # 23 hours
        ("Europe/Berlin", "2026-10-25T00:00:00", "2026-10-25T23:59:59"),  # 25 hours
        ("America/New_York", "2026-11-01T00:00:00", "2026-11-01T23:59:59"),
        ("Australia/Lord_Howe", "2026-10-04T00:00:00", "2026-10-04T23:59:59"),  # half an hour
    ],
)
async def test_a_day_on_which_the_clocks_change_is_one_day(ledger: Ledger, zone: str, begins: str, ends: str) -> None:
    limits = [money(KEY, Window.DAY, 100)]
    await ledger.reserve(held("a", 60, at_ns=at(begins, zone), zone=zone), limits)
    with pytest.raises(Fault) as refusal:
        await ledger.reserve(held("b", 60, at_ns=at(ends, zone), zone=zone), limits)
    assert refusal.value.retry_after_s == 1
    await ledger.reserve(held("c", 60, at_ns=at(ends, zone) + SECOND_NS, zone=zone), limits)


async def test_a_hold_of_yesterday_does_not_take_from_today(ledger: Ledger) -> None:
    limits = [money(KEY, Window.DAY, 100)]
    yesterday = held("a", 100, at_ns=NOON - 24 * 3600 * SECOND_NS)
    await ledger.reserve(yesterday, limits)
    await ledger.reserve(held("b", 100), limits)
    await ledger.settle(settled(yesterday, 100, at_ns=NOON))
    assert (await figures(ledger)).spent_day == 0


async def test_a_reset_sets_the_running_day_and_month_of_one_scope_to_nothing_but_keeps_holds_and_the_total(
    ledger: Ledger,
) -> None:
    spent, in_flight = held("a", 100, tokens=7), held("b", 40)
    limits = [money(KEY, Window.MONTH, 140)]
    await ledger.reserve(spent, limits)
    await ledger.settle(settled(spent, 100, tokens=7))
    await ledger.reserve(in_flight, limits)
    await ledger.reset(reset(KEY))
    found = await figures(ledger, KEY)
    assert (found.spent_day, found.spent_month, found.requests_month, found.tokens_month) == (0, 0, 0, 0)
    assert (found.held, found.spent_total) == (40, 100)
    assert (await figures(ledger, ORG)).spent_month == 100
    await ledger.reserve(held("c", 100), limits)
    with pytest.raises(Fault):
        await ledger.reserve(held("d", 1), limits)
    await ledger.settle(settled(in_flight, 40))
    assert (await figures(ledger, KEY)).spent_month == 40


async def test_a_reset_of_a_scope_never_seen_does_nothing(ledger: Ledger) -> None:
    await ledger.reset(reset(KEY))
    assert (await figures(ledger, KEY)).spent_month == 0


async def test_tokens_leave_the_minute_after_sixty_seconds_and_not_before(ledger: Ledger) -> None:
    limits = [tokens(KEY, Window.MINUTE, 100)]
    await ledger.reserve(held("a", tokens=60), limits)
    await ledger.reserve(held("b", tokens=40, at_ns=NOON + 30 * SECOND_NS), limits)
    with pytest.raises(Fault) as refusal:
        await ledger.reserve(held("c", tokens=60, at_ns=NOON + 60 * SECOND_NS - 1), limits)
    assert refusal.value.retry_after_s == pytest.approx(1e-9)
    await ledger.reserve(held("c", tokens=60, at_ns=NOON + 60 * SECOND_NS), limits)
    with pytest.raises(Fault) as refusal:
        await ledger.reserve(held("d", tokens=50, at_ns=NOON + 60 * SECOND_NS), limits)
    assert refusal.value.retry_after_s == 60  # the 40 of half a minute ago are not enough


async def test_tokens_of_calls_that_began_together_leave_together_and_none_leaves_early(ledger: Ledger) -> None:
    limits, together_ns = [tokens(KEY, Window.MINUTE, 100)], SECOND_NS // 20
    await ledger.reserve(held("a", tokens=50, at_ns=NOON), limits)
    await ledger.reserve(held("b", tokens=50, at_ns=NOON + together_ns), limits)
    left_ns = NOON + together_ns + 60 * SECOND_NS
    with pytest.raises(Fault):
        await ledger.reserve(held("c", tokens=51, at_ns=left_ns - 1), limits)
    await ledger.reserve(held("c", tokens=100, at_ns=left_ns), limits)


async def test_a_settlement_after_its_tokens_left_the_minute_changes_the_minute_no_more(ledger: Ledger) -> None:
    limits = [tokens(KEY, Window.MINUTE, 100)]
    old = held("a", tokens=100)
    await ledger.reserve(old, limits)
    late = NOON + 61 * SECOND_NS
    await ledger.reserve(held("b", tokens=10, at_ns=late), limits)
    await ledger.settle(settled(old, 1, tokens=1, at_ns=late))
    with pytest.raises(Fault):
        await ledger.reserve(held("c", tokens=91, at_ns=late), limits)
    await ledger.reserve(held("c", tokens=90, at_ns=late), limits)


async def test_a_call_that_took_its_time_to_arrive_does_not_reopen_the_minute(ledger: Ledger) -> None:
    limits = [tokens(KEY, Window.MINUTE, 100)]
    await ledger.reserve(held("a", tokens=100, at_ns=NOON), limits)
    with pytest.raises(Fault):
        await ledger.reserve(held("b", tokens=1, at_ns=NOON - 59 * SECOND_NS), limits)
    with pytest.raises(Fault):
        await ledger.reserve(held("c", tokens=1, at_ns=NOON + 59 * SECOND_NS), limits)


async def test_a_clock_that_is_set_back_does_not_close_the_minute_for_longer_than_a_minute(ledger: Ledger) -> None:
    limits = [tokens(KEY, Window.MINUTE, 100)]
    await ledger.reserve(held("a", tokens=100, at_ns=NOON), limits)
    back = NOON - 3600 * SECOND_NS
    with pytest.raises(Fault):
        await ledger.reserve(held("b", tokens=1, at_ns=back), limits)
    await ledger.reserve(held("c", tokens=1, at_ns=back + 60 * SECOND_NS), limits)


async def test_ten_thousand_concurrent_calls_never_hold_or_settle_more_than_the_limit(ledger: Ledger) -> None:
    chance = random.Random(7)
    organization, key = money(ORG, Window.MONTH, 50_000), money(KEY, Window.DAY, 30_000)
    refused = peak = 0

    async def call(number: int) -> None:
        nonlocal refused, peak
        scope = KEY if number % 2 else OTHER_KEY
        hold = held(f"c{number}", chance.randint(1, 100), scopes=(scope, USER, ORG))
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        fault = await fault_of(ledger.reserve(hold, [key, organization] if scope == KEY else [organization]))
        if fault is not None:
            assert fault.kind is FaultKind.BUDGET_EXCEEDED
            refused += 1
            return
        found = await figures(ledger)
        peak = max(peak, found.spent_month + found.held)
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        await ledger.settle(settled(hold, chance.randint(0, hold.amount)))

    await asyncio.gather(*(call(number) for number in range(10_000)))
    of_organization, of_key = await figures(ledger), await figures(ledger, KEY)
    assert of_organization.held == of_key.held == 0
    assert of_key.spent_day <= 30_000
    assert of_organization.spent_month <= 50_000
    assert 49_900 <= peak <= 50_000
    assert refused > 0
    await ledger.reserve(held("rest", 50_000 - of_organization.spent_month), [organization])
    with pytest.raises(Fault):
        await ledger.reserve(held("more", 1), [organization])
