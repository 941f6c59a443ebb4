"""Many at once: what goes out comes in elsewhere, each line whole or not at all, and a second time makes nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.admin.surroundings import ADMIN_KEY, Answer, Client, Surroundings, serving
from tests.contract.admin.test_roles import admin_key, world

from onevault.admin import bulk, door
from onevault.stores.sql.engine import open_vault


def lines(*documents: object) -> bytes:
    return b"\n".join(msgspec.json.encode(document) for document in documents)


async def sent(admin: Client, body: bytes, query: str = "", *, key: str = ADMIN_KEY) -> Answer:
    return await admin(
        "POST", f"/admin/import?{query}", body, key=key, headers={"content-type": "application/x-ndjson"}
    )


async def exported(admin: Client, query: str = "", *, key: str = ADMIN_KEY) -> list[dict[str, Any]]:
    answer = await admin("GET", f"/admin/export?{query}", key=key)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return list(answer.body or [])


async def filled(admin: Client) -> dict[str, str]:
    there = await world(admin)
    await admin("PATCH", f"/admin/users/{there['user_id']}", {"monthly_limit_usd": 0.25, "suspended": True})
    key = {"name": "ci", "allowed_models": ["m"], "allowed_addresses": ["192.0.2.0/24"], "test": True}
    made = await admin("POST", f"/admin/users/{there['user_id']}/api-keys", key)
    await admin("DELETE", f"/admin/users/{there['user_id']}/api-keys/{there['key_id']}")
    return there | {"api_key": made.body["api_key"], "key_id": made.body["key_id"]}


async def test_what_goes_out_comes_in_elsewhere_as_it_was(admin: Client, tmp_path: Path) -> None:
    await filled(admin)
    went_out = await exported(admin)
    assert [line["object"] for line in went_out] == ["organization", "team", "user", "api_key"]
    async with open_vault(tmp_path / "other") as vault, serving(Surroundings(vault)) as other:
        await other.organization("There before")  # so that no id happens to be the same
        first = await sent(other, lines(*went_out), "new_keys=true")
        assert (first.status, first.body["created"], first.body["errors"]) == (200, 4, [])
        again = await sent(other, lines(*went_out), "new_keys=true")
        assert (again.body["created"], again.body["existing"], again.body["failed"]) == (0, 4, 0)
        assert [entry["id"] for entry in again.body["entries"]] == [entry["id"] for entry in first.body["entries"]]
        assert not any(entry["differs"] or entry["api_key"] for entry in again.body["entries"])
        org_id = first.body["entries"][0]["id"]
        came_in = await exported(other, f"org_id={org_id}")
        text = first.body["entries"][3]["api_key"]
        assert text.startswith("gw_test_")
    ids = {"org_id", "team_id", "user_id", "key_id"}
    without = [[{k: v for k, v in line.items() if k not in ids} for line in all_] for all_ in (went_out, came_in)]
    assert without[0] == without[1]
    assert (came_in[2]["suspended"], came_in[2]["monthly_limit_usd"], came_in[2]["team"]) == (True, 0.25, "Team")


async def test_what_comes_in_where_it_went_out_differs_in_nothing_and_ended_keys_stay_out(admin: Client) -> None:
    there = await filled(admin)
    path = f"/admin/users/{there['user_id']}/api-keys"
    await admin("POST", path, {"name": "ends", "expires_at": "2100-01-01T00:00:00Z"})
    await admin("POST", f"{path}/{there['key_id']}/rotate", {"overlap": 60})
    admin.around.clock.ns += 61 * 1_000_000_000
    went_out = await exported(admin)
    assert [(line.get("name"), "expires_at" in line) for line in went_out[3:]] == [("ends", True), ("ci", False)]
    back = await sent(admin, lines(*went_out), "new_keys=true")
    assert [(entry["outcome"], entry["differs"]) for entry in back.body["entries"]] == [("exists", [])] * 5


async def test_no_secret_goes_out(admin: Client) -> None:
    there = await filled(admin)
    stored = (await admin.around.directory.snapshot()).keys[there["key_id"]]
    text = msgspec.json.encode(await exported(admin)).decode()
    for secret in (there["api_key"], there["api_key"][:12], stored.sha256.hex(), stored.prefix, "sha256", "webhook"):
        assert secret not in text


async def test_of_10_000_lines_with_3_bad_ones_9_997_are_there_and_the_3_are_named(admin: Client) -> None:
    documents: list[dict[str, object]] = [{"object": "organization", "name": "Acme", "monthly_budget_usd": 5}]
    documents += [{"object": "user", "organization": "Acme", "email": f"{n}@acme.test"} for n in range(9_999)]
    documents[10]["monthly_limit_usd"] = -1
    documents[5_000]["nonsense"] = True
    documents[9_999]["organization"] = "Elsewhere"
    answer = await sent(admin, lines(*documents))
    assert (answer.status, answer.body["lines"], answer.body["created"]) == (200, 10_000, 9_997)
    told = [(error["line"], error["field"]) for error in answer.body["errors"]]
    assert told == [(11, "monthly_limit_usd"), (5_001, "nonsense"), (10_000, "organization")]
    assert (await admin.around.directory.snapshot()).version == 9_997


async def test_a_dry_run_tells_the_same_and_changes_nothing(admin: Client) -> None:
    body = lines(
        {"object": "organization", "org_id": "theirs", "name": "Acme", "monthly_budget_usd": 5},
        {"object": "team", "org_id": "theirs", "name": "Team"},
        {"object": "user", "org_id": "theirs", "team": "team", "email": "a@acme.test"},
        {"object": "user", "org_id": "theirs", "email": "A@acme.test", "daily_limit_usd": 1},
        {"object": "api_key", "organization": "ACME", "user": "a@acme.test", "name": "ci"},
    )
    dry = await sent(admin, body, "dry_run=true&new_keys=true")
    assert await admin.changes() == 0
    wet = await sent(admin, body, "new_keys=true")
    told = [(each["line"], each["outcome"], each["differs"]) for each in wet.body["entries"]]
    assert told == [(each["line"], each["outcome"], each["differs"]) for each in dry.body["entries"]]
    assert [outcome for _, outcome, _ in told] == ["created", "created", "created", "exists", "created"]
    assert told[3][2] == ["daily_limit_usd", "email"]
    assert {each["id"] for each in dry.body["entries"]} == {None}
    assert not any(each["api_key"] for each in dry.body["entries"])
    without = await sent(
        admin, lines({"object": "api_key", "organization": "Acme", "user": "a@acme.test", "name": "x"})
    )
    assert (without.body["skipped"], without.body["created"]) == (1, 0)


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        (b"{", None, "the body is not valid JSON"),
        (b"[]", None, "one JSON object"),
        (b'{"object":"organization","object":"team"}', None, "given twice"),
        (b"\xff{}", None, "not valid JSON"),
        (b'{"object":"admin_key"}', "object", "must be organization"),
        (b'{"object":"organization","name":"X"}', "monthly_budget_usd", "required"),
        (b'{"object":"organization","name":"X","monthly_budget_usd":"1"}', "monthly_budget_usd", ""),
        (b'{"object":"organization","name":"X","monthly_budget_usd":1,"status":"active"}', "status", "no such field"),
        (b'{"object":"organization","name":"X","monthly_budget_usd":1,"user_id":"u"}', "user_id", "no such field"),
        (b'{"object":"organization","name":"X","monthly_budget_usd":1,"suspended":1}', "suspended", "true or false"),
        (b'{"object":"user","email":"a@x.org"}', "organization", "required"),
        (b'{"object":"user","org_id":7,"email":"a@x.org"}', "org_id", "text"),
        (b'{"object":"user","org_id":"gone","email":"a@x.org"}', "org_id", "no such organization"),
        (b'{"object":"user","organization":"Acme","team":"None","email":"b@x.org"}', "team", "no such team"),
        (b'{"object":"api_key","organization":"Acme","user":"no@x.org","name":"k"}', "user", "no such user"),
        (b'{"object":"api_key","user_id":"gone","name":"k"}', "user_id", "no such user"),
        (b'{"object":"api_key","user":"a@acme.test","organization":"Acme"}', "name", "required"),
        (b'{"object":"api_key","sha256":"00","user":"a@acme.test","organization":"Acme","name":"k"}', "sha256", ""),
        (b'{"object":"user","email":"' + b"x" * bulk.LINE_BYTES_MAX + b'"}', None, "longer than"),
    ],
)
async def test_a_bad_line_is_refused_with_its_field_and_reason(
    admin: Client, line: bytes, field: str | None, message: str
) -> None:
    await admin.user(await admin.organization())
    before = await admin.changes()
    answer = await sent(
        admin, b"\n\n" + line + b'\n{"object":"team","organization":"Acme","name":"Good"}\n', "new_keys=true"
    )
    assert (answer.status, answer.body["lines"], answer.body["created"]) == (200, 2, 1)
    (error,) = answer.body["errors"]
    assert (error["line"], error["field"]) == (3, field)
    assert message in error["message"]
    assert await admin.changes() == before + 1


async def test_a_key_of_one_organization_moves_nothing_of_another(admin: Client) -> None:
    own, other = await world(admin, "Own"), await world(admin, "Other")
    key = (await admin_key(admin, "admin", own["org_id"]))["admin_key"]
    assert {line.get("org_id", own["org_id"]) for line in await exported(admin, key=key)} == {own["org_id"]}
    assert (await admin("GET", f"/admin/export?org_id={other['org_id']}", key=key)).status == 404
    foreign = lines(
        {"object": "organization", "name": "New", "monthly_budget_usd": 1},
        {"object": "organization", "name": "other", "monthly_budget_usd": 1},
        {"object": "user", "organization": "Other", "email": "x@x.org"},
        {"object": "user", "org_id": other["org_id"], "email": "x@x.org"},
        {"object": "user", "org_id": own["org_id"], "team_id": other["team_id"], "email": "x@x.org"},
        {"object": "api_key", "user_id": other["user_id"], "name": "k"},
    )
    before = await admin.changes()
    answer = await sent(admin, foreign, "new_keys=true", key=key)
    assert (answer.body["failed"], answer.body["created"]) == (6, 0)
    assert other["org_id"] not in str(answer.body)
    assert await admin.changes() == before
    mine = await sent(admin, lines({"object": "user", "organization": "own", "email": "x@x.org"}), key=key)
    assert mine.body["created"] == 1


async def test_a_body_that_is_too_large_ends_what_was_begun_and_says_so(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "STREAMED_BYTES_MAX", 1000)
    body = lines({"object": "organization", "name": "Acme", "monthly_budget_usd": 1}) + b"\n" * 1000
    answer = await sent(admin, body)
    assert (answer.status, answer.error["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_who_may_not_import_is_refused_before_the_body_is_read(admin: Client) -> None:
    there = await world(admin)
    for role in ("viewer", "billing", "auditor"):
        key = (await admin_key(admin, role, there["org_id"]))["admin_key"]
        assert (await sent(admin, b"{", key=key)).status == 403
