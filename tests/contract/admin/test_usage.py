"""Usage, reset, single calls, health and figures, from the ledger that calls are held in."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.admin.surroundings import NOON_NS, Client, well

from onevault.admin.deps import Health
from onevault.core.faults import Fault, FaultKind
from onevault.core.money import Nanos
from onevault.core.records import AttemptRecord, Caller, Held, QuotaReset, Settled
from onevault.core.usage import Usage
from onevault.policy.limits import key_scope, organization_scope, user_scope


async def call(
    admin: Client, org_id: str, user_id: str, *, call_id: str, amount: int, cost: int | None
) -> Settled | None:
    """Holds money for a call, and settles it where its cost is given."""
    scopes = (key_scope("key_1"), user_scope(user_id), organization_scope(org_id))
    caller = Caller("default", org_id, user_id, "key_1")
    ledger, now_ns = admin.around.ledger, admin.around.clock.ns
    held = Held(call_id, now_ns, caller, scopes, "UTC", Nanos(amount), 10, "chat", "gpt-5", "openai", "gpt-5", "v1")
    await ledger.reserve(held, ())
    if cost is None:
        return None
    settled = Settled(
        call_id=call_id,
        at_ns=now_ns + 1_500_000_000,
        started_ns=now_ns,
        caller=caller,
        scopes=scopes,
        time_zone="UTC",
        held=True,
        amount_held=Nanos(amount),
        cost=Nanos(cost),
        tokens_held=10,
        usage=Usage(input_tokens=4, output_tokens=3),
        provider="openai",
        model="gpt-5",
        route_reason="ordered",
        latency_ms=1500,
        attempts=(AttemptRecord("openai", "openai", "gpt-5", now_ns, 1500, 200, 200),),
        excluded=(("azure", "disabled"),),
    )
    await ledger.settle(settled)
    admin.around.requests.settled[call_id] = settled
    return settled


async def test_usage_is_exact_and_what_is_held_is_not_remaining(admin: Client) -> None:
    org_id = await admin.organization(monthly_budget_usd=2, daily_budget_usd=1)
    user_id = await admin.user(org_id, monthly_limit_usd=0.5)
    await call(admin, org_id, user_id, call_id="a", amount=200_000_000, cost=100_000_001)
    await call(admin, org_id, user_id, call_id="b", amount=50_000_000, cost=None)
    usage = (await admin("GET", f"/admin/users/{user_id}/usage")).body
    expected = {
        "scope": f"user:{user_id}",
        "month": "2026-11",
        "day": "2026-11-21",
        "month_usage_nanos": 100_000_001,
        "month_usage_usd": 0.100000001,
        "limit_usd": 0.5,
        "limit_nanos": 500_000_000,
        "held_usd": 0.05,
        "held_nanos": 50_000_000,
        "remaining_nanos": 349_999_999,
        "remaining_usd": 0.349999999,
        "request_count": 1,
        "token_count": 7,
        "day_limit_usd": None,
        "day_remaining_usd": None,
    }
    assert {**usage, **expected} == usage
    whole = (await admin("GET", f"/admin/organizations/{org_id}/usage")).body
    assert (whole["limit_usd"], whole["day_limit_usd"], whole["day_remaining_nanos"]) == (2, 1, 849_999_999)
    assert whole["month_usage_nanos"] == 100_000_001


async def test_what_remains_is_never_below_nothing(admin: Client) -> None:
    org_id = await admin.organization(monthly_budget_usd=0)
    user_id = await admin.user(org_id)
    await call(admin, org_id, user_id, call_id="a", amount=1, cost=5)
    usage = (await admin("GET", f"/admin/organizations/{org_id}/usage")).body
    assert (usage["limit_usd"], usage["remaining_usd"], usage["overshoot_nanos"]) == (0, 0, 4)


async def test_the_days_begin_in_the_organizations_time_zone(admin: Client) -> None:
    org_id = await admin.organization(time_zone="Pacific/Kiritimati")
    assert (await admin("GET", f"/admin/organizations/{org_id}/usage")).body["day"] == "2026-11-22"


async def test_a_reset_is_journaled_and_starts_only_the_users_windows_again(admin: Client) -> None:
    org_id = await admin.organization(time_zone="Europe/Berlin")
    user_id = await admin.user(org_id, monthly_limit_usd=1)
    await call(admin, org_id, user_id, call_id="a", amount=9, cost=9)
    await call(admin, org_id, user_id, call_id="b", amount=4, cost=None)
    after = await admin("POST", f"/admin/users/{user_id}/reset-quota")
    assert after.status == 200
    figures = ("month_usage_nanos", "day_usage_nanos", "request_count", "held_nanos", "total_usage_nanos")
    assert tuple(after.body[name] for name in figures) == (0, 0, 0, 4, 9)
    (record,) = admin.around.journal.records
    assert isinstance(record, QuotaReset)
    assert (record.scope, record.at_ns, record.time_zone) == (user_scope(user_id), NOON_NS, "Europe/Berlin")
    assert (await admin("GET", f"/admin/organizations/{org_id}/usage")).body["month_usage_nanos"] == 9


async def test_a_reset_reaches_what_the_user_may_at_one_provider_or_model_and_says_in_the_audit_who_did_it(
    admin: Client,
) -> None:
    org_id = await admin.organization()
    limits = {
        "provider_limits": {"openai": {"daily_request_limit": 3}},
        "model_limits": {"gpt-4o": {"monthly_limit_usd": 1}},
    }
    user_id = await admin.user(org_id, **limits)
    await call(admin, org_id, user_id, call_id="a", amount=9, cost=2_000_000_000)
    made = await admin("POST", "/admin/admin-keys", {"name": "Billing", "role": "billing", "scope": "tenant"})
    key_id = made.body["admin_key_id"]
    assert (await admin("POST", f"/admin/users/{user_id}/reset-quota", key=made.body["admin_key"])).status == 200
    scopes = [f"user:{user_id}", f"user:{user_id}|provider:openai", f"user:{user_id}|model:gpt-4o"]
    assert [record.scope for record in admin.around.journal.records if isinstance(record, QuotaReset)] == scopes
    (entry,) = (await admin("GET", f"/admin/audit?entity=user&entity_id={user_id}&actor={key_id}")).body["data"]
    assert (entry["actor"], entry["address"], entry["org_id"], entry["action"]) == (
        key_id,
        "127.0.0.1",
        org_id,
        "changed",
    )
    assert (entry["before"]["month_usage_usd"], entry["after"]["month_usage_usd"]) == (2, 0)
    assert entry["after"]["quota_reset"] == scopes


async def test_a_reset_that_cannot_be_journaled_resets_nothing(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(record: object) -> None:
        raise Fault(FaultKind.STORE_UNAVAILABLE, "The disk is full.")

    org_id = await admin.organization()
    user_id = await admin.user(org_id)
    await call(admin, org_id, user_id, call_id="a", amount=9, cost=9)
    monkeypatch.setattr(admin.around.journal, "append", full)
    assert (await admin("POST", f"/admin/users/{user_id}/reset-quota")).status == 503
    assert (await admin("GET", f"/admin/users/{user_id}/usage")).body["month_usage_nanos"] == 9


async def test_a_past_call_is_told_with_its_cost_and_every_attempt(admin: Client) -> None:
    org_id = await admin.organization()
    settled = await call(admin, org_id, await admin.user(org_id), call_id="abc", amount=9, cost=7)
    assert settled
    found = (await admin("GET", "/admin/requests/abc")).body
    assert (found["id"], found["org_id"], found["cost_nanos"], found["held_nanos"]) == ("abc", org_id, 7, 9)
    assert found["started_at"] == "2026-11-21T12:00:00.000Z"
    assert found["settled_at"] == "2026-11-21T12:00:01.500Z"
    assert found["usage"]["total_tokens"] == 7
    assert found["explain"]["attempts"][0]["first_event_ms"] == 200
    assert found["explain"]["excluded"] == [{"target": "azure", "reason": "disabled"}]
    assert (await admin("GET", "/admin/requests/other")).status == 404


async def test_health_tells_each_component_and_none_holds_it_up(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging() -> Health:
        await asyncio.sleep(60)
        return Health(ok=True)

    async def refused() -> Health:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("onevault.admin.operations.CHECK_S", 0.05)
    await admin.organization()
    assert (await admin("GET", "/admin/health")).body["status"] == "ok"
    admin.around.health |= {"journal": well, "loader": hanging, "redis": refused}
    health = (await admin("GET", "/admin/health")).body
    assert (health["status"], health["version"]) == ("degraded", "0.0.1")
    states = {name: (part["status"], part["detail"]) for name, part in health["components"].items()}
    assert states == {
        "directory": ("ok", ""),
        "journal": ("ok", "fine"),
        "loader": ("failed", "no answer within 0 s"),
        "redis": ("failed", "Connection refused"),
    }
    assert health["failure_modes"] == {"fail_closed": 1, "fail_open": 0}


async def test_metrics_sum_what_organizations_used(admin: Client) -> None:
    first, second = await admin.organization("One"), await admin.organization("Two")
    for number, org_id in enumerate((first, second)):
        user_id = await admin.user(org_id)
        await admin("POST", f"/admin/users/{user_id}/api-keys")
        await call(admin, org_id, user_id, call_id=str(number), amount=10, cost=5 + number)
    await admin("DELETE", f"/admin/organizations/{second}")
    metrics = (await admin("GET", "/admin/metrics")).body
    assert metrics["organizations"] == {"active": 1, "suspended": 0, "revoked": 0, "deleted": 1}
    assert (metrics["users"]["active"], metrics["api_keys"]["active"]) == (2, 2)
    assert (metrics["usage"]["month_usage_nanos"], metrics["usage"]["request_count"]) == (11, 2)
