"""Each role on each route, as the table says; and that no admin key gives, sees or changes more than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.routing import APIRoute
from tests.contract.admin.surroundings import NOON_NS, Answer, Client
from tests.contract.vault.calls import settled_call

from onevault.admin.app import create_admin
from onevault.admin.roles import PERMISSIONS, covers
from onevault.core.delivery import DeliveryState
from onevault.core.identity import Role
from onevault.stores.sql.deliveries import VaultDeliveries
from onevault.stores.sql.directory import VaultDirectory

ROLES = list(Role)
BODIES: dict[tuple[str, str], object] = {
    ("PATCH", "/admin/tenant"): {},
    ("POST", "/admin/admin-keys"): {"role": "viewer", "name": "made", "scope": "tenant"},
    ("POST", "/admin/organizations"): {"name": "New", "monthly_budget_usd": 1},
    ("PATCH", "/admin/organizations/{org_id}"): {},
    ("POST", "/admin/teams"): {"org_id": "{org_id}", "name": "New"},
    ("PATCH", "/admin/teams/{team_id}"): {},
    ("POST", "/admin/users"): {"org_id": "{org_id}", "email": "new@acme.test"},
    ("PATCH", "/admin/users/{user_id}"): {},
    ("PATCH", "/admin/users/{user_id}/api-keys/{key_id}"): {},
    ("POST", "/admin/provider-keys"): {
        "org_id": "{org_id}",
        "provider": "anthropic",
        "credential": {"api_key": "sk-ant-of-the-customer"},
    },
    ("PATCH", "/admin/provider-keys/{provider_key_id}"): {},
    ("POST", "/admin/webhooks"): {"org_id": "{org_id}", "url": "https://hooks.example.com/in"},
    ("PATCH", "/admin/webhooks/{webhook_id}"): {},
}


async def admin_key(admin: Client, role: str, scope: str = "tenant", **fields: object) -> dict[str, Any]:
    made = await admin("POST", "/admin/admin-keys", {"role": role, "name": role, "scope": scope, **fields})
    assert made.status == 201, made.body
    return dict(made.body)


async def world(admin: Client, name: str = "Acme") -> dict[str, str]:
    """An organization with one of everything in it, by the names that paths have for them."""
    org_id = await admin.organization(name)
    team = await admin("POST", "/admin/teams", {"org_id": org_id, "name": "Team"})
    user_id = await admin.user(org_id, team_id=team.body["team_id"])
    key = await admin("POST", f"/admin/users/{user_id}/api-keys")
    for_it = await admin_key(admin, "viewer", org_id)
    provider_key = await admin(
        "POST",
        "/admin/provider-keys",
        {"org_id": org_id, "provider": "openai", "credential": {"api_key": "sk-of-the-customer"}},
    )
    webhook = await admin("POST", "/admin/webhooks", {"org_id": org_id, "url": "https://hooks.example.com/in"})
    webhook_id = webhook.body["webhook_id"]
    request_id = f"call-of-{org_id}"
    settled = settled_call(1, call_id=request_id)
    caller = type(settled.caller)(settled.caller.tenant_id, org_id, user_id, key.body["key_id"])
    admin.around.requests.settled[request_id] = type(settled)(
        **{field: getattr(settled, field) for field in settled.__struct_fields__} | {"caller": caller}
    )
    return {
        "org_id": org_id,
        "team_id": team.body["team_id"],
        "user_id": user_id,
        "key_id": key.body["key_id"],
        "admin_key_id": for_it["admin_key_id"],
        "provider_key_id": provider_key.body["provider_key_id"],
        "webhook_id": webhook_id,
        "delivery_id": await dead_delivery(admin, webhook_id),
        "request_id": request_id,
    }


async def dead_delivery(admin: Client, webhook_id: str) -> str:
    """A delivery to the webhook that was given up."""
    begun = await admin("POST", f"/admin/webhooks/{webhook_id}/test")
    deliveries = VaultDeliveries(admin.around.vault)
    found = await deliveries.find(webhook_id, int(begun.body["delivery_id"]))
    assert found is not None
    await deliveries.put_back(msgspec.structs.replace(found, state=DeliveryState.DEAD))
    return str(found.number)


def routes_in_a_harmless_order() -> Iterator[tuple[str, str]]:
    """What ends something comes last, the innermost first."""

    def rank(route: tuple[str, str]) -> tuple[bool, bool, int, str]:
        method, path = route
        return method == "DELETE", method == "DELETE" and "/organizations" in path, -path.count("{"), path

    return iter(sorted(PERMISSIONS, key=rank))


async def called(admin: Client, method: str, path: str, there: dict[str, str], key: str) -> Answer:
    body = BODIES.get((method, path))
    said = (
        {name: there["org_id"] if value == "{org_id}" else value for name, value in body.items()}
        if isinstance(body, dict)
        else None
    )
    return await admin(method, path.format(**there), said, key=key)


def test_the_table_names_every_route_of_the_application(admin: Client) -> None:
    app = create_admin(admin.around.deps())
    found = {(method, path) for path, methods in app.openapi()["paths"].items() for method in map(str.upper, methods)}
    assert found == set(PERMISSIONS)
    assert not [route for route in app.routes if isinstance(route, APIRoute) and len(route.methods or ()) != 1]


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_is_let_in_exactly_where_the_table_says(admin: Client, role: Role) -> None:
    there = await world(admin)
    key = (await admin_key(admin, role))["admin_key"]
    for method, path in routes_in_a_harmless_order():
        answer = await called(admin, method, path, there, key)
        if role in PERMISSIONS[method, path].roles:
            assert answer.status in (200, 201), (method, path, answer.body)
        else:
            assert (answer.status, answer.error["code"]) == (403, "FORBIDDEN"), (method, path, answer.body)
            assert answer.error["message"].endswith(f"this one's is {role.value}.")


@pytest.mark.parametrize("role", ROLES)
async def test_a_key_to_one_organization_is_let_in_there_and_finds_nothing_of_another(
    admin: Client, role: Role
) -> None:
    own, other = await world(admin, "Own"), await world(admin, "Other")
    key = (await admin_key(admin, role, own["org_id"]))["admin_key"]
    before = await admin.around.directory.snapshot()
    for method, path in routes_in_a_harmless_order():
        permission = PERMISSIONS[method, path]
        answer = await called(admin, method, path, other, key)
        if role not in permission.roles or permission.tenant_only or (method, path) == ("POST", "/admin/admin-keys"):
            assert answer.status == 403, (method, path, answer.body)
        elif "{" in path or (method == "POST" and path != "/admin/import"):
            assert answer.status == 404, (method, path, answer.body)
        else:
            assert answer.status == 200, (method, path, answer.body)
            assert other["org_id"] not in str(answer.body), (method, path)
    assert await admin.around.directory.snapshot() == before
    for method, path in routes_in_a_harmless_order():
        permission = PERMISSIONS[method, path]
        answer = await called(admin, method, path, own, key)
        refused = (
            role not in permission.roles or permission.tenant_only or (method, path) == ("POST", "/admin/admin-keys")
        )
        assert answer.status == 403 if refused else answer.status in (200, 201), (method, path, answer.body)


async def test_lists_and_figures_of_a_confined_key_are_of_its_organization_alone(admin: Client) -> None:
    own, other = await world(admin, "Own"), await world(admin, "Other")
    key = (await admin_key(admin, "admin", own["org_id"]))["admin_key"]
    for path in ("organizations", "teams", "users", "admin-keys", "provider-keys"):
        listed = (await admin("GET", f"/admin/{path}", key=key)).body["data"]
        everything = (await admin("GET", f"/admin/{path}")).body["data"]
        assert {entry.get("org_id", entry.get("scope")) for entry in listed} == {own["org_id"]}
        assert len(listed) < len(everything)
    for path in ("teams", "users"):
        assert (await admin("GET", f"/admin/{path}?org_id={other['org_id']}", key=key)).body["data"] == []
    figures = (await admin("GET", "/admin/metrics", key=key)).body
    assert [figures[kind]["active"] for kind in ("organizations", "users", "api_keys")] == [1, 1, 1]
    assert (await admin("GET", "/admin/health", key=key)).body["failure_modes"] == {"fail_closed": 1, "fail_open": 0}


@pytest.mark.parametrize("own", ROLES)
@pytest.mark.parametrize("asked", ROLES)
async def test_nobody_makes_or_revokes_an_admin_key_of_more_rights_than_their_own(
    admin: Client, own: Role, asked: Role
) -> None:
    key = (await admin_key(admin, own))["admin_key"]
    victim = (await admin_key(admin, asked))["admin_key_id"]
    may = own in (Role.OWNER, Role.ADMIN) and not (own is Role.ADMIN and asked is Role.OWNER)
    before = await admin.changes()
    made = await admin("POST", "/admin/admin-keys", {"role": asked.value, "name": "x", "scope": "tenant"}, key=key)
    revoked = await admin("DELETE", f"/admin/admin-keys/{victim}", key=key)
    assert (made.status, revoked.status) == ((201, 200) if may else (403, 403))
    assert await admin.changes() == before + (2 if may else 0)


def test_roles_cover_each_other_as_their_routes_do() -> None:
    covered = {own.value: "".join(other.value[0] for other in Role if covers(own, other)) for own in Role}
    assert covered == {"owner": "oabav", "admin": "abav", "billing": "bv", "auditor": "av", "viewer": "v"}


async def test_no_admin_key_outgrows_its_maker_in_scope_or_time(admin: Client) -> None:
    own, other = await world(admin, "Own"), await world(admin, "Other")
    ends = "2026-11-22T00:00:00.000Z"
    key = (await admin_key(admin, "admin", own["org_id"], expires_at=ends))["admin_key"]
    asked = {"role": "viewer", "name": "x", "scope": own["org_id"]}
    for fields, status, param in (
        ({"scope": "tenant"}, 403, "scope"),
        ({"scope": other["org_id"]}, 404, "scope"),
        ({"expires_at": "2026-11-22T00:00:01Z"}, 403, "expires_at"),
        ({"role": "owner"}, 403, "role"),
    ):
        answer = await admin("POST", "/admin/admin-keys", asked | fields, key=key)
        assert (answer.status, answer.error["param"]) == (status, param), answer.body
    made = await admin("POST", "/admin/admin-keys", asked, key=key)
    assert (made.status, made.body["expires_at"], made.body["scope"]) == (201, ends, own["org_id"])


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("PATCH", "/admin/admin-keys/{admin_key_id}", {"role": "owner"}),
        ("PUT", "/admin/admin-keys/{admin_key_id}", {"role": "owner"}),
        ("PATCH", "/admin/users/{user_id}", {"role": "owner"}),
        ("PATCH", "/admin/users/{user_id}", {"org_id": "org_other"}),
        ("PATCH", "/admin/teams/{team_id}", {"org_id": "org_other"}),
        ("PATCH", "/admin/organizations/{org_id}", {"tenant_id": "other"}),
        ("PATCH", "/admin/users/{user_id}/api-keys/{key_id}", {"user_id": "usr_other"}),
        ("POST", "/admin/admin-keys", {"role": "viewer", "name": "x", "scope": "tenant", "sha256": "00"}),
        ("POST", "/admin/admin-keys", {"role": "viewer", "name": "x", "scope": "tenant", "org_id": None}),
        ("POST", "/admin/admin-keys", {"role": ["owner"], "name": "x", "scope": "tenant"}),
        ("POST", "/admin/admin-keys", {"role": "OWNER", "name": "x", "scope": "tenant"}),
    ],
)
async def test_rights_cannot_be_raised_through_a_change_or_a_field_more(
    admin: Client, method: str, path: str, fields: object
) -> None:
    there = await world(admin)
    before = await admin.around.directory.snapshot()
    answer = await admin(method, path.format(**there), fields)
    assert answer.status in (400, 405), answer.body
    assert await admin.around.directory.snapshot() == before


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"monthly_budget_usd": 101}, "monthly_budget_usd"),
        ({"monthly_budget_usd": None}, "monthly_budget_usd"),
        ({"requests_per_minute": 61}, "requests_per_minute"),
        ({"time_zone": "Asia/Tokyo"}, "time_zone"),
        ({"priority_tier": "PREMIUM"}, "priority_tier"),
        ({"suspended": True}, "suspended"),
    ],
)
async def test_a_confined_key_gives_its_organization_no_more_than_it_was_given(
    admin: Client, fields: dict[str, object], param: str
) -> None:
    org_id = await admin.organization(requests_per_minute=60)
    key = (await admin_key(admin, "owner", org_id))["admin_key"]
    answer = await admin("PATCH", f"/admin/organizations/{org_id}", fields, key=key)
    assert (answer.status, answer.error["param"]) == (403, param), answer.body
    less = {"monthly_budget_usd": 99, "daily_budget_usd": 5, "requests_per_minute": 60, "name": "Renamed"}
    assert (await admin("PATCH", f"/admin/organizations/{org_id}", less, key=key)).status == 200


async def test_an_admin_key_is_shown_once_kept_as_its_hash_and_named_in_the_history(
    admin: Client, tmp_path: Path
) -> None:
    made = await admin_key(admin, "admin")
    text = made["admin_key"]
    assert text.startswith("gw_admin_")
    assert text.startswith(made["prefix"])
    shown = await admin("GET", f"/admin/admin-keys/{made['admin_key_id']}")
    assert shown.body == {name: value for name, value in made.items() if name != "admin_key"}
    await admin("POST", "/admin/organizations", {"name": "By key", "monthly_budget_usd": 1}, key=text)
    actors = await admin.around.vault.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT actor, address, entity, after FROM gateway.change_s ORDER BY change_id"
        ).all()
    )
    assert [(row[0], row[2]) for row in actors] == [("admin", "admin_key"), (made["admin_key_id"], "customer")]
    assert {row[1] for row in actors} == {"127.0.0.1"}
    assert "sha256" not in str(actors)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert not [path for path in files if text.encode() in path.read_bytes()]


async def test_a_revoked_or_expired_admin_key_is_refused_at_once(admin: Client) -> None:
    revoked = await admin_key(admin, "owner")
    expired = await admin_key(admin, "owner", expires_at="2026-11-21T12:00:01Z")
    for made in (revoked, expired):
        assert (await admin("GET", "/admin/users", key=made["admin_key"])).status == 200
    assert (await admin("DELETE", f"/admin/admin-keys/{revoked['admin_key_id']}")).body["status"] == "revoked"
    admin.around.clock.ns = NOON_NS + 1_000_000_000
    for made, word in ((revoked, "revoked"), (expired, "expired")):
        answer = await admin("GET", "/admin/users", key=made["admin_key"])
        assert (answer.status, answer.error["code"]) == (401, "UNAUTHENTICATED")
        assert word in answer.error["message"]


async def test_another_process_knows_an_admin_key_from_the_directory(admin: Client) -> None:
    made = await admin_key(admin, "billing")
    elsewhere = await VaultDirectory(admin.around.vault, admin.around.clock).snapshot()
    found = elsewhere.admin_keys[made["admin_key_id"]]
    assert (found.role, found.org_id, found.version) == (Role.BILLING, None, 1)


async def test_a_repetition_by_another_admin_key_is_not_answered_with_what_the_first_was(admin: Client) -> None:
    keys = [(await admin_key(admin, "admin"))["admin_key"] for _ in range(2)]
    once = {"Idempotency-Key": "the-same"}
    bodies = [{"name": f"Org {number}", "monthly_budget_usd": 1} for number in range(2)]
    answers = await asyncio.gather(
        *(
            admin("POST", "/admin/organizations", body, key=key, headers=once)
            for body, key in zip(bodies, keys, strict=True)
        )
    )
    assert [answer.body.get("name") for answer in answers] == ["Org 0", "Org 1"]
