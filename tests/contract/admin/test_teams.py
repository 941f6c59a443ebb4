"""Teams and the tenant: what stands above a call between its user and everybody, over a socket."""

from __future__ import annotations

import pytest
from tests.contract.admin.surroundings import NOON_NS, Answer, Client

from onevault.core.faults import Fault
from onevault.core.identity import Limit, Metric, Principal, Window
from onevault.core.money import nanos_from_usd
from onevault.policy.limits import key_scope, organization_scope, team_scope, tenant_scope, user_scope

NOON_MS = NOON_NS // 1_000_000


async def team_of(admin: Client, org_id: str, name: str = "Research", **fields: object) -> str:
    made = await admin("POST", "/admin/teams", {"org_id": org_id, "name": name, **fields})
    assert made.status == 201, made.body
    return str(made.body["team_id"])


async def key_of(admin: Client, user_id: str) -> dict[str, str]:
    made = await admin("POST", f"/admin/users/{user_id}/api-keys")
    assert made.status == 201, made.body
    return dict(made.body)


def principal_of(admin: Client, key: dict[str, str]) -> Principal:
    return admin.around.access.authenticate(key["api_key"], now_ms=NOON_MS)


def refusal_of(admin: Client, key: dict[str, str]) -> str | None:
    try:
        principal_of(admin, key)
    except Fault as refusal:
        return refusal.message
    return None


def says(answer: Answer, status: int, param: str | None) -> None:
    assert (answer.status, answer.error["param"]) == (status, param), answer.body


async def test_every_scope_above_a_key_stands_above_its_call(admin: Client) -> None:
    org_id = await admin.organization(monthly_budget_usd=4)
    team_id = await team_of(admin, org_id, monthly_limit_usd=3, tokens_per_minute=9)
    user_id = await admin.user(org_id, team_id=team_id, monthly_limit_usd=2)
    key = await key_of(admin, user_id)
    assert (await admin("PATCH", "/admin/tenant", {"monthly_budget_usd": 5, "requests_per_minute": 7})).status == 200
    found = principal_of(admin, key)
    own, user, team, org, all_of_them = (
        key_scope(key["key_id"]),
        user_scope(user_id),
        team_scope(team_id),
        organization_scope(org_id),
        tenant_scope("default"),
    )
    assert found.scopes == (own, user, team, org, all_of_them)
    assert set(found.limits) == {
        Limit(user, Metric.MONEY, Window.MONTH, nanos_from_usd(2)),
        Limit(team, Metric.MONEY, Window.MONTH, nanos_from_usd(3)),
        Limit(team, Metric.TOKENS, Window.MINUTE, 9),
        Limit(org, Metric.MONEY, Window.MONTH, nanos_from_usd(4)),
        Limit(all_of_them, Metric.MONEY, Window.MONTH, nanos_from_usd(5)),
        Limit(all_of_them, Metric.REQUESTS, Window.MINUTE, 7),
    }
    assert found.team_id == team_id


@pytest.mark.parametrize(
    ("method", "body", "reason"),
    [
        ("PATCH", {"suspended": True}, "The team of this API key is suspended."),
        ("DELETE", None, "The team of this API key is deleted."),
    ],
)
async def test_the_end_or_rest_of_a_team_stops_its_users_until_they_are_elsewhere(
    admin: Client, method: str, body: object, reason: str
) -> None:
    org_id = await admin.organization()
    team_id = await team_of(admin, org_id)
    user_id = await admin.user(org_id, team_id=team_id)
    key = await key_of(admin, user_id)
    assert refusal_of(admin, key) is None
    assert (await admin(method, f"/admin/teams/{team_id}", body)).status == 200
    assert refusal_of(admin, key) == reason
    other = await team_of(admin, org_id, "Elsewhere")
    for team in (other, None):
        assert (await admin("PATCH", f"/admin/users/{user_id}", {"team_id": team})).body["team_id"] == team
        assert principal_of(admin, key).team_id == team


async def test_a_team_lists_its_users_as_they_come_and_go(admin: Client) -> None:
    org_id = await admin.organization()
    one, two = await team_of(admin, org_id, "One"), await team_of(admin, org_id, "Two")
    users = [await admin.user(org_id, f"{number}@acme.test", team_id=one) for number in range(3)]
    await admin("PATCH", f"/admin/users/{users[0]}", {"team_id": two})
    await admin("DELETE", f"/admin/users/{users[1]}")

    async def in_team(team_id: str, query: str = "") -> list[str]:
        listed = await admin("GET", f"/admin/teams/{team_id}/users{query}")
        return [user["user_id"] for user in listed.body["data"]]

    assert await in_team(one) == [users[2]]
    assert await in_team(one, "?include_deleted=true") == users[1:]
    assert await in_team(two) == [users[0]]
    listed = await admin("GET", f"/admin/teams?org_id={org_id}")
    assert [team["team_id"] for team in listed.body["data"]] == [one, two]


async def test_a_team_name_is_taken_only_in_its_organization_and_only_while_it_lives(admin: Client) -> None:
    here, there = await admin.organization("Here"), await admin.organization("There")
    team_id = await team_of(admin, here)
    await team_of(admin, there)
    says(await admin("POST", "/admin/teams", {"org_id": here, "name": "RESEARCH"}), 409, "name")
    other = await team_of(admin, here, "Other")
    says(await admin("PATCH", f"/admin/teams/{other}", {"name": "research"}), 409, "name")
    await admin("DELETE", f"/admin/teams/{team_id}")
    assert (await admin("PATCH", f"/admin/teams/{other}", {"name": "research"})).status == 200


async def test_no_user_comes_into_a_team_of_another_organization_or_one_that_is_gone(admin: Client) -> None:
    here, there = await admin.organization("Here"), await admin.organization("There")
    foreign, gone = await team_of(admin, there), await team_of(admin, here)
    await admin("DELETE", f"/admin/teams/{gone}")
    user_id = await admin.user(here)
    before = await admin.changes()
    for team_id in (foreign, gone, "team_none"):
        says(await admin("PATCH", f"/admin/users/{user_id}", {"team_id": team_id}), 404, "team_id")
        body = {"org_id": here, "email": "b@acme.test", "team_id": team_id}
        says(await admin("POST", "/admin/users", body), 404, "team_id")
    says(await admin("POST", "/admin/teams", {"org_id": "org_none", "name": "x"}), 404, "org_id")
    assert await admin.changes() == before


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "/admin/teams", {"org_id": "{org}", "name": ""}, "name"),
        ("POST", "/admin/teams", {"org_id": "{org}", "name": "x", "role": "owner"}, "role"),
        ("POST", "/admin/teams", {"org_id": "{org}", "name": "x", "monthly_limit_usd": -1}, "monthly_limit_usd"),
        ("PATCH", "/admin/tenant", {"monthly_budget_usd": "5"}, "monthly_budget_usd"),
        ("PATCH", "/admin/tenant", {"tenant_id": "other"}, "tenant_id"),
        ("PATCH", "/admin/tenant", {"requests_per_minute": 1.5}, "requests_per_minute"),
    ],
)
async def test_a_field_that_cannot_be_is_refused_by_name(
    admin: Client, method: str, path: str, body: dict[str, object], param: str
) -> None:
    org_id = await admin.organization()
    before = await admin.changes()
    said = {name: org_id if value == "{org}" else value for name, value in body.items()}
    says(await admin(method, path, said), 400, param)
    assert await admin.changes() == before


async def test_the_tenant_begins_without_limits_and_keeps_its_versions(admin: Client) -> None:
    first = await admin("GET", "/admin/tenant")
    assert (first.status, first.body["version"], first.body["monthly_budget_usd"]) == (200, 0, None)
    changed = await admin("PATCH", "/admin/tenant", {"daily_budget_usd": 1}, headers={"If-Match": '"0"'})
    assert (changed.body["version"], changed.body["daily_budget_usd"]) == (1, 1)
    says(await admin("PATCH", "/admin/tenant", {"daily_budget_usd": 2}, headers={"If-Match": '"0"'}), 409, "If-Match")
    assert (await admin("GET", "/admin/tenant/usage")).body["day_limit_usd"] == 1
    same = await admin("PATCH", "/admin/tenant", {"daily_budget_usd": 1})
    assert same.body["version"] == 1
