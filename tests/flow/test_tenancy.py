"""Teams, the tenant, what keys may use, and admin keys, in a real gateway's process in front of a simulator."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.commands import Shell
from tests.support.processes import GatewayProcess, http

KNOWN_MAX_S = 1.0


def call(gateway: GatewayProcess, key: str, *, model: str = "gpt-4o-mini") -> tuple[int, Any]:
    body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    status, _, answer = http(f"{gateway.base_url}/v1/chat/completions", key=key, body=body)
    return status, answer


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


def test_a_team_with_a_budget_refuses_the_call_that_its_other_users_left_no_room_for(gateway: GatewayProcess) -> None:
    first = gateway.new_key()
    team = gateway.admin("/teams", {"org_id": first.org_id, "name": "Research", "monthly_limit_usd": 0.0002})
    second = gateway.admin("/users", {"org_id": first.org_id, "email": "b@example.com", "team_id": team["team_id"]})
    key = gateway.admin(f"/users/{second['user_id']}/api-keys", {})["api_key"]
    gateway.admin(f"/users/{first.user_id}", {"team_id": team["team_id"]}, method="PATCH")
    answers = []
    while not answers or (answers[-1][0] == 200 and len(answers) < 200):
        answers.append(call(gateway, (first.api_key, key)[len(answers) % 2]))
    assert answers[0][0] == 200
    assert code(answers[-1])[1] == "BUDGET_EXCEEDED"
    assert "of the team" in answers[-1][1]["error"]["message"]
    used = gateway.admin(f"/teams/{team['team_id']}/usage")
    assert 0 < used["month_usage_nanos"] <= used["limit_nanos"] == 200_000
    assert used["request_count"] == len(answers) - 1
    gateway.admin(f"/users/{first.user_id}", {"team_id": None}, method="PATCH")
    assert call(gateway, first.api_key)[0] == 200


def test_the_tenant_stands_above_every_organization_and_is_not_shown_to_callers(own_gateway: GatewayProcess) -> None:
    one, two = own_gateway.new_key(), own_gateway.new_key()
    assert call(own_gateway, one.api_key)[0] == call(own_gateway, two.api_key)[0] == 200
    spent = own_gateway.admin("/tenant/usage")["month_usage_nanos"]
    assert spent == sum(
        own_gateway.admin(f"/organizations/{key.org_id}/usage")["month_usage_nanos"] for key in (one, two)
    )
    own_gateway.admin("/tenant", {"monthly_budget_usd": 2.5}, method="PATCH")
    body = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    status, headers, _ = http(f"{own_gateway.base_url}/v1/chat/completions", key=one.api_key, body=body)
    assert status == 200
    assert "x-gateway-limit-usd" not in headers
    assert "tenant" not in str(http(f"{own_gateway.base_url}/v1/usage", key=one.api_key)[2])
    own_gateway.admin("/tenant", {"monthly_budget_usd": 0}, method="PATCH")
    for key in (one, two):
        assert code(call(own_gateway, key.api_key))[1] == "BUDGET_EXCEEDED"
    own_gateway.kill()
    own_gateway.start()
    assert code(call(own_gateway, one.api_key))[1] == "BUDGET_EXCEEDED"
    assert own_gateway.admin("/tenant/usage")["month_usage_nanos"] > spent


def test_a_key_reaches_only_its_providers(gateway: GatewayProcess) -> None:
    key = gateway.new_key(allowed_providers=["anthropic"]).api_key
    assert call(gateway, key, model="claude-sonnet-4-5")[0] == 200
    refused = call(gateway, key)
    assert code(refused) == (403, "FORBIDDEN")
    assert "provider" in refused[1]["error"]["message"]
    listed = http(f"{gateway.base_url}/v1/models", key=key)[2]["data"]
    assert {model["provider"] for model in listed} == {"anthropic"}
    for path, status in (("openai/v1/models", 403), ("anthropic/v1/models", 200)):
        assert http(f"{gateway.base_url}/passthrough/{path}", key=key)[0] == status, path


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/usage"])
def test_a_key_is_refused_from_elsewhere_and_taken_from_where_it_belongs(gateway: GatewayProcess, path: str) -> None:
    elsewhere = gateway.new_key(allowed_addresses=["192.0.2.0/24", "2001:db8::/32"])
    here = gateway.new_key(allowed_addresses=["127.0.0.0/8"])
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]} if "chat" in path else None
    refused, _, answer = http(
        f"{gateway.base_url}{path}", key=elsewhere.api_key, body=body, headers={"x-forwarded-for": "192.0.2.7"}
    )
    assert (refused, answer["error"]["code"]) == (403, "FORBIDDEN")
    assert http(f"{gateway.base_url}{path}", key=here.api_key, body=body)[0] == 200


def test_a_rotated_key_works_beside_its_successor_and_shares_its_budget(gateway: GatewayProcess) -> None:
    old = gateway.new_key(monthly_limit_usd=1)
    assert call(gateway, old.api_key)[0] == 200
    path = f"/users/{old.user_id}/api-keys/{old.key_id}"
    new = gateway.admin(f"{path}/rotate", {"overlap": 3600})["api_key"]
    assert call(gateway, new)[0] == call(gateway, old.api_key)[0] == 200
    usage = [http(f"{gateway.base_url}/v1/usage", key=key)[2]["key"] for key in (old.api_key, new)]
    assert usage[0] == usage[1]
    assert usage[0]["request_count"] == 3
    gateway.admin(path, method="DELETE")
    assert code(call(gateway, old.api_key)) == (401, "UNAUTHENTICATED")
    assert call(gateway, new)[0] == 200


def test_admin_keys_live_in_the_vault_and_are_not_for_calls(own_gateway: GatewayProcess) -> None:
    org_id = own_gateway.new_key().org_id
    made = own_gateway.admin("/admin-keys", {"role": "viewer", "name": "dashboard", "scope": org_id})
    own_gateway.kill()
    own_gateway.start()
    own = f"{own_gateway.base_url}/admin/organizations"
    status, _, listed = http(own, key=made["admin_key"])
    assert (status, [each["org_id"] for each in listed["data"]]) == (200, [org_id])
    assert http(own, key=made["admin_key"], body={"name": "x", "monthly_budget_usd": 1})[0] == 403
    assert code(call(own_gateway, made["admin_key"])) == (401, "UNAUTHENTICATED")
    own_gateway.admin(f"/admin-keys/{made['admin_key_id']}", method="DELETE")
    assert http(own, key=made["admin_key"])[0] == 401
    assert made["admin_key"] not in own_gateway.process.output


def test_a_team_of_the_command_line_holds_in_a_running_gateway_within_a_second(own_gateway: GatewayProcess) -> None:
    shell = Shell(own_gateway.directory)
    key = own_gateway.new_key()
    team = shell("teams", "create", "Research", "--org", key.org_id, "--monthly-limit-usd", "0", "--json").json
    own_gateway.admin(f"/users/{key.user_id}", {"team_id": team["team_id"]}, method="PATCH")
    assert code(call(own_gateway, key.api_key))[1] == "BUDGET_EXCEEDED"
    listed = shell("teams", "list", "--org", key.org_id, "--json").json
    assert [each["name"] for each in listed["data"]] == ["Research"]
    assert shell("teams", "revoke", team["team_id"]).code == 0
    ended = time.monotonic()
    while code(call(own_gateway, key.api_key)) != (401, "UNAUTHENTICATED"):
        assert time.monotonic() - ended < KNOWN_MAX_S, "never"
        time.sleep(0.01)
