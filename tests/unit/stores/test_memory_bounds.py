"""What the engines in memory keep is bounded by what is in use, and what they forget could not come back."""

from __future__ import annotations

import pytest
from tests.contract.ledger.build import KEY, NOON, SECOND_NS, held, principal, requests, settled, tokens

from onevault.core.identity import ScopeId, Window
from onevault.stores.memory.attempts import Attempts
from onevault.stores.memory.labels import far_from
from onevault.stores.memory.ledger import SETTLED_IDS_KEPT, MemoryLedger
from onevault.stores.memory.minutes import SLICE_NS, TokenMinute, TokenMinutes
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.memory.windows import open_window

DAY_NS = 24 * 3600 * SECOND_NS


async def test_scopes_whose_month_is_over_are_forgotten_while_new_ones_come() -> None:
    rates = MemoryRates()
    most = 0
    for number in range(6_000):
        now_ns = NOON + number * DAY_NS // 50  # fifty new keys a day, for four months
        scope = ScopeId(f"key:{number}")
        limit = requests(scope, Window.MINUTE, 10)
        admission = await rates.admit(principal(limit, scopes=(scope,)), call_id=f"c{number}", now_ns=now_ns)
        await rates.leave(admission)
        most = max(most, rates.scopes)
    assert most < 50 * 31 * 2.2
    assert rates.running == 0


async def test_a_scope_with_a_call_running_is_never_forgotten() -> None:
    rates = MemoryRates()
    await rates.admit(principal(), call_id="long", now_ns=NOON)
    for number in range(100):
        scope = ScopeId(f"key:{number}")
        await rates.admit(principal(scopes=(scope,)), call_id=f"c{number}", now_ns=NOON + number * 90 * DAY_NS)
    assert rates.scopes == 103


async def test_minutes_of_tokens_are_forgotten_when_they_are_empty() -> None:
    minutes = TokenMinutes()
    ledger = MemoryLedger(minutes=minutes)
    for number in range(1_000):
        scope = ScopeId(f"key:{number}")
        hold = held(f"c{number}", tokens=1, at_ns=NOON + number * SECOND_NS, scopes=(scope,))
        await ledger.reserve(hold, [tokens(scope, Window.MINUTE, 10)])
        await ledger.settle(settled(hold, 1, tokens=1))
    assert len(minutes) < 130


async def test_two_new_scopes_of_one_call_do_not_push_each_other_out() -> None:
    ledger, rates = MemoryLedger(), MemoryRates()
    scopes = tuple(ScopeId(f"key:{number}") for number in range(10))
    limits = [tokens(scope, Window.MINUTE, 10) for scope in scopes]
    await ledger.reserve(held("a", tokens=10, scopes=scopes), limits)
    for limit in limits:
        with pytest.raises(Exception, match="tokens per minute"):
            await ledger.reserve(held("b", tokens=1, scopes=scopes), [limit])
    await rates.admit(principal(scopes=scopes), call_id="a", now_ns=NOON)
    for scope in scopes:
        with pytest.raises(Exception, match="1 request per day"):
            await rates.admit(principal(requests(scope, Window.DAY, 1), scopes=scopes), call_id="b", now_ns=NOON)


def test_a_minute_needs_six_hundred_slices_however_many_calls_there_are() -> None:
    minute = TokenMinute()
    for number in range(200_000):
        at_ns = minute.advance(NOON + number * SECOND_NS // 1_000)
        minute.slice_at(at_ns).change(1)
    assert len(minute.slices) <= 60 * SECOND_NS // SLICE_NS + 1
    assert 60_000 - 1 <= minute.tokens <= 60_000 + 100


async def test_settled_ids_are_remembered_for_a_while_and_not_forever() -> None:
    ledger = MemoryLedger()
    hold = held("first", 10)
    await ledger.reserve(hold, [])
    await ledger.settle(settled(hold, 10))
    for number in range(SETTLED_IDS_KEPT - 1):
        other = held(f"c{number}", 1)
        await ledger.reserve(other, [])
        await ledger.settle(settled(other, 1))
    await ledger.settle(settled(hold, 10))
    await ledger.reserve(hold, [])
    assert ledger.holds == 0
    figures = await ledger.figures(KEY, time_zone="UTC", now_ns=NOON)
    assert figures.spent_total == 10 + SETTLED_IDS_KEPT - 1
    assert len(ledger._settled) + len(ledger._settled_before) <= 2 * SETTLED_IDS_KEPT


@pytest.mark.parametrize(
    ("label", "others", "far"),
    [
        (
            "2026-11-21",
            ["2026-11-18", "2026-11-24", "2026-11-17", "2026-11-25", "2026-11", ""],
            ["2026-11-17", "2026-11-25"],
        ),
        ("2026-01-01", ["2025-12-31", "2025-12-28", "2025-12"], ["2025-12-28"]),
        ("2026-01", ["2025-12", "2025-11", "2026-02", "2026-03", "2026-01-01"], ["2025-11", "2026-03"]),
        ("", ["2026-11-21", "2026-11"], []),
    ],
)
def test_windows_are_forgotten_by_their_distance(label: str, others: list[str], far: list[str]) -> None:
    assert far_from(label, others) == far


def test_a_far_window_is_kept_while_something_is_held_in_it() -> None:
    windows = {}
    open_window(windows, "2026-11-01").held = 5
    open_window(windows, "2026-11-02").money = 5
    open_window(windows, "2026-11-21")
    assert list(windows) == ["2026-11-01", "2026-11-21"]


def test_counts_of_a_clock_that_ran_ahead_do_not_push_out_todays() -> None:
    attempts = Attempts()
    for label in ("2031-01-01", "2031-01-02", "2026-11-21", "2026-11-22", "2026-11-21"):
        attempts.count(label)
    assert attempts.counts == {"2026-11-21": 2, "2026-11-22": 1}
