"""What was done to the control planes of gateways before, tried on this one."""

from __future__ import annotations

import asyncio
import gc

import msgspec
import pytest
from tests.contract.admin.surroundings import ADMIN_KEY, Client

from onevault.admin import door
from onevault.core.directory import Changes
from onevault.core.faults import FaultKind

ROUTES = [
    ("POST", "/admin/organizations"),
    ("GET", "/admin/organizations"),
    ("GET", "/admin/organizations/x"),
    ("PATCH", "/admin/organizations/x"),
    ("DELETE", "/admin/organizations/x"),
    ("GET", "/admin/organizations/x/users"),
    ("GET", "/admin/organizations/x/usage"),
    ("POST", "/admin/users"),
    ("GET", "/admin/users"),
    ("GET", "/admin/users/x"),
    ("PATCH", "/admin/users/x"),
    ("DELETE", "/admin/users/x"),
    ("POST", "/admin/users/x/api-keys"),
    ("GET", "/admin/users/x/api-keys"),
    ("GET", "/admin/users/x/api-keys/y"),
    ("PATCH", "/admin/users/x/api-keys/y"),
    ("DELETE", "/admin/users/x/api-keys/y"),
    ("GET", "/admin/users/x/usage"),
    ("POST", "/admin/users/x/reset-quota"),
    ("GET", "/admin/requests/x"),
    ("GET", "/admin/health"),
    ("GET", "/admin/metrics"),
    ("GET", "/admin/nothing"),
    ("GET", "/admin"),
    ("OPTIONS", "/admin/users"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
    ("GET", "/admin/../admin/users"),
    ("GET", "//admin/users"),
]


async def test_nobody_without_an_admin_key_learns_anything(admin: Client) -> None:
    user_id = await admin.user(await admin.organization())
    api_key = (await admin("POST", f"/admin/users/{user_id}/api-keys")).body["api_key"]
    strangers = (None, "", "wrong", api_key, ADMIN_KEY + "x", ADMIN_KEY[:-1], ADMIN_KEY.upper(), "x" * 5000)
    for method, path in ROUTES:
        for key in strangers:
            answer = await admin(method, path, {"nonsense": 1} if method in ("POST", "PATCH") else None, key=key)
            assert (answer.status, answer.error["code"]) == (401, "UNAUTHENTICATED"), (path, answer.body)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert await admin.changes() == 3


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ADMIN_KEY},
        {"authorization": f"Basic {ADMIN_KEY}"},
        {"authorization": f"Bearer{ADMIN_KEY}"},
        {"x-api-key": ADMIN_KEY},
        {"x-goog-api-key": ADMIN_KEY},
        {"cookie": f"authorization={ADMIN_KEY}"},
    ],
)
async def test_the_key_counts_only_as_a_bearer(admin: Client, headers: dict[str, str]) -> None:
    assert (await admin("GET", "/admin/users", key=None, headers=headers)).status == 401


async def test_two_credentials_at_once_are_none(admin: Client) -> None:
    request = (
        f"GET /admin/users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_KEY}\r\nauthorization: Bearer z\r\n\r\n"
    )
    assert (await raw(admin, request.encode())).startswith(b"HTTP/1.1 401 ")


async def raw(admin: Client, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(request)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head


@pytest.mark.parametrize("host", ["localhost/admin/health?", "evil.test", "", "[::1", "a, b", "x" * 3000])
async def test_a_hostile_host_opens_nothing_and_is_never_answered_with(admin: Client, host: str) -> None:
    line = "GET /admin/users/ HTTP/1.1"
    without = await raw(admin, f"{line}\r\nhost: {host}\r\n\r\n".encode())
    within = await raw(admin, f"{line}\r\nhost: {host}\r\nauthorization: Bearer {ADMIN_KEY}\r\n\r\n".encode())
    assert without.split()[1] == b"401"
    assert within.split()[1] == b"404"
    assert b"location" not in within.lower()


async def test_a_request_is_refused_before_its_body_is_awaited(admin: Client) -> None:
    head = await raw(admin, b"POST /admin/users HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n{")
    assert head.startswith(b"HTTP/1.1 401 ")


async def test_a_body_without_end_is_refused_at_its_bound(admin: Client) -> None:
    declared = f"POST /admin/users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_KEY}\r\n"
    too_long = f"{declared}content-length: {door.BODY_BYTES_MAX + 1}\r\n\r\n"
    assert (await raw(admin, too_long.encode())).startswith(b"HTTP/1.1 413 ")
    chunk = b"%x\r\n%s\r\n" % (door.BODY_BYTES_MAX + 1, b"x" * (door.BODY_BYTES_MAX + 1))
    endless = f"{declared}transfer-encoding: chunked\r\n\r\n".encode() + chunk
    assert (await raw(admin, endless)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_come_is_waited_for_a_while_only(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BODY_WAIT_S", 0.1)
    head = f"POST /admin/users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_KEY}\r\ncontent-length: 9\r\n\r\n{{"
    assert (await raw(admin, head.encode())).startswith(b"HTTP/1.1 400 ")


async def test_a_store_that_hangs_is_given_up(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(since: int) -> Changes:
        await asyncio.sleep(60)
        return Changes(0, ())

    monkeypatch.setattr(door, "CALL_S", 0.1)
    with monkeypatch.context() as hanging:
        hanging.setattr(admin.around.directory, "changes", never)
        answers = await asyncio.gather(
            admin("GET", "/admin/users"),
            admin(
                "POST",
                "/admin/organizations",
                {
                    "name": "Acme",
                    "monthly_budget_usd": 1,
                },
            ),
        )
    assert [answer.error["code"] for answer in answers] == ["STORE_UNAVAILABLE"] * 2
    assert await admin.organization()


async def test_a_failure_of_ours_is_told_without_its_cause(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(since: int) -> Changes:
        raise RuntimeError("near canary")

    await admin.organization()
    monkeypatch.setattr(admin.around.directory, "changes", broken)
    answer = await admin("GET", "/admin/users")
    assert (answer.status, answer.error["code"]) == (500, FaultKind.INTERNAL.value)
    assert "canary" not in answer.error["message"]


IDS = [
    "' OR 1=1 --",
    "x'; DROP TABLE gateway.customer_h; --",
    "%00",
    "..%2f..%2fetc",
    "🦊",
    "a" * 4000,
    "*",
    "%ff",
    "1 UNION SELECT",
]


PATHS = ["organizations/{}", "users/{}", "users/{}/usage", "requests/{}", "users/{}/api-keys"]


async def test_an_id_that_is_none_finds_nothing(admin: Client) -> None:
    await admin.user(await admin.organization())
    for path in PATHS:
        for hostile in IDS:
            answer = await admin("GET", f"/admin/{path.format(hostile)}")
            assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND"), (path, hostile)


async def test_what_looks_like_sql_is_only_a_name(admin: Client) -> None:
    name = "Robert'); DROP TABLE organizations;--"
    org_id = await admin.organization(name)
    assert (await admin("GET", f"/admin/organizations/{org_id}")).body["name"] == name


async def test_a_user_cannot_be_moved_to_another_organization(admin: Client) -> None:
    one, two = await admin.organization("One"), await admin.organization("Two")
    user_id = await admin.user(one)
    assert (await admin("PATCH", f"/admin/users/{user_id}", {"org_id": two})).status == 400
    assert (await admin("GET", f"/admin/users/{user_id}")).body["org_id"] == one


async def test_a_method_that_is_not_there_and_a_path_that_is_not_are_told_apart(admin: Client) -> None:
    wrong = await admin("PUT", "/admin/users")
    assert (wrong.status, wrong.error["code"]) == (405, "INVALID_REQUEST")
    assert wrong.headers["allow"]
    assert (await admin("GET", "/admin/nothing")).status == 404


async def test_every_answer_has_an_id_and_is_stored_by_nobody(admin: Client) -> None:
    for key in (ADMIN_KEY, None):
        answer = await admin("GET", "/admin/users", key=key)
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.headers["cache-control"] == "no-store"


async def test_no_key_is_in_the_applications_memory_after_its_answer(admin: Client) -> None:
    user_id = await admin.user(await admin.organization())
    made = await admin("POST", f"/admin/users/{user_id}/api-keys", {}, headers={"idempotency-key": "k"})

    gc.collect()
    text = made.body["api_key"]
    held = [
        each for each in gc.get_objects() if str(type(each).__module__).startswith("onevault.") and text in repr(each)
    ]
    assert held == []
    assert msgspec.json.encode(made.body)
