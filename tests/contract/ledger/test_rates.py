"""What every engine of the rates promises."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable

import pytest
from tests.contract.ledger.build import (
    KEY,
    NOON,
    ORG,
    OTHER_KEY,
    SECOND_NS,
    USER,
    at,
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

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, ScopeId, Window
from onevault.core.ports import Ledger, Rates, Reserved, Standing

TENANT = ScopeId("tenant:t1")


async def refused(rates: Rates, *limits: Limit, now_ns: int = NOON, zone: str = "UTC") -> Fault:
    with pytest.raises(Fault) as refusal:
        await rates.admit(principal(*limits, zone=zone), call_id="refused", now_ns=now_ns)
    return refusal.value


async def test_without_limits_everybody_is_let_in_and_there_is_no_standing(rates: Rates) -> None:
    admission = await rates.admit(principal(), call_id="a", now_ns=NOON)
    assert (admission.requests, admission.quotas) == (None, ())


@pytest.mark.parametrize(
    ("limit", "kind", "retry_after_s", "words"),
    [
        (requests(KEY, Window.MINUTE, 2), FaultKind.RATE_LIMITED, 60, ("API key", "2 requests per minute")),
        (requests(USER, Window.DAY, 2), FaultKind.QUOTA_EXCEEDED, 12 * 3600, ("user", "2 requests per day")),
        (
            requests(ORG, Window.MONTH, 2),
            FaultKind.QUOTA_EXCEEDED,
            228 * 3600,
            ("organization", "2 requests per month"),
        ),
        (concurrency(ORG, 2), FaultKind.RATE_LIMITED, 1, ("organization", "2 requests at the same time")),
    ],
)
async def test_a_limit_lets_in_as_many_as_it_says_and_then_names_itself(
    rates: Rates, limit: Limit, kind: FaultKind, retry_after_s: float, words: tuple[str, ...]
) -> None:
    for call_id in "ab":
        await rates.admit(principal(limit), call_id=call_id, now_ns=NOON)
    fault = await refused(rates, limit)
    assert (fault.kind, fault.retry_after_s) == (kind, retry_after_s)
    for word in words:
        assert word in fault.message


@pytest.mark.parametrize(
    "limit", [requests(KEY, Window.MINUTE, 0), concurrency(KEY, 0)], ids=["per minute", "at the same time"]
)
async def test_a_limit_of_nothing_lets_nobody_in_and_promises_no_time(rates: Rates, limit: Limit) -> None:
    assert (await refused(rates, limit)).retry_after_s is None


@pytest.mark.parametrize(
    "tight",
    [
        requests(ORG, Window.MINUTE, 0),
        requests(ORG, Window.DAY, 0),
        requests(ORG, Window.MONTH, 0),
        concurrency(ORG, 0),
    ],
)
async def test_a_refusal_in_one_scope_leaves_no_trace_in_any(rates: Rates, tight: Limit) -> None:
    roomy = [
        requests(KEY, Window.MINUTE, 1),
        requests(KEY, Window.DAY, 1),
        requests(USER, Window.MONTH, 1),
        concurrency(KEY, 1),
    ]
    await refused(rates, *roomy, tight)
    await rates.admit(principal(*roomy), call_id="a", now_ns=NOON)


async def test_the_minute_slides_to_the_nanosecond(rates: Rates) -> None:
    limits = [requests(KEY, Window.MINUTE, 2)]
    await rates.admit(principal(*limits), call_id="a", now_ns=NOON)
    await rates.admit(principal(*limits), call_id="b", now_ns=NOON + 45 * SECOND_NS)
    fault = await refused(rates, *limits, now_ns=NOON + 60 * SECOND_NS - 1)
    assert fault.retry_after_s == pytest.approx(1e-9)
    await rates.admit(principal(*limits), call_id="c", now_ns=NOON + 60 * SECOND_NS)
    assert (await refused(rates, *limits, now_ns=NOON + 60 * SECOND_NS)).retry_after_s == 45


async def test_no_sixty_seconds_ever_see_more_than_the_limit_and_nobody_is_refused_without_reason(rates: Rates) -> None:
    chance, now_ns = random.Random(3), NOON
    admitted: list[int] = []
    for number in range(3_000):
        now_ns += chance.choice((0, 1, 10_000_000, SECOND_NS, 9 * SECOND_NS))
        inside = [moment for moment in admitted if moment > now_ns - 60 * SECOND_NS]
        caller = principal(requests(KEY, Window.MINUTE, 20))
        fault = await fault_of(rates.admit(caller, call_id=f"c{number}", now_ns=now_ns))
        if fault is not None:
            assert len(inside) == 20
            assert fault.retry_after_s == pytest.approx((inside[0] + 60 * SECOND_NS - now_ns) / SECOND_NS)
        else:
            assert len(inside) < 20
            admitted.append(now_ns)
    assert 20 < len(admitted) < 3_000


async def test_an_attempt_that_comes_late_counts_from_when_it_came(rates: Rates) -> None:
    limits = [requests(KEY, Window.MINUTE, 2)]
    await rates.admit(principal(*limits), call_id="a", now_ns=NOON)
    await rates.admit(principal(*limits), call_id="b", now_ns=NOON - 5 * SECOND_NS)
    lowered = requests(KEY, Window.MINUTE, 1)
    assert (await refused(rates, lowered, now_ns=NOON + 50 * SECOND_NS)).retry_after_s == 10


async def test_a_limit_lowered_below_what_was_used_waits_until_enough_have_left(rates: Rates) -> None:
    for number in range(5):
        await rates.admit(
            principal(requests(KEY, Window.MINUTE, 5)), call_id=f"c{number}", now_ns=NOON + number * SECOND_NS
        )
    fault = await refused(rates, requests(KEY, Window.MINUTE, 2), now_ns=NOON + 4 * SECOND_NS)
    assert fault.retry_after_s == 59  # when the fourth has left, one is in the window


async def test_the_standing_is_that_of_the_tightest_minute(rates: Rates) -> None:
    loose, tight = requests(ORG, Window.MINUTE, 100), requests(KEY, Window.MINUTE, 3)
    await rates.admit(principal(loose, tight), call_id="a", now_ns=NOON)
    admission = await rates.admit(principal(loose, tight), call_id="b", now_ns=NOON + 20 * SECOND_NS)
    assert admission.requests is not None
    assert (admission.requests.limit, admission.requests.remaining, admission.requests.reset_s) == (3, 1, 40)


@pytest.mark.parametrize("is_tenants", [False, True], ids=["organization", "tenant"])
async def test_the_standing_of_tokens_is_what_is_held_and_settled_with_the_call_itself(
    ledger: Ledger, is_tenants: bool
) -> None:
    """Of the tenant's limits those per minute are told, too."""
    loose_scope = TENANT if is_tenants else ORG
    scopes = (KEY, USER, ORG, TENANT)
    limits = (tokens(loose_scope, Window.MINUTE, 150), tokens(KEY, Window.MINUTE, 100), money(KEY, Window.DAY, 1000))

    async def told(answer: Awaitable[Reserved | Standing | None]) -> tuple[int, int, float]:
        found = await answer
        standing = found.standing if isinstance(found, Reserved) else found
        assert standing is not None
        assert standing.tokens is not None
        return standing.tokens.limit, standing.tokens.remaining, standing.tokens.reset_s

    first = held("a", tokens=80, scopes=scopes)
    assert await told(ledger.reserve(first, limits, tell=True)) == (100, 20, 60)
    assert await told(ledger.settle(settled(first, 1, tokens=30, at_ns=NOON + 10 * SECOND_NS), limits)) == (100, 70, 50)
    other = held("b", tokens=75, scopes=(OTHER_KEY, USER, ORG, TENANT), at_ns=NOON + 10 * SECOND_NS)
    of_other = (tokens(loose_scope, Window.MINUTE, 150), tokens(OTHER_KEY, Window.MINUTE, 200))
    assert await told(ledger.reserve(other, of_other, tell=True)) == (150, 45, 50)
    late = settled(other, 1, tokens=0, at_ns=NOON + 70 * SECOND_NS)
    assert await told(ledger.settle(late, of_other)) == (150, 150, 0)


async def test_leaving_gives_the_concurrency_back_once(rates: Rates) -> None:
    limits = [concurrency(KEY, 2), concurrency(ORG, 2)]
    first = await rates.admit(principal(*limits), call_id="a", now_ns=NOON)
    await rates.admit(principal(*limits), call_id="b", now_ns=NOON)
    await rates.leave(first)
    await rates.leave(first)
    await rates.admit(principal(*limits), call_id="c", now_ns=NOON)
    await refused(rates, *limits)


async def test_a_call_that_runs_already_is_not_counted_again(rates: Rates) -> None:
    limits = [requests(KEY, Window.MINUTE, 2), requests(KEY, Window.DAY, 2), concurrency(KEY, 2)]
    for _ in range(5):
        await rates.admit(principal(*limits), call_id="a", now_ns=NOON)
    await rates.admit(principal(*limits), call_id="b", now_ns=NOON)
    await refused(rates, *limits)


async def test_scopes_are_counted_apart_and_those_above_them_together(rates: Rates) -> None:
    limits = [requests(KEY, Window.MINUTE, 1), requests(ORG, Window.MINUTE, 2)]
    others = [requests(OTHER_KEY, Window.MINUTE, 1), requests(ORG, Window.MINUTE, 2)]
    await rates.admit(principal(*limits), call_id="a", now_ns=NOON)
    await rates.admit(principal(*others, scopes=(OTHER_KEY, USER, ORG)), call_id="b", now_ns=NOON)
    assert "organization" in (await refused(rates, requests(ORG, Window.MINUTE, 2))).message


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"])
async def test_days_and_months_turn_at_midnight_in_the_organizations_time_zone(rates: Rates, zone: str) -> None:
    last, first = at("2026-11-30T23:59:59", zone), at("2026-12-01T00:00:00", zone)
    limits = [requests(KEY, Window.DAY, 1), requests(KEY, Window.MONTH, 1)]
    await rates.admit(principal(*limits, zone=zone), call_id="a", now_ns=last)
    assert (await refused(rates, *limits, now_ns=last, zone=zone)).retry_after_s == 1
    await rates.admit(principal(*limits, zone=zone), call_id="b", now_ns=first)
    await refused(rates, *limits, now_ns=first, zone=zone)
    # a call that began before midnight and comes late counts in the day that it began in, and today is not forgotten
    await refused(rates, *limits, now_ns=last, zone=zone)
    await refused(rates, *limits, now_ns=first, zone=zone)


async def test_attempts_are_counted_before_there_is_a_limit(rates: Rates) -> None:
    await rates.admit(principal(), call_id="a", now_ns=NOON)
    await refused(rates, requests(KEY, Window.DAY, 1))


async def test_a_reset_opens_the_day_and_month_of_one_scope_but_not_the_minute(rates: Rates) -> None:
    day, month, minute = (requests(KEY, window, 1) for window in (Window.DAY, Window.MONTH, Window.MINUTE))
    of_organization = requests(ORG, Window.DAY, 1)
    await rates.admit(principal(minute), call_id="a", now_ns=NOON)
    await rates.reset(reset(KEY))
    await refused(rates, minute)
    await refused(rates, of_organization)
    await rates.admit(principal(day, month), call_id="b", now_ns=NOON)
    await refused(rates, day)
    await rates.reset(reset(OTHER_KEY))


async def test_a_clock_that_is_set_back_does_not_close_the_minute_for_longer_than_a_minute(rates: Rates) -> None:
    limits = [requests(KEY, Window.MINUTE, 1)]
    await rates.admit(principal(*limits), call_id="a", now_ns=NOON)
    back = NOON - 3600 * SECOND_NS
    await refused(rates, *limits, now_ns=back)
    await rates.admit(principal(*limits), call_id="b", now_ns=back + 60 * SECOND_NS)


async def test_ten_thousand_concurrent_attempts_never_run_more_at_once_than_the_limit(rates: Rates) -> None:
    chance = random.Random(5)
    running = peak = admitted = 0
    caller = principal(concurrency(ORG, 50), requests(ORG, Window.DAY, 2_000))

    async def call(number: int) -> None:
        nonlocal running, peak, admitted
        for _ in range(chance.randint(0, 5)):
            await asyncio.sleep(0)
        try:
            admission = await rates.admit(caller, call_id=f"c{number}", now_ns=NOON)
        except Fault:
            return
        admitted, running = admitted + 1, running + 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        await rates.leave(admission)

    for wave in range(0, 10_000, 1_000):
        await asyncio.gather(*(call(number) for number in range(wave, wave + 1_000)))
    assert peak == 50
    assert 500 <= admitted <= 2_000
