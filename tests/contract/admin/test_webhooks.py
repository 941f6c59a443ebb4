"""Webhooks over a socket: versions, repetitions, pages, bounds, whose they are, and what of them is shown."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.admin.surroundings import Client
from tests.contract.admin.test_roles import admin_key, dead_delivery

from onevault.admin.webhook_commands import WEBHOOKS_MAX

URL = "https://hooks.example.com/in?token=canary"


async def made(admin: Client, **fields: object) -> dict[str, Any]:
    answer = await admin("POST", "/admin/webhooks", {"url": URL, **fields})
    assert answer.status == 201, answer.body
    return dict(answer.body)


async def test_a_webhook_is_changed_at_the_version_that_was_seen_and_its_secret_is_shown_once(admin: Client) -> None:
    webhook = await made(admin, name="Pager", kinds=["budget.refused", "budget.refused"])
    path = f"/admin/webhooks/{webhook['webhook_id']}"
    assert (webhook["kinds"], webhook["active"], webhook["org_id"], webhook["version"]) == (
        ["budget.refused"], True, None, 1,
    )  # fmt: skip
    changed = await admin("PATCH", path, {"kinds": None, "active": False}, headers={"if-match": '"1"'})
    assert (changed.status, changed.headers["etag"], changed.body["kinds"], changed.body["active"]) == (
        200, '"2"', None, False,
    )  # fmt: skip
    stale = await admin("PATCH", path, {"name": "x"}, headers={"if-match": '"1"'})
    assert (stale.status, stale.error["param"]) == (409, "If-Match")
    assert (await admin("PATCH", path, {"active": False})).body["version"] == 2
    rotated = await admin("POST", f"{path}/rotate-secret", {"overlap": 60})
    assert rotated.body["secret"] != webhook["secret"]
    assert rotated.body["previous_secret_until"] == "2026-11-21T12:01:00.000Z"
    for method in ("GET", "PATCH"):
        assert "secret" not in (await admin(method, path, {} if method == "PATCH" else None)).body
    gone = await admin("DELETE", path)
    assert (gone.body["deleted"], gone.body["active"], gone.body["previous_secret_until"]) == (True, False, None)
    for method in ("GET", "DELETE"):
        assert (await admin(method, path)).status == 404
    assert (await admin("GET", "/admin/webhooks")).body["data"] == []
    shown = (await admin("GET", "/admin/webhooks?include_deleted=true")).body["data"]
    assert [each["webhook_id"] for each in shown] == [webhook["webhook_id"]]


async def test_a_repetition_makes_no_second_webhook_and_shows_no_secret_again(admin: Client) -> None:
    headers = {"idempotency-key": "one"}
    first = await admin("POST", "/admin/webhooks", {"url": URL}, headers=headers)
    again = await admin("POST", "/admin/webhooks", {"url": URL}, headers=headers)
    assert (first.status, again.status, again.error["param"]) == (201, 409, "Idempotency-Key")
    assert first.body["webhook_id"] in again.error["message"]
    assert len((await admin("GET", "/admin/webhooks")).body["data"]) == 1
    path = f"/admin/webhooks/{first.body['webhook_id']}/test"
    trials = [await admin("POST", path, headers={"idempotency-key": "two"}) for _ in range(2)]
    assert trials[0].body == trials[1].body


async def test_webhooks_are_listed_page_by_page_and_no_owner_has_more_than_the_most(admin: Client) -> None:
    org_id = await admin.organization()
    own = [(await made(admin, org_id=org_id))["webhook_id"] for _ in range(WEBHOOKS_MAX)]
    full = await admin("POST", "/admin/webhooks", {"url": URL, "org_id": org_id})
    assert (full.status, full.error["code"]) == (409, "CONFLICT")
    tenants = (await made(admin))["webhook_id"]
    found: list[str] = []
    after = ""
    while True:
        page = (await admin("GET", f"/admin/webhooks?limit=8&after={after}&org_id={org_id}")).body
        found += [each["webhook_id"] for each in page["data"]]
        if not page["has_more"]:
            break
        after = page["next_cursor"]
    assert found == own
    listed = (await admin("GET", "/admin/webhooks?limit=200")).body["data"]
    assert [each["webhook_id"] for each in listed] == [*own, tenants]
    await admin("DELETE", f"/admin/webhooks/{own[0]}")
    assert (await admin("POST", "/admin/webhooks", {"url": URL, "org_id": org_id})).status == 201
    await admin("DELETE", f"/admin/organizations/{org_id}")
    assert [each["webhook_id"] for each in (await admin("GET", "/admin/webhooks")).body["data"]] == [tenants]
    assert (await admin("GET", f"/admin/webhooks/{own[1]}")).status == 404


async def test_who_is_confined_to_an_organization_makes_and_sees_those_of_that_one_alone(admin: Client) -> None:
    mine, other = await admin.organization("Mine"), await admin.organization("Other")
    key = (await admin_key(admin, "admin", mine))["admin_key"]
    others = (await made(admin, org_id=other))["webhook_id"]
    tenants = (await made(admin))["webhook_id"]
    for webhook_id in (others, tenants):
        for method, path in (("GET", ""), ("POST", "/test"), ("POST", "/rotate-secret"), ("GET", "/deliveries")):
            answer = await admin(method, f"/admin/webhooks/{webhook_id}{path}", key=key)
            assert answer.status == 404, (method, path)
        number = await dead_delivery(admin, webhook_id)
        path = f"/admin/webhooks/{webhook_id}/deliveries/{number}/redeliver"
        assert (await admin("POST", path, key=key)).status == 404
    refused = await admin("POST", "/admin/webhooks", {"url": URL}, key=key)
    assert (refused.status, refused.error["param"]) == (403, "org_id")
    missing = await admin("POST", "/admin/webhooks", {"url": URL, "org_id": other}, key=key)
    assert missing.status == 404
    own = await admin("POST", "/admin/webhooks", {"url": URL, "org_id": mine}, key=key)
    listed = (await admin("GET", "/admin/webhooks", key=key)).body["data"]
    assert [each["webhook_id"] for each in listed] == [own.body["webhook_id"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": 7}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://user:secret@example.com/"}, "url"),
        ({"url": URL, "kinds": []}, "kinds"),
        ({"url": URL, "kinds": ["budget"]}, "kinds"),
        ({"url": URL, "kinds": [7]}, "kinds"),
        ({"url": URL, "active": "yes"}, "active"),
        ({"url": URL, "secret": "whsec_mine"}, "secret"),
        ({"url": URL, "status": "active"}, "status"),
        ({"url": URL, "org_id": ""}, "org_id"),
    ],
)
async def test_what_is_no_webhook_is_refused_with_its_field(admin: Client, body: object, field: str) -> None:
    answer = await admin("POST", "/admin/webhooks", body)
    assert (answer.status, answer.error["param"]) == (400, field), answer.body
    assert "secret@" not in str(answer.body)


async def test_the_audit_has_all_that_was_done_to_a_webhook_and_nothing_secret(admin: Client) -> None:
    webhook = await made(admin)
    path = f"/admin/webhooks/{webhook['webhook_id']}"
    number = await dead_delivery(admin, webhook["webhook_id"])
    await admin("POST", f"{path}/deliveries/{number}/redeliver")
    secret = (await admin("POST", f"{path}/rotate-secret")).body["secret"]
    await admin("PATCH", path, {"name": "Renamed"})
    await admin("DELETE", path)
    changes = (await admin("GET", f"/admin/audit?entity_id={webhook['webhook_id']}")).body["data"]
    assert [(each["action"], each["changed"][:2]) for each in changes[:2]] == [
        ("deleted", ["previous_until", "status"]),
        ("changed", ["name", "version"]),
    ]
    assert [each["changed"] for each in changes[3:5]] == [["delivery", "event"], ["trial"]]
    assert changes[-1]["action"] == "created"
    assert {each["actor"] for each in changes} == {"admin"}
    for word in ("canary", "sealed", secret, webhook["secret"]):
        assert word not in str(changes)
