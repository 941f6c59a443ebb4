"""Organizations, users and keys from creation to their end, over a socket, and what the data plane's memory knows of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from tests.contract.admin.surroundings import NOON_NS, Client, everything_kept

from onevault.core.directory import Change
from onevault.core.faults import Fault
from onevault.core.identity import Limit, Metric, Window
from onevault.core.keys import is_key_text
from onevault.core.money import nanos_from_usd
from onevault.policy.limits import key_scope, organization_scope, tenant_scope, user_scope

NOON_MS = NOON_NS // 1_000_000


async def key_of(admin: Client, user_id: str, **fields: object) -> dict[str, str]:
    made = await admin("POST", f"/admin/users/{user_id}/api-keys", fields)
    assert made.status == 201, made.body
    return dict(made.body)


def may_call(admin: Client, key: str) -> str | None:
    """None if it may; the reason otherwise."""
    try:
        admin.around.access.authenticate(key, now_ms=admin.around.clock.ns // 1_000_000)
    except Fault as refusal:
        return refusal.message
    return None


async def test_a_created_organization_answers_with_everything_that_was_said(admin: Client) -> None:
    body = {
        "name": "Acme",
        "monthly_budget_usd": 1000.5,
        "daily_budget_usd": 0.000000001,
        "requests_per_minute": 60,
        "concurrent_requests": 5,
        "time_zone": "Europe/Berlin",
        "failure_mode": "fail_closed",
        "fallback_daily_limit": None,
        "compliance_level": "NONE",
        "priority_tier": "PREMIUM",
        "webhook_url": None,
    }
    made = await admin("POST", "/admin/organizations", body)
    assert made.status == 201
    assert made.body["org_id"].startswith("org_")
    assert {**made.body, **body} == made.body
    assert made.body["created_at"] == "2026-11-21T12:00:00.000Z"
    assert made.headers["etag"] == '"1"'
    read = await admin("GET", f"/admin/organizations/{made.body['org_id']}")
    assert read.body == made.body
    stored = (await admin.around.directory.snapshot()).organizations[made.body["org_id"]]
    assert (stored.daily_budget, stored.tenant_id) == (1, "default")


async def test_a_key_is_shown_once_and_calls_at_once_with_the_limits_of_all_three(
    admin: Client, tmp_path: Path
) -> None:
    org_id = await admin.organization(daily_budget_usd=7)
    user_id = await admin.user(org_id, monthly_limit_usd=5, tokens_per_minute=1000)
    made = await key_of(admin, user_id, name="ci", daily_request_limit=3, allowed_models=["gpt-5"])
    text = made["api_key"]
    assert is_key_text(text)
    assert text.startswith(made["prefix"])
    principal = admin.around.access.authenticate(text, now_ms=NOON_MS)
    key_id = made["key_id"]
    own = key_scope(key_id), user_scope(user_id), organization_scope(org_id), tenant_scope("default")
    assert principal.scopes == own
    assert set(principal.limits) == {
        Limit(key_scope(key_id), Metric.REQUESTS, Window.DAY, 3),
        Limit(user_scope(user_id), Metric.MONEY, Window.MONTH, nanos_from_usd(5)),
        Limit(user_scope(user_id), Metric.TOKENS, Window.MINUTE, 1000),
        Limit(organization_scope(org_id), Metric.MONEY, Window.MONTH, nanos_from_usd(100)),
        Limit(organization_scope(org_id), Metric.MONEY, Window.DAY, nanos_from_usd(7)),
    }
    assert principal.allowed_models == {"gpt-5"}
    shown = await admin("GET", f"/admin/users/{user_id}/api-keys/{key_id}")
    listed = await admin("GET", f"/admin/users/{user_id}/api-keys")
    assert "api_key" not in shown.body
    assert listed.body["data"] == [shown.body]
    stored = (await admin.around.directory.snapshot()).keys[key_id]
    assert stored.sha256 == hashlib.sha256(text.encode()).digest()
    kept = await everything_kept(admin, tmp_path)
    assert made["prefix"].encode() in kept
    assert text.encode() not in kept


async def test_a_key_needs_no_body_and_a_test_key_says_so(admin: Client) -> None:
    user_id = await admin.user(await admin.organization())
    bare = await admin("POST", f"/admin/users/{user_id}/api-keys")
    assert bare.status == 201
    assert bare.body["api_key"].startswith("gw_live_")
    assert (await key_of(admin, user_id, test=True))["api_key"].startswith("gw_test_")


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("DELETE", "/admin/users/{user}/api-keys/{key}", None, "This API key is revoked."),
        ("DELETE", "/admin/users/{user}", None, "The user of this API key is deleted."),
        ("DELETE", "/admin/organizations/{org}", None, "The organization of this API key is deleted."),
        ("PATCH", "/admin/users/{user}", {"suspended": True}, "The user of this API key is suspended."),
        ("PATCH", "/admin/organizations/{org}", {"suspended": True}, "The organization of this API key is suspended."),
    ],
)
async def test_what_ends_or_rests_stops_its_keys_before_the_admin_is_answered(
    admin: Client, method: str, path: str, body: object, reason: str
) -> None:
    org_id = await admin.organization()
    user_id = await admin.user(org_id)
    key = await key_of(admin, user_id)
    assert may_call(admin, key["api_key"]) is None
    answer = await admin(method, path.format(org=org_id, user=user_id, key=key["key_id"]), body)
    assert answer.status == 200, answer.body
    assert may_call(admin, key["api_key"]) == reason
    if body:
        await admin(method, path.format(org=org_id, user=user_id, key=key["key_id"]), {"suspended": False})
        assert may_call(admin, key["api_key"]) is None


async def test_a_key_expires_by_itself(admin: Client) -> None:
    user_id = await admin.user(await admin.organization())
    key = await key_of(admin, user_id, expires_at="2026-11-21T13:30:00+01:00")
    assert key["expires_at"] == "2026-11-21T12:30:00.000Z"
    admin.around.clock.ns = NOON_NS + (30 * 60 * 1000 - 1) * 1_000_000
    assert may_call(admin, key["api_key"]) is None
    admin.around.clock.ns += 1_000_000
    assert may_call(admin, key["api_key"]) == "This API key has expired."


async def test_a_deleted_one_is_found_no_more_but_its_history_and_figures_stay(admin: Client) -> None:
    org_id = await admin.organization()
    user_id = await admin.user(org_id)
    await admin("DELETE", f"/admin/users/{user_id}")
    assert (await admin("GET", f"/admin/users/{user_id}")).status == 404
    assert (await admin("DELETE", f"/admin/users/{user_id}")).status == 404
    assert (await admin("POST", f"/admin/users/{user_id}/api-keys", {})).status == 404
    assert (await admin("GET", "/admin/users")).body["data"] == []
    shown = (await admin("GET", "/admin/users?include_deleted=true")).body["data"]
    assert [entry["status"] for entry in shown] == ["deleted"]
    assert (await admin("GET", f"/admin/users/{user_id}/usage")).status == 200
    again = await admin("POST", "/admin/users", {"org_id": org_id, "email": "a@acme.test"})
    assert again.status == 201
    await admin("DELETE", f"/admin/organizations/{org_id}")
    assert (await admin("GET", f"/admin/users/{again.body['user_id']}")).status == 404
    assert (await admin("GET", f"/admin/organizations/{org_id}/users")).status == 404
    assert await admin.changes() == 5


async def test_a_change_keeps_what_it_does_not_name_and_null_takes_a_limit_away(admin: Client) -> None:
    user_id = await admin.user(await admin.organization(), monthly_limit_usd=5, daily_request_limit=9)
    changed = await admin("PATCH", f"/admin/users/{user_id}", {"monthly_limit_usd": None, "tokens_per_minute": 4})
    figures = ("monthly_limit_usd", "daily_request_limit", "tokens_per_minute", "version")
    assert tuple(changed.body[name] for name in figures) == (None, 9, 4, 2)
    same = await admin("PATCH", f"/admin/users/{user_id}", {"tokens_per_minute": 4})
    assert same.body["version"] == 2
    assert (await admin("PATCH", f"/admin/users/{user_id}", {})).body["version"] == 2


async def test_a_revoked_key_stays_listed_and_cannot_be_changed_or_revived(admin: Client) -> None:
    user_id = await admin.user(await admin.organization())
    key = await key_of(admin, user_id)
    path = f"/admin/users/{user_id}/api-keys/{key['key_id']}"
    assert (await admin("DELETE", path)).body["status"] == "revoked"
    again = await admin("DELETE", path)
    assert (again.status, again.body["version"]) == (200, 2)
    assert (await admin("PATCH", path, {"name": "new"})).status == 409
    assert (await admin("GET", f"/admin/users/{user_id}/api-keys")).body["data"][0]["status"] == "revoked"


async def test_a_key_is_found_only_under_its_own_user(admin: Client) -> None:
    org_id = await admin.organization()
    mine, other = await admin.user(org_id), await admin.user(org_id, "b@acme.test")
    key = await key_of(admin, mine)
    for method in ("GET", "DELETE", "PATCH"):
        answer = await admin(
            method, f"/admin/users/{other}/api-keys/{key['key_id']}", {} if method == "PATCH" else None
        )
        assert (answer.status, answer.error["param"]) == (404, "key_id")
    assert may_call(admin, key["api_key"]) is None


async def test_two_admins_cannot_overwrite_each_other(admin: Client) -> None:
    org_id = await admin.organization()
    path = f"/admin/organizations/{org_id}"
    first = await admin("PATCH", path, {"name": "One"}, headers={"if-match": '"1"'})
    assert (first.status, first.headers["etag"]) == (200, '"2"')
    late = await admin("PATCH", path, {"name": "Two"}, headers={"if-match": '"1"'})
    assert (late.status, late.error["code"], late.error["param"]) == (409, "CONFLICT", "If-Match")
    assert (await admin("DELETE", path, headers={"if-match": '"1"'})).status == 409
    assert (await admin("GET", path)).body["name"] == "One"
    assert (await admin("PATCH", path, {"name": "Two"}, headers={"if-match": "*"})).status == 200


@pytest.mark.parametrize("name", ["Acme", "ACME"])
async def test_a_name_is_taken_whatever_its_case_until_its_owner_goes(admin: Client, name: str) -> None:
    org_id = await admin.organization("Acme")
    other = await admin.organization("Other")
    taken = await admin("POST", "/admin/organizations", {"name": name, "monthly_budget_usd": 1})
    assert (taken.status, taken.error["code"], taken.error["param"]) == (409, "CONFLICT", "name")
    renamed = await admin("PATCH", f"/admin/organizations/{other}", {"name": name})
    assert (renamed.status, renamed.error["param"]) == (409, "name")
    assert (await admin("PATCH", f"/admin/organizations/{org_id}", {"name": name})).status == 200
    await admin("DELETE", f"/admin/organizations/{org_id}")
    assert await admin.organization(name)


async def test_an_email_address_is_taken_in_its_organization_only(admin: Client) -> None:
    one, two = await admin.organization("One"), await admin.organization("Two")
    await admin.user(one, "a@acme.test")
    taken = await admin("POST", "/admin/users", {"org_id": one, "email": "A@acme.test"})
    assert (taken.status, taken.error["param"]) == (409, "email")
    assert await admin.user(two, "a@acme.test")
    other = await admin.user(one, "b@acme.test")
    moved = await admin("PATCH", f"/admin/users/{other}", {"email": "a@acme.test"})
    assert (moved.status, moved.error["param"]) == (409, "email")


async def test_a_list_is_walked_to_its_end_in_pages(admin: Client) -> None:
    org_id, empty = await admin.organization("One"), await admin.organization("Two")
    made = [await admin.user(org_id, f"u{number}@acme.test") for number in range(5)]
    await admin.user(empty, "elsewhere@acme.test")
    await admin("DELETE", f"/admin/users/{made.pop(1)}")
    seen: list[str] = []
    path: str | None = f"/admin/users?limit=3&org_id={org_id}"
    pages = 0
    while path:
        page = (await admin("GET", path)).body
        seen += [entry["user_id"] for entry in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        path = f"/admin/users?limit=3&org_id={org_id}&after={page['next_cursor']}" if page["has_more"] else None
        pages += 1
    assert (seen, pages) == (made, 2)
    nested = await admin("GET", f"/admin/organizations/{org_id}/users?limit=200")
    assert [entry["user_id"] for entry in nested.body["data"]] == made


async def test_what_another_process_changed_is_seen_at_once(admin: Client) -> None:
    org_id = await admin.organization()
    directory = admin.around.directory
    there = (await directory.snapshot()).organizations[org_id]
    renamed = msgspec.structs.replace(there, name="Renamed", version=2)
    await directory.put(Change(actor="elsewhere", address="", entity=renamed))
    assert (await admin("GET", f"/admin/organizations/{org_id}")).body["name"] == "Renamed"
    assert (await admin("POST", "/admin/organizations", {"name": "renamed", "monthly_budget_usd": 1})).status == 409
    before = directory.entities_read
    await admin("GET", "/admin/organizations")
    await admin("GET", f"/admin/organizations/{org_id}")
    assert directory.entities_read == before


async def test_a_store_that_is_down_is_said_so_and_nothing_changes(admin: Client) -> None:
    org_id = await admin.organization()
    admin.around.directory.down = True
    for method, body in (("GET", None), ("PATCH", {"name": "New"}), ("DELETE", None)):
        answer = await admin(method, f"/admin/organizations/{org_id}", body)
        assert (answer.status, answer.error["code"]) == (503, "STORE_UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"
    health = await admin("GET", "/admin/health")
    assert (health.status, health.body["status"]) == (200, "degraded")
    assert "canary" not in str(health.body)
    admin.around.directory.down = False
    assert (await admin("GET", f"/admin/organizations/{org_id}")).body["version"] == 1
