"""A POST that is repeated with its Idempotency-Key is done once."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.admin.surroundings import Client

from onevault.admin import idempotency

BODY = {"name": "Acme", "monthly_budget_usd": 1}


async def test_a_repetition_gets_the_first_answer_and_creates_nothing(admin: Client) -> None:
    headers = {"idempotency-key": "one"}
    answers = await asyncio.gather(*(admin("POST", "/admin/organizations", BODY, headers=headers) for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["org_id"] for answer in answers}) == 1
    assert await admin.changes() == 1
    spelled = b'{ "monthly_budget_usd": 1.0, "name": "Acme" }'
    assert (await admin("POST", "/admin/organizations", spelled, headers=headers)).status == 201


async def test_a_key_used_for_something_else_is_a_conflict(admin: Client) -> None:
    headers = {"idempotency-key": "one"}
    org_id = (await admin("POST", "/admin/organizations", BODY, headers=headers)).body["org_id"]
    other_body = await admin("POST", "/admin/organizations", {**BODY, "name": "B"}, headers=headers)
    other_path = await admin("POST", "/admin/users", {"org_id": org_id, "email": "a@b.test"}, headers=headers)
    for answer in (other_body, other_path):
        assert (answer.status, answer.error["param"]) == (409, "Idempotency-Key")
    assert await admin.changes() == 1


async def test_a_repeated_api_key_is_neither_made_nor_shown_again(admin: Client) -> None:
    user_id = await admin.user(await admin.organization())
    headers = {"idempotency-key": "one"}
    first = await admin("POST", f"/admin/users/{user_id}/api-keys", {}, headers=headers)
    second = await admin("POST", f"/admin/users/{user_id}/api-keys", {}, headers=headers)
    assert (first.status, second.status) == (201, 409)
    assert first.body["key_id"] in second.error["message"]
    assert first.body["api_key"] not in second.error["message"]
    assert await admin.changes() == 3


async def test_what_failed_may_be_tried_again_with_the_same_key(admin: Client) -> None:
    headers = {"idempotency-key": "one"}
    admin.around.directory.down = True
    assert (await admin("POST", "/admin/organizations", BODY, headers=headers)).status == 503
    admin.around.directory.down = False
    assert (await admin("POST", "/admin/organizations", BODY, headers=headers)).status == 201


async def test_a_repeated_reset_resets_once(admin: Client) -> None:
    user_id = await admin.user(await admin.organization())
    for _ in range(2):
        answer = await admin("POST", f"/admin/users/{user_id}/reset-quota", headers={"idempotency-key": "one"})
        assert answer.status == 200
    assert len(admin.around.journal.records) == 1


async def test_answers_are_kept_for_a_day_and_in_bounded_number(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def again(name: str) -> int:
        headers = {"idempotency-key": name}
        return (await admin("POST", "/admin/organizations", {**BODY, "name": name}, headers=headers)).status

    assert [await again("a"), await again("a")] == [201, 201]
    admin.around.clock.ns += idempotency.KEPT_S * 1_000_000_000
    assert await again("a") == 409  # forgotten: the name is taken
    monkeypatch.setattr(idempotency, "ANSWERS_MAX", 2)
    assert [await again(name) for name in "bcdd"] == [201] * 4
    assert await again("b") == 409


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
async def test_a_key_that_is_none_is_refused(admin: Client, key: str) -> None:
    answer = await admin("POST", "/admin/organizations", BODY, headers={"idempotency-key": key})
    assert (answer.status, answer.error["param"]) == (400, "Idempotency-Key")
