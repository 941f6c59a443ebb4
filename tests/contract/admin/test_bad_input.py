"""Bad input is refused with the field and the reason, in the one error shape, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.admin.surroundings import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

THERE = 3
"""Changes that the directory had before: an organization, a user, a key."""
ORG = "/admin/organizations"
GOOD = {"name": "Acme", "monthly_budget_usd": 1}

ORGANIZATIONS: list[tuple[object, str | None, str]] = [
    ({"monthly_budget_usd": 1}, "name", "is required"),
    ({"name": "Acme"}, "monthly_budget_usd", "is required"),
    ({**GOOD, "name": ""}, "name", "must not be empty"),
    ({**GOOD, "name": " Acme"}, "name", "must not begin or end with a space"),
    ({**GOOD, "name": "x" * 201}, "name", "must have at most 200 characters"),
    ({**GOOD, "name": "a\x00b"}, "name", "must have no control characters"),
    ({**GOOD, "name": 7}, "name", "must be a string"),
    ({**GOOD, "name": None}, "name", "must be a string"),
    ({**GOOD, "monthly_budget_usd": -1}, "monthly_budget_usd", "must not be negative"),
    ({**GOOD, "monthly_budget_usd": -1e-9}, "monthly_budget_usd", "must not be negative"),
    ({**GOOD, "monthly_budget_usd": 1e-10}, "monthly_budget_usd", "must have at most 9 decimals"),
    ({**GOOD, "monthly_budget_usd": 1_000_000_001}, "monthly_budget_usd", "must be at most 1000000000 US dollars"),
    ({**GOOD, "monthly_budget_usd": "1"}, "monthly_budget_usd", "must be a number of US dollars"),
    ({**GOOD, "monthly_budget_usd": True}, "monthly_budget_usd", "must be a number of US dollars"),
    ({**GOOD, "monthly_budget_usd": [1]}, "monthly_budget_usd", "must be a number of US dollars"),
    ({**GOOD, "requests_per_minute": 1.5}, "requests_per_minute", "must be a whole number"),
    ({**GOOD, "requests_per_minute": -1}, "requests_per_minute", "must be between 0 and 1000000000000"),
    ({**GOOD, "requests_per_minute": "60"}, "requests_per_minute", "must be a whole number"),
    ({**GOOD, "requests_per_minute": True}, "requests_per_minute", "must be a whole number"),
    ({**GOOD, "time_zone": "Mars/Olympus"}, "time_zone", "must be a time zone of the IANA database"),
    ({**GOOD, "time_zone": "../../etc/passwd"}, "time_zone", "must be a time zone of the IANA database"),
    ({**GOOD, "time_zone": "localtime"}, "time_zone", "must be a time zone of the IANA database"),
    ({**GOOD, "failure_mode": "fail_open"}, "fallback_daily_limit", "fail_open needs"),
    ({**GOOD, "failure_mode": "shrug"}, "failure_mode", "must be one of"),
    ({**GOOD, "fallback_daily_limit": 5}, "fallback_daily_limit", "only holds with failure_mode fail_open"),
    ({**GOOD, "failure_mode": "fail_open", "fallback_daily_limit": -1}, "fallback_daily_limit", ""),
    ({**GOOD, "compliance_level": "HIPAA"}, "compliance_level", "HIPAA is not available yet"),
    ({**GOOD, "compliance_level": "hipaa"}, "compliance_level", "must be one of"),
    ({**GOOD, "webhook_url": "http://169.254.169.254/"}, "webhook_url", "internal or special address"),
    ({**GOOD, "priority_tier": "GOLD"}, "priority_tier", "must be one of: BASIC, STANDARD, PREMIUM"),
    ({**GOOD, "monthly_budget": 5}, "monthly_budget", "there is no such field"),
    ({**GOOD, "tenant_id": "other"}, "tenant_id", "there is no such field"),
    ({**GOOD, "org_id": "org_mine"}, "org_id", "there is no such field"),
    ({**GOOD, "status": "active"}, "status", "there is no such field"),
    ([GOOD], None, "must be one JSON object"),
    (None, None, "must be one JSON object"),
    (b"1.5", None, "must be one JSON object"),
    (b"", None, "must be one JSON object"),
    (b"{", None, "not valid JSON"),
    (b"\xff\xfe", None, "not valid JSON"),
    (b"[" * 100_000, None, "not valid JSON"),
    (b'{"name": "Acme", "monthly_budget_usd": NaN}', None, "NaN is not a JSON number"),
    (b'{"name": "Acme", "monthly_budget_usd": -Infinity}', None, "-Infinity is not a JSON number"),
    (b'{"name": "Acme", "monthly_budget_usd": 1e400}', "monthly_budget_usd", "must be at most"),
    (b'{"name": "Acme", "monthly_budget_usd": 1e-99999999}', "monthly_budget_usd", "at most 9 decimals"),
    (
        b'{"name": "Acme", "monthly_budget_usd": 0.10000000000000000000000000000000000001}',
        "monthly_budget_usd",
        "9 dec",
    ),
    (b'{"name": "Acme", "monthly_budget_usd": ' + b"9" * 5000 + b"}", None, "not valid JSON"),
    (b'{"name": "Acme", "monthly_budget_usd": 1, "name": "Other"}', None, "a field is given twice"),
    (b'{"name": "\\ud800", "monthly_budget_usd": 1}', "name", "must have no control characters"),
]


def says(answer: Any, field: str | None, reason: str) -> None:
    assert answer.status == 400, answer.body
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == field
    assert reason in answer.error["message"]
    assert answer.error["code"] == (
        "UNSUPPORTED_PARAMETER" if "not available yet" in answer.error["message"] else "INVALID_REQUEST"
    )


@pytest.mark.parametrize(("body", "field", "reason"), ORGANIZATIONS)
async def test_no_organization_comes_of_bad_input(shared: Client, body: object, field: str | None, reason: str) -> None:
    sent = b"null" if body is None else body
    says(await shared("POST", ORG, sent), field, reason)
    assert await shared.changes() == THERE


USERS: list[tuple[dict[str, object], str, str]] = [
    ({}, "org_id", "is required"),
    ({"email": "no-at.test"}, "email", "must be an e-mail address"),
    ({"email": "a b@acme.test"}, "email", "must be an e-mail address"),
    ({"email": "a@b@c"}, "email", "must be an e-mail address"),
    ({"email": "a@" + "x" * 300}, "email", "must have at most 254 characters"),
    ({"email": "a@acme.test", "monthly_limit_usd": -0.01}, "monthly_limit_usd", "must not be negative"),
    ({"email": "a@acme.test", "daily_request_limit": 0.5}, "daily_request_limit", "must be a whole number"),
    ({"email": "a@acme.test", "role": "owner"}, "role", "there is no such field"),
]


@pytest.mark.parametrize(("fields", "field", "reason"), USERS)
async def test_no_user_comes_of_bad_input(shared: Client, fields: dict[str, object], field: str, reason: str) -> None:
    body = {**({"org_id": shared.org_id} if fields else {}), **fields}
    says(await shared("POST", "/admin/users", body), field, reason)
    assert await shared.changes() == THERE


KEYS: list[tuple[dict[str, object], str, str]] = [
    ({"expires_at": "2026-11-21T11:59:59Z"}, "expires_at", "must lie in the future"),
    ({"expires_at": "2030-01-01"}, "expires_at", "must be a time with its offset"),
    ({"expires_at": "2030-01-01T00:00:00"}, "expires_at", "must be a time with its offset"),
    ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at", "must be a time with its offset"),
    ({"expires_at": 1900000000}, "expires_at", "must be a string"),
    ({"allowed_models": []}, "allowed_models", "must name between 1 and 200 models"),
    ({"allowed_models": "gpt-5"}, "allowed_models", "must be a list of model names"),
    ({"allowed_models": ["gpt-5", 5]}, "allowed_models", "must be a string"),
    ({"allowed_models": ["x"] * 201}, "allowed_models", "must name between 1 and 200 models"),
    ({"test": 1}, "test", "must be true or false"),
    ({"api_key": "gw_live_" + "a" * 40}, "api_key", "there is no such field"),
    ({"sha256": "00" * 32}, "sha256", "there is no such field"),
]


@pytest.mark.parametrize(("fields", "field", "reason"), KEYS)
async def test_no_key_comes_of_bad_input(shared: Client, fields: dict[str, object], field: str, reason: str) -> None:
    says(await shared("POST", f"/admin/users/{shared.user_id}/api-keys", fields), field, reason)
    assert await shared.changes() == THERE


OWNED = ("status", "version", "created_at", "created_at_ms", "org_id", "user_id", "key_id", "tenant_id")


@pytest.mark.parametrize("field", [*OWNED, "sha256", "prefix", "test", "api_key", "daily_limit", "expires_at_ms"])
async def test_a_change_cannot_reach_what_is_not_the_admins_to_set(shared: Client, field: str) -> None:
    user = f"/admin/users/{shared.user_id}"
    for path in (f"{ORG}/{shared.org_id}", user, f"{user}/api-keys/{shared.key_id}"):
        for value in ("active", 7, None):
            says(await shared("PATCH", path, {field: value}), field, "there is no such field")
    assert await shared.changes() == THERE


async def test_every_problem_is_told_and_none_of_the_values(shared: Client) -> None:
    secret = "sk-canary-0123456789"
    body = {"name": [secret], "monthly_budget_usd": secret, "api_key": secret, "time_zone": secret}
    answer = await shared("POST", ORG, body)
    for field in body:
        assert f"{field}: " in answer.error["message"]
    assert secret not in answer.error["message"]


async def test_a_field_name_is_not_echoed_without_bound(shared: Client) -> None:
    answer = await shared("POST", ORG, {**GOOD, "x" * 10_000: 1})
    assert len(answer.error["message"]) < 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "a"]
)
async def test_only_json_is_taken(shared: Client, content_type: str) -> None:
    answer = await shared("POST", ORG, GOOD, headers={"content-type": content_type})
    says(answer, None, "must be one JSON object")
    assert await shared.changes() == THERE


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("after=%27%20OR%201=1", "after"),
        ("orgid=x", "orgid"),
    ],
)
async def test_a_list_takes_only_its_own_parameters(shared: Client, query: str, field: str) -> None:
    answer = await shared("GET", f"/admin/users?{query}")
    assert (answer.status, answer.error["param"]) == (400, field)


@pytest.mark.parametrize("query", ["month=2026-10", "limit=5"])
async def test_what_takes_no_parameters_passes_none_over(shared: Client, query: str) -> None:
    """Else who asks for another month gets this one's figures for it."""
    for path in (f"{ORG}/{shared.org_id}/usage", f"{ORG}/{shared.org_id}"):
        answer = await shared("GET", f"{path}?{query}")
        assert (answer.status, answer.error["param"]) == (400, query.partition("=")[0])
        assert answer.error["message"].endswith(": there is no such field")
    assert (await shared("PATCH", f"{ORG}/{shared.org_id}?{query}", {"name": "New"})).status == 400
    assert await shared.changes() == THERE


@pytest.mark.parametrize(
    ("header", "value"), [("If-Match", "abc"), ("If-Match", '"1", "2"'), ("If-Match", '"' + "9" * 40 + '"')]
)
async def test_a_version_that_is_none_is_refused(shared: Client, header: str, value: str) -> None:
    answer = await shared("PATCH", f"{ORG}/{shared.org_id}", {"name": "New"}, headers={header: value})
    assert (answer.status, answer.error["param"]) == (400, header)
    assert await shared.changes() == THERE
