"""What becomes of keys is told, whoever changes them: the admin API, an import, the command line, time. No webhook leads inside."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.commands import Shell
from tests.support.processes import GatewayProcess, http
from tests.support.receiver import wait_for

INSIDE = ("https://169.254.169.254/", "https://10.1.2.3/hook", "http://example.com/hook")


def told(gateway: GatewayProcess, org_id: str, kind: str) -> list[dict[str, Any]]:
    events = gateway.admin(f"/events?org_id={org_id}&kind={kind}")["data"]
    return [event["data"] for event in reversed(events)]


def test_a_key_is_told_of_when_it_is_made_rotated_revoked_and_over(gateway: GatewayProcess) -> None:
    first = gateway.new_key()
    path = f"/users/{first.user_id}/api-keys"
    second = gateway.admin(f"{path}/{first.key_id}/rotate", {"overlap": 0})
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    short = gateway.admin(path, {"expires_at": soon})
    (rotated,) = wait_for(lambda: told(gateway, first.org_id, "key.rotated"))
    assert (rotated["key_id"], rotated["counts_as"], rotated["user_id"]) == (
        second["key_id"], first.key_id, first.user_id,
    )  # fmt: skip
    (revoked,) = wait_for(lambda: told(gateway, first.org_id, "key.revoked"))
    assert (revoked["key_id"], revoked["prefix"]) == (first.key_id, first.api_key[: len(revoked["prefix"])])
    assert first.api_key not in str(gateway.admin(f"/events?org_id={first.org_id}"))
    gateway.admin(f"{path}/{second['key_id']}", {"name": "renamed"}, method="PATCH")
    (expired,) = wait_for(lambda: told(gateway, first.org_id, "key.expired"))
    assert expired["key_id"] == short["key_id"]
    made = wait_for(lambda: len(found := told(gateway, first.org_id, "key.created")) == 2 and found)
    assert [each["key_id"] for each in made] == [first.key_id, short["key_id"]]


def test_a_provider_key_is_told_of_with_what_became_of_it(gateway: GatewayProcess) -> None:
    org_id = gateway.new_key().org_id
    made = gateway.admin(
        "/provider-keys", {"org_id": org_id, "provider": "openai", "credential": {"api_key": "sk-secret-one"}}
    )
    path = f"/provider-keys/{made['provider_key_id']}"
    gateway.admin(path, {"name": "theirs"}, method="PATCH")
    gateway.admin(path, {"credential": {"api_key": "sk-secret-two"}}, method="PATCH")
    gateway.admin(path, method="DELETE")

    def changes() -> list[Any]:
        return [each["change"] for each in told(gateway, org_id, "provider_key.changed")]

    wait_for(lambda: changes() == ["created", "changed", "credential", "revoked"])
    assert "sk-secret" not in str(gateway.admin(f"/events?org_id={org_id}"))


def test_keys_made_on_the_command_line_and_by_an_import_are_told_of_too(gateway: GatewayProcess) -> None:
    beside = Shell(gateway.directory)
    key = gateway.new_key()
    made = beside("keys", "create", "--user", key.user_id, "--json").json
    assert beside("keys", "revoke", made["key_id"]).code == 0
    assert [each["key_id"] for each in told(gateway, key.org_id, "key.revoked")] == [made["key_id"]]
    lines = [{"object": "api_key", "user_id": key.user_id, "name": f"imported {n}"} for n in range(3)]
    answer = http(
        f"{gateway.base_url}/admin/import?new_keys=true",
        key=gateway.credentials["admin_key"],
        body="\n".join(map(json.dumps, lines)).encode(),
    )
    assert answer[2]["created"] == 3, answer
    found = wait_for(lambda: len(found := told(gateway, key.org_id, "key.created")) == 3 and found)
    assert found[-1].get("keys") == 3


@pytest.mark.parametrize("url", INSIDE)
def test_no_way_of_setting_it_lets_a_webhook_lead_inside(gateway: GatewayProcess, url: str) -> None:
    beside = Shell(gateway.directory)
    name = f"Inside {url}"
    org = gateway.new_key().org_id
    for arguments in (("create", name), ("update", org)):
        done = beside("orgs", *arguments, "--webhook-url", url, "--json")
        assert (done.code, json.loads(done.out or done.err)["error"]["param"]) == (2, "webhook_url"), done
    line = {"object": "organization", "name": name, "monthly_budget_usd": 1, "webhook_url": url}
    well = {"object": "organization", "name": f"{name} not", "monthly_budget_usd": 1}
    answer = http(
        f"{gateway.base_url}/admin/import",
        key=gateway.credentials["admin_key"],
        body="\n".join(map(json.dumps, (line, well))).encode(),
    )[2]
    assert (answer["created"] + answer["existing"], answer["failed"]) == (1, 1)
    assert [(each["line"], each["field"]) for each in answer["errors"]] == [(1, "webhook_url")]
    (gateway.directory / "inside.jsonl").write_text(json.dumps(line))
    done = beside("import", str(gateway.directory / "inside.jsonl"), "--json")
    assert done.code == 1
    assert [each["field"] for each in done.json["errors"]] == ["webhook_url"]
    assert gateway.admin(f"/organizations/{org}")["webhook_url"] is None
