"""Provider keys: kept sealed, never shown, changed and ended like everything else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.contract.admin.surroundings import Answer, Client, everything_kept

from onevault.config.credential import credential_of
from onevault.core.secret_places import Place

SECRET = "sk-canary-6dVx9QpL2mRt8WzK"
AWS = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"}


def account(**fields: str) -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "client_email": "a@b.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "0123456789abcdef0123",
        "project_id": "customers",
        "token_uri": "https://oauth2.googleapis.com/token",
    } | fields


async def made(admin: Client, org_id: str | None, **fields: object) -> Answer:
    body = {"provider": "openai", "credential": {"api_key": SECRET}, **fields}
    return await admin("POST", "/admin/provider-keys", body if org_id is None else {"org_id": org_id, **body})


async def opened(admin: Client, provider_key_id: str) -> dict[str, Any]:
    key = (await admin.around.directory.snapshot()).provider_keys[provider_key_id]
    place = Place("gateway.customer_provider_keys_s", provider_key_id, "api_key_encrypted")
    return dict(credential_of(await admin.around.keyring.open(key.sealed, place)).fields)


async def columns(admin: Client, query: str) -> list[tuple[Any, ...]]:
    return await admin.around.vault.read(lambda connection: [tuple(row) for row in connection.exec_driver_sql(query)])


async def test_a_key_is_kept_sealed_and_only_its_end_is_shown(admin: Client, tmp_path: Path) -> None:
    org_id = await admin.organization()
    answer = await made(admin, org_id, daily_spending_limit_usd=2.5, monthly_spending_limit_usd=40, name="ours")
    assert answer.status == 201, answer.body
    key = answer.body
    assert (key["tail"], key["status"], key["credential"]) == (SECRET[-4:], "active", "api_key")
    assert key["encryption_key_id"].startswith("mk_")
    assert len(key["fingerprint"]) == 16
    read = await admin("GET", f"/admin/provider-keys/{key['provider_key_id']}")
    assert read.body == key
    assert read.headers["etag"] == '"1"'
    assert (await admin("GET", f"/admin/provider-keys?org_id={org_id}")).body["data"] == [key]
    assert await opened(admin, key["provider_key_id"]) == {"api_key": SECRET}
    (row,) = await columns(
        admin,
        "SELECT encryption_key_id, key_status, daily_spending_limit, monthly_spending_limit FROM gateway.v_customer_provider_keys_current",
    )
    assert row == (key["encryption_key_id"], "ACTIVE", 2.5, 40)
    kept = await everything_kept(admin, tmp_path)
    assert key["encryption_key_id"].encode() in kept
    assert SECRET[4:-4].encode() not in kept


async def test_each_change_is_recorded_without_the_secret(admin: Client) -> None:
    org_id = await admin.organization()
    key_id = (await made(admin, org_id)).body["provider_key_id"]
    await admin("PATCH", f"/admin/provider-keys/{key_id}", {"credential": {"api_key": SECRET[::-1]}})
    await admin("DELETE", f"/admin/provider-keys/{key_id}")
    columns_kept = "actor, CAST(before AS TEXT), CAST(after AS TEXT)"
    recorded = await columns(admin, f"SELECT {columns_kept} FROM gateway.change_s WHERE entity = 'provider_key'")
    assert [json.loads(after)["status"] for _, _, after in recorded] == ["active", "active", "revoked"]
    assert json.loads(recorded[1][1])["tail"] != json.loads(recorded[1][2])["tail"]
    assert "sealed" not in str(recorded)
    assert SECRET[3:-4] not in str(recorded)


async def test_a_new_credential_takes_the_old_one_s_place_and_the_rest_stays(admin: Client) -> None:
    org_id = await admin.organization()
    first = (await made(admin, org_id, allowed_models=["gpt-4o*"])).body
    path = f"/admin/provider-keys/{first['provider_key_id']}"
    changed = await admin(
        "PATCH", path, {"credential": {"api_key": "sk-other-1234567890abcd"}}, headers={"If-Match": '"1"'}
    )
    assert changed.status == 200, changed.body
    assert (changed.body["tail"], changed.body["allowed_models"]) == ("abcd", ["gpt-4o*"])
    assert changed.body["fingerprint"] != first["fingerprint"]
    back = await admin("PATCH", path, {"credential": {"api_key": SECRET}})
    assert back.body["fingerprint"] == first["fingerprint"]
    late = await admin("PATCH", path, {"allowed_models": None}, headers={"If-Match": '"1"'})
    assert (late.status, late.error["param"]) == (409, "If-Match")


async def test_one_key_at_a_time_pays_for_an_organization_s_calls_to_a_provider(admin: Client) -> None:
    org_id, other = await admin.organization(), await admin.organization("Other")
    first = (await made(admin, org_id)).body
    again = await made(admin, org_id)
    assert (again.status, again.error["param"]) == (409, "provider")
    assert first["provider_key_id"] in again.error["message"]
    assert (await made(admin, other)).status == 201
    assert (await made(admin, org_id, provider="anthropic")).status == 201
    assert (await admin("DELETE", f"/admin/provider-keys/{first['provider_key_id']}")).body["status"] == "revoked"
    assert (await made(admin, org_id)).status == 201
    refused = await admin("PATCH", f"/admin/provider-keys/{first['provider_key_id']}", {"name": "again"})
    assert (refused.status, refused.error["code"]) == (409, "CONFLICT")


async def test_two_at_once_make_one_key(admin: Client) -> None:
    org_id = await admin.organization()
    answers = await asyncio.gather(*(made(admin, org_id) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


async def test_a_repetition_makes_no_second_key(admin: Client) -> None:
    org_id = await admin.organization()
    body = {"org_id": org_id, "provider": "openai", "credential": {"api_key": SECRET}}
    first = await admin("POST", "/admin/provider-keys", body, headers={"Idempotency-Key": "once"})
    again = await admin("POST", "/admin/provider-keys", body, headers={"Idempotency-Key": "once"})
    assert first.body == again.body
    other = {**body, "credential": {"api_key": SECRET + "x"}}
    assert (await admin("POST", "/admin/provider-keys", other, headers={"Idempotency-Key": "once"})).status == 409


async def test_keys_of_the_tenant_have_names_and_no_limits_of_their_own(admin: Client) -> None:
    assert (await made(admin, None)).error["param"] == "name"
    key = await made(admin, None, name="openai-main")
    assert (key.status, key.body["org_id"]) == (201, None)
    assert (await made(admin, None, name="openai-main")).status == 409
    assert (await made(admin, None, name="openai-other")).status == 201
    refused = await made(admin, None, name="limited", daily_spending_limit_usd=1)
    assert (refused.status, refused.error["param"]) == (400, "daily_spending_limit_usd")
    organizations = (await admin("GET", "/admin/organizations?include_deleted=true")).body["data"]
    assert organizations == []


@pytest.mark.parametrize(
    ("provider", "credential", "kind", "tail"),
    [
        ("anthropic", {"api_key": "sk-ant-0123456789abcdef"}, "api_key", "cdef"),
        ("openai", {"api_key": "short-key"}, "api_key", ""),
        ("azure", {"api_key": SECRET, "base_url": "https://customer.openai.azure.com"}, "api_key", SECRET[-4:]),
        ("bedrock", AWS | {"region": "us-east-1"}, "aws", "MPLE"),
        ("bedrock", {"api_key": SECRET}, "api_key", SECRET[-4:]),
        ("vertex", {"service_account": account()}, "service_account", "0123"),
    ],
)
async def test_each_kind_of_credential_is_kept(
    admin: Client, provider: str, credential: dict[str, Any], kind: str, tail: str
) -> None:
    answer = await made(admin, await admin.organization(), provider=provider, credential=credential)
    assert answer.status == 201, answer.body
    assert (answer.body["credential"], answer.body["tail"]) == (kind, tail)
    kept = await opened(admin, answer.body["provider_key_id"])
    assert set(kept) == set(credential)


@pytest.mark.parametrize(
    ("provider", "credential", "param"),
    [
        ("nobody", {"api_key": SECRET}, "provider"),
        ("openai", {}, "credential"),
        ("openai", "a text", "credential"),
        ("openai", {"api_key": 7}, "credential"),
        ("openai", {"api_key": ""}, "credential.api_key"),
        ("openai", {"api_key": "changeme"}, "credential.api_key"),
        ("openai", {"api_key": "your-api-key-here"}, "credential.api_key"),
        ("openai", {"api_key": f"gw_live_{'a' * 40}"}, "credential.api_key"),
        ("openai", {"api_key": "two words here"}, "credential.api_key"),
        ("openai", {"api_key": SECRET, "colour": "blue"}, "credential.colour"),
        ("openai", {"api_key": SECRET, "base_url": "https://attacker.example"}, "credential.base_url"),
        ("openai", AWS, "credential.access_key_id"),
        ("azure", {"api_key": SECRET, "base_url": "http://customer.openai.azure.com"}, "credential.base_url"),
        ("azure", {"api_key": SECRET, "base_url": "https://169.254.169.254"}, "credential.base_url"),
        ("azure", {"api_key": SECRET, "base_url": "https://a.openai.azure.com:1"}, "credential.base_url"),
        ("azure", {"api_key": SECRET, "base_url": "https://a.openai.azure.com.evil.example"}, "credential.base_url"),
        ("azure", {"api_key": SECRET, "base_url": "https://x@a.openai.azure.com"}, "credential.base_url"),
        ("azure", {"api_key": SECRET, "base_url": "https://evil.example/#.openai.azure.com"}, "credential.base_url"),
        ("bedrock", {"access_key_id": AWS["access_key_id"]}, "credential.secret_access_key"),
        ("bedrock", AWS | {"region": "evil.example/"}, "credential.region"),
        ("vertex", {"api_key": SECRET}, "credential.api_key"),
        ("vertex", {"service_account": "/etc/passwd"}, "credential.service_account"),
        ("vertex", {"service_account": "{}"}, "credential.service_account"),
        ("vertex", {"service_account": account(token_uri="https://evil.example/token")}, "credential.service_account"),
        ("vertex", {"service_account": account(token_uri="http://127.0.0.1:1/token")}, "credential.service_account"),
    ],
)
async def test_what_is_no_credential_for_a_provider_is_refused_with_its_field_and_never_repeated(
    admin: Client, provider: str, credential: Any, param: str
) -> None:
    org_id = await admin.organization()
    before = await admin.changes()
    answer = await made(admin, org_id, provider=provider, credential=credential)
    assert answer.status in (400, 404), answer.body
    assert answer.error["param"] == param, answer.body
    assert SECRET[3:] not in str(answer.body)
    assert await admin.changes() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("daily_spending_limit_usd", -1),
        ("monthly_spending_limit_usd", "1"),
        ("allowed_models", []),
        ("expires_at", "2001-01-01T00:00:00Z"),
        ("status", "active"),
        ("org_id", "org_nobody"),
        ("sealed", "x"),
    ],
)
async def test_absurd_fields_are_refused_and_nothing_is_kept(admin: Client, field: str, value: object) -> None:
    org_id = await admin.organization()
    before = await admin.changes()
    body = {"org_id": org_id, "provider": "openai", "credential": {"api_key": SECRET}, field: value}
    answer = await admin("POST", "/admin/provider-keys", body)
    assert answer.status in (400, 404)
    assert answer.error["param"] == field
    assert await admin.changes() == before


async def test_a_confined_admin_key_manages_its_organization_s_keys_and_sees_no_others(admin: Client) -> None:
    own, other = await admin.organization("Own"), await admin.organization("Other")
    theirs, tenants = (await made(admin, other)).body, (await made(admin, None, name="main")).body
    created = await admin("POST", "/admin/admin-keys", {"role": "admin", "name": "a", "scope": own})
    key = created.body["admin_key"]
    mine = await admin(
        "POST",
        "/admin/provider-keys",
        {"org_id": own, "provider": "openai", "credential": {"api_key": SECRET}},
        key=key,
    )
    assert mine.status == 201
    listed = (await admin("GET", "/admin/provider-keys", key=key)).body["data"]
    assert [entry["provider_key_id"] for entry in listed] == [mine.body["provider_key_id"]]
    for hidden in (theirs, tenants):
        path = f"/admin/provider-keys/{hidden['provider_key_id']}"
        for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
            assert (await admin(method, path, body, key=key)).status == 404
    of_tenant = {"provider": "openai", "name": "mine", "credential": {"api_key": SECRET}}
    assert (await admin("POST", "/admin/provider-keys", of_tenant, key=key)).status == 403


async def test_whether_own_keys_are_used_is_decided_from_above(admin: Client) -> None:
    org_id = await admin.organization()
    path = f"/admin/organizations/{org_id}"
    assert (await admin("GET", path)).body["byok"] == "preferred"
    assert (await admin("PATCH", path, {"byok": "required"})).body["byok"] == "required"
    refused = await admin("PATCH", path, {"byok": "sometimes"})
    assert (refused.status, refused.error["param"]) == (400, "byok")
    created = await admin("POST", "/admin/admin-keys", {"role": "admin", "name": "a", "scope": org_id})
    confined = await admin("PATCH", path, {"byok": "off"}, key=created.body["admin_key"])
    assert (confined.status, confined.error["param"]) == (403, "byok")


async def test_without_a_master_key_nothing_is_kept_and_the_reason_is_told(admin: Client) -> None:
    org_id = await admin.organization()
    admin.around.keyring._keys = None
    answer = await made(admin, org_id)
    assert (answer.status, answer.error["code"]) == (503, "STORE_UNAVAILABLE")
    assert "ONEVAULT_MASTER_KEY" in answer.error["message"]
