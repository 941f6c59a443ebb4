"""What an API key may use and from where, and how a new one takes its place."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.admin.surroundings import NOON_NS, Client

from onevault.core.faults import Fault
from onevault.core.identity import Principal

NOON_MS = NOON_NS // 1_000_000


async def key_of(admin: Client, **fields: object) -> dict[str, Any]:
    user_id = await admin.user(await admin.organization())
    made = await admin("POST", f"/admin/users/{user_id}/api-keys", fields)
    assert made.status == 201, made.body
    return dict(made.body)


def path_of(key: dict[str, Any]) -> str:
    return f"/admin/users/{key['user_id']}/api-keys/{key['key_id']}"


def called(admin: Client, key: dict[str, Any], *, after_s: int = 0, address: str = "") -> Principal | str:
    """The principal of a call, or the code of its refusal."""
    try:
        return admin.around.access.authenticate(key["api_key"], now_ms=NOON_MS + after_s * 1000, address=address)
    except Fault as fault:
        return fault.kind.value


async def test_what_a_key_may_use_and_from_where_reaches_its_calls(admin: Client) -> None:
    key = await key_of(admin, allowed_providers=["openai-eu"], allowed_addresses=["192.0.2.7", "2001:DB8::/32"])
    assert key["allowed_addresses"] == ["192.0.2.7/32", "2001:db8::/32"]
    found = called(admin, key, address="192.0.2.7")
    assert isinstance(found, Principal)
    assert found.allowed_providers == {"openai-eu"}
    assert called(admin, key, address="192.0.2.8") == "FORBIDDEN"
    changed = await admin("PATCH", path_of(key), {"allowed_addresses": None, "allowed_providers": None})
    assert (changed.body["allowed_addresses"], changed.body["allowed_providers"]) == (None, None)
    found = called(admin, key, address="192.0.2.8")
    assert isinstance(found, Principal)
    assert found.allowed_providers is None
    stored = (await admin.around.directory.snapshot()).keys[key["key_id"]]
    assert (stored.allowed_addresses, stored.allowed_providers) == (None, None)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("allowed_addresses", [], "between 1 and 100"),
        ("allowed_addresses", "192.0.2.0/24", "must be a list"),
        ("allowed_addresses", ["192.0.2.1/24"], "192.0.2.0/24 was meant?"),
        ("allowed_addresses", ["192.0.2.0/33"], "must be networks as"),
        ("allowed_addresses", ["example.org"], "must be networks as"),
        ("allowed_addresses", ["fe80::1%eth0"], "without a zone"),
        ("allowed_addresses", ["::ffff:192.0.2.0/120"], "as IPv4"),
        ("allowed_addresses", ["192.0.2.0/24"] * 101, "between 1 and 100"),
        ("allowed_providers", [], "between 1 and 100"),
        ("allowed_providers", ["open\nai"], "control characters"),
        ("allowed_providers", [1], "must be a string"),
        ("counts_as", "key_other", "there is no such field"),
    ],
)
async def test_a_list_that_cannot_be_meant_is_refused(admin: Client, field: str, value: object, reason: str) -> None:
    key = await key_of(admin)
    before = await admin.changes()
    answer = await admin("PATCH", path_of(key), {field: value})
    assert answer.status == 400
    assert answer.error["param"].startswith(field)
    assert reason in answer.error["message"]
    assert await admin.changes() == before


LIKE_BEFORE = (
    "allowed_models",
    "allowed_providers",
    "allowed_addresses",
    "daily_limit_usd",
    "requests_per_minute",
    "expires_at",
    "name",
    "test",
)


async def test_both_keys_work_while_a_rotation_overlaps_and_share_their_limits(admin: Client) -> None:
    old = await key_of(
        admin,
        name="ci",
        allowed_models=["m"],
        allowed_providers=["p"],
        daily_limit_usd=3,
        expires_at="2027-01-01T00:00:00Z",
    )
    answer = await admin("POST", f"{path_of(old)}/rotate", {"overlap": 60})
    assert answer.status == 201, answer.body
    new = answer.body
    assert new["key_id"] != old["key_id"]
    assert {name: new[name] for name in LIKE_BEFORE} == {name: old[name] for name in LIKE_BEFORE}
    before, after = called(admin, old, after_s=59), called(admin, new, after_s=59)
    assert isinstance(before, Principal)
    assert isinstance(after, Principal)
    assert (after.scopes, after.limits) == (before.scopes, before.limits)
    assert after.key_id == new["key_id"]
    assert called(admin, old, after_s=60) == "UNAUTHENTICATED"
    assert isinstance(called(admin, new, after_s=60), Principal)
    again = (await admin("POST", f"{path_of(new)}/rotate", {"overlap": 0})).body
    assert again["counts_as"] == new["counts_as"] == old["key_id"]
    assert called(admin, new) == "UNAUTHENTICATED"
    assert isinstance(called(admin, again), Principal)


async def test_a_rotation_never_lengthens_the_life_of_the_old_key(admin: Client) -> None:
    old = await key_of(admin, expires_at="2026-11-21T12:00:30Z")
    new = (await admin("POST", f"{path_of(old)}/rotate")).body
    assert called(admin, old, after_s=30) == called(admin, new, after_s=30) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"overlap": -1}, 400, "overlap"),
        ({"overlap": 90 * 86_400 + 1}, 400, "overlap"),
        ({"overlap": None}, 400, "overlap"),
        ({"allowed_models": None}, 400, "allowed_models"),
        ({"daily_limit_usd": None}, 400, "daily_limit_usd"),
    ],
)
async def test_a_rotation_changes_nothing_else(admin: Client, body: object, status: int, param: str) -> None:
    key = await key_of(admin)
    before = await admin.changes()
    answer = await admin("POST", f"{path_of(key)}/rotate", body)
    assert (answer.status, answer.error["param"]) == (status, param)
    assert await admin.changes() == before


async def test_a_key_that_no_longer_works_is_not_rotated(admin: Client) -> None:
    revoked, expired = await key_of(admin), None
    await admin("DELETE", path_of(revoked))
    user_id = revoked["user_id"]
    expired = (await admin("POST", f"/admin/users/{user_id}/api-keys", {"expires_at": "2026-11-21T12:00:01Z"})).body
    admin.around.clock.ns += 1_000_000_000
    for key in (revoked, expired):
        answer = await admin("POST", f"{path_of(key)}/rotate")
        assert (answer.status, answer.error["param"]) == (409, "key_id")


async def test_a_repeated_rotation_makes_no_second_key(admin: Client) -> None:
    key = await key_of(admin)
    once = {"Idempotency-Key": "rotation"}
    first = await admin("POST", f"{path_of(key)}/rotate", {"overlap": 9}, headers=once)
    again = await admin("POST", f"{path_of(key)}/rotate", {"overlap": 9}, headers=once)
    assert (first.status, again.status) == (201, 409)
    assert first.body["key_id"] in again.error["message"]
    listed = await admin("GET", f"/admin/users/{key['user_id']}/api-keys")
    assert len(listed.body["data"]) == 2
