"""Every change can be read back: by whom, from where, when, before and after; without secrets, and not by everybody."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.contract.admin.surroundings import ADMIN_KEY, Client
from tests.contract.admin.test_roles import admin_key, world


async def audit(admin: Client, query: str = "", *, key: str = ADMIN_KEY) -> list[dict[str, Any]]:
    """All pages, newest first."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await admin("GET", f"/admin/audit?limit=3&after={after}&{query}", key=key)
        assert page.status == 200, page.body
        found += page.body["data"]
        if not page.body["has_more"]:
            return found
        after = page.body["next_cursor"]


async def test_a_change_tells_who_from_where_before_and_after(admin: Client) -> None:
    there = await world(admin)
    await admin("PATCH", f"/admin/organizations/{there['org_id']}", {"monthly_budget_usd": 2.5, "name": "Renamed"})
    newest = (await audit(admin))[0]
    assert {name: newest[name] for name in ("actor", "address", "entity", "entity_id", "org_id", "action")} == {
        "actor": "admin",
        "address": "127.0.0.1",
        "entity": "organization",
        "entity_id": there["org_id"],
        "org_id": there["org_id"],
        "action": "changed",
    }
    assert newest["changed"] == ["monthly_budget_usd", "name", "version"]
    assert [newest[side]["monthly_budget_usd"] for side in ("before", "after")] == [100, 2.5]
    assert [newest[side]["name"] for side in ("before", "after")] == ["Acme", "Renamed"]
    assert newest["at"] == newest["after"]["created_at"] == "2026-11-21T12:00:00.000Z"


async def test_every_change_of_every_kind_is_there_once_newest_first(admin: Client) -> None:
    there = await world(admin)
    base = f"/admin/users/{there['user_id']}"
    by = await admin_key(admin, "admin")
    for method, path in (
        ("DELETE", f"{base}/api-keys/{there['key_id']}"),
        ("DELETE", base),
        ("DELETE", f"/admin/teams/{there['team_id']}"),
        ("DELETE", f"/admin/admin-keys/{there['admin_key_id']}"),
        ("DELETE", f"/admin/organizations/{there['org_id']}"),
    ):
        admin.around.clock.ns += 10**9
        assert (await admin(method, path, key=by["admin_key"])).status == 200
    admin.around.clock.ns += 10**9
    await admin("PATCH", "/admin/tenant", {"requests_per_minute": 5})
    changes = await audit(admin)
    assert [(change["entity"], change["action"]) for change in reversed(changes)] == [
        ("organization", "created"),
        ("team", "created"),
        ("user", "created"),
        ("api_key", "created"),
        ("admin_key", "created"),
        ("data_key", "created"),
        ("provider_key", "created"),
        ("webhook", "created"),
        ("webhook", "changed"),
        ("admin_key", "created"),
        ("api_key", "revoked"),
        ("user", "deleted"),
        ("team", "deleted"),
        ("admin_key", "revoked"),
        ("organization", "deleted"),
        ("tenant", "created"),
    ]
    ids = [int(change["change_id"]) for change in changes]
    assert ids == sorted(set(ids), reverse=True)
    assert len(await audit(admin, f"actor={by['admin_key_id']}")) == 5
    assert len(await audit(admin, f"entity_id={there['key_id']}")) == 2
    assert {change["entity"] for change in await audit(admin, "entity=user")} == {"user"}
    assert {change["org_id"] for change in await audit(admin, f"org_id={there['org_id']}")} == {there["org_id"]}
    assert len(await audit(admin, f"org_id={there['org_id']}")) == 13


async def test_changes_are_found_by_their_time(admin: Client) -> None:
    await admin.organization("First")
    admin.around.clock.ns += 3600 * 10**9
    await admin.organization("Second")
    late = [change["after"]["name"] for change in await audit(admin, "since=2026-11-21T13:00:00Z")]
    early = [change["after"]["name"] for change in await audit(admin, "until=2026-11-21T14:00:00%2B01:00")]
    assert (late, early) == (["Second"], ["First"])
    for query in ("since=yesterday", "since=2026-11-21T13:00:00", "limit=0", "after=x", "entity=A", "what=1"):
        assert (await admin("GET", f"/admin/audit?{query}")).status == 400, query


async def test_no_secret_and_no_hash_is_in_the_audit(admin: Client) -> None:
    there = await world(admin)
    made = await admin("POST", f"/admin/users/{there['user_id']}/api-keys", {"name": "ci"})
    key = await admin_key(admin, "viewer")
    stored = (await admin.around.directory.snapshot()).keys[made.body["key_id"]]
    text = msgspec.json.encode(await audit(admin)).decode()
    assert made.body["key_id"] in text
    for secret in (made.body["api_key"], key["admin_key"], stored.sha256.hex(), "sha256"):
        assert secret not in text


async def test_a_key_of_one_organization_sees_the_changes_of_that_one_alone(admin: Client) -> None:
    mine, other = await world(admin), await world(admin, "Other")
    key = (await admin_key(admin, "auditor", mine["org_id"]))["admin_key"]
    assert {change["org_id"] for change in await audit(admin, key=key)} == {mine["org_id"]}
    for query in (f"org_id={other['org_id']}", f"entity_id={other['user_id']}", f"entity_id={other['key_id']}"):
        assert await audit(admin, query, key=key) == []
    for role in ("viewer", "billing"):
        confined = await admin_key(admin, role, mine["org_id"])
        assert (await admin("GET", "/admin/audit", key=confined["admin_key"])).status == 403
