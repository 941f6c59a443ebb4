"""What belongs to another organization, or to one that is gone: to a key of one organization neither is there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.contract.admin.surroundings import Client, well

from onevault.admin.deps import Health
from onevault.admin.roles import PERMISSIONS

Ids = dict[str, str]


async def world(admin: Client, name: str) -> Ids:
    """An organization with one of everything; under `owner` the admin key to it."""
    org_id = await admin.organization(name)
    ids = {"org_id": org_id, "request_id": "none", "delivery_id": "dlv_none"}
    for path, body, field in (
        ("/admin/teams", {"org_id": org_id, "name": "Research"}, "team_id"),
        ("/admin/users", {"org_id": org_id, "email": "a@acme.test"}, "user_id"),
        ("/admin/users/{user_id}/api-keys", {}, "key_id"),
        ("/admin/webhooks", {"org_id": org_id, "url": "https://hooks.example.com/x"}, "webhook_id"),
        (
            "/admin/provider-keys",
            {"org_id": org_id, "provider": "openai", "credential": {"api_key": "sk-of-the-customer-4242"}},
            "provider_key_id",
        ),
        ("/admin/admin-keys", {"role": "owner", "name": "own", "scope": org_id}, "admin_key_id"),
    ):
        made = await admin("POST", path.format(**ids), body)
        assert made.status == 201, made.body
        ids[field] = made.body[field]
    ids["owner"] = made.body["admin_key"]
    return ids


async def test_another_organizations_ids_are_answered_as_ids_that_nobody_has(admin: Client) -> None:
    theirs, own = await world(admin, "Theirs"), await world(admin, "Own")
    nobodys = {name: value[:-1] + ("1" if value.endswith("0") else "0") for name, value in theirs.items()}
    changes = await admin.changes()
    tried = 0
    for method, path in PERMISSIONS:
        named = re.findall(r"{(\w+)}", path)
        mixed = [dict.fromkeys(named, ""), *([] if len(named) < 2 else [{named[0]: own[named[0]]}])]
        for instead in mixed if named else []:
            for body in [None] if method in ("GET", "DELETE") else [{}, {"name": "x"}, {"suspended": True}]:
                answers = []
                for ids in (theirs, nobodys):
                    there = {name: instead.get(name) or ids[name] for name in named}
                    answers.append(await admin(method, path.format(**there), body, key=own["owner"]))
                one, other = answers
                assert (one.status, one.body) == (other.status, other.body), (method, path)
                assert one.status in (400, 403, 404), (method, path, one.body)
                if method == "GET":
                    assert one.status == 404, (path, one.body)
                tried += 1
    assert tried > 40
    assert await admin.changes() == changes


async def test_no_list_shows_and_no_body_reaches_another_organization(admin: Client) -> None:
    theirs, own = await world(admin, "Theirs"), await world(admin, "Own")
    org_id = theirs["org_id"]
    for path in ("organizations", "teams", "users", "admin-keys", "provider-keys", "webhooks", "audit", "events"):
        for query in ("", f"?org_id={org_id}"):
            answer = await admin("GET", f"/admin/{path}{query}", key=own["owner"])
            assert not [value for value in theirs.values() if f'"{value}"' in str(answer.body).replace("'", '"')], path
    credential = {"api_key": "sk-of-the-customer-4242"}
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/admin/users", {"org_id": org_id, "email": "x@acme.test"}),
        ("POST", "/admin/users", {"org_id": own["org_id"], "email": "x@acme.test", "team_id": theirs["team_id"]}),
        ("PATCH", f"/admin/users/{own['user_id']}", {"team_id": theirs["team_id"]}),
        ("POST", "/admin/teams", {"org_id": org_id, "name": "x"}),
        ("POST", "/admin/webhooks", {"org_id": org_id, "url": "https://hooks.example.com"}),
        ("POST", "/admin/provider-keys", {"org_id": org_id, "provider": "openai", "credential": credential}),
        ("POST", "/admin/admin-keys", {"role": "viewer", "name": "x", "scope": org_id}),
    ]
    changes = await admin.changes()
    for method, path, body in bodies:
        answer = await admin(method, path, body, key=own["owner"])
        assert answer.status == 404, (path, answer.body)
    assert await admin.changes() == changes


async def test_with_an_organization_its_admin_keys_end_and_its_people_are_in_no_list(admin: Client) -> None:
    gone, other = await world(admin, "Gone"), await world(admin, "Other")
    assert (await admin("GET", "/admin/users", key=gone["owner"])).status == 200
    assert (await admin("DELETE", f"/admin/organizations/{gone['org_id']}")).status == 200
    refused = await admin("GET", "/admin/users", key=gone["owner"])
    assert (refused.status, refused.error["message"]) == (401, "This admin key is revoked.")
    for path, field in (("teams", "team_id"), ("users", "user_id")):
        assert [one[field] for one in (await admin("GET", f"/admin/{path}")).body["data"]] == [other[field]]
        assert (await admin("GET", f"/admin/{path}?org_id={gone['org_id']}")).body["data"] == []
        shown = (await admin("GET", f"/admin/{path}?include_deleted=true")).body["data"]
        assert gone[field] in [one[field] for one in shown]


async def test_health_names_no_other_organization_to_a_key_of_one(admin: Client) -> None:
    theirs, own = await world(admin, "Theirs"), await world(admin, "Own")

    async def ledger() -> Health:
        return Health(ok=False, detail=f"failure modes hold: {theirs['org_id']}, {own['org_id']}")

    admin.around.health |= {"ledger": ledger, "calls": well}
    everyone = (await admin("GET", "/admin/health")).body["components"]["ledger"]["detail"]
    assert theirs["org_id"] in everyone
    told = (await admin("GET", "/admin/health", key=own["owner"])).body["components"]["ledger"]["detail"]
    assert told == f"failure modes hold: another, {own['org_id']}"


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u200f"])
async def test_a_name_that_looks_like_another_by_what_cannot_be_seen_is_refused(admin: Client, character: str) -> None:
    await admin.organization("Acme")
    for name in (f"Ac{character}me", f"{character}Acme", f"Acme{character}"):
        refused = await admin("POST", "/admin/organizations", {"name": name, "monthly_budget_usd": 1})
        assert (refused.status, refused.error["param"]) == (400, "name")
        assert "invisible" in refused.error["message"]
    assert await admin.organization("می\u200cخواهم")  # a joiner that Persian is written with


async def test_a_version_that_is_none_is_refused_in_words(admin: Client) -> None:
    org_id = await admin.organization()
    for written in ("x", 'W/"1"', '"'):
        refused = await admin("PATCH", f"/admin/organizations/{org_id}", {"name": "B"}, headers={"if-match": written})
        assert (refused.status, refused.error["param"]) == (400, "If-Match")
        assert refused.error["message"] == "If-Match: is not written as it must be; /docs says how"
