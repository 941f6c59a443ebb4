"""A POST that is repeated with its Idempotency-Key is done once."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest
from tests.contract.admin.surroundings import Client, Surroundings, serving

from onevault.admin import idempotency
from onevault.stores.sql import answers
from onevault.stores.sql.answers import VaultAnswers
from onevault.stores.sql.schema.derived import repeatable_answer

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


async def test_answers_are_kept_for_a_day(admin: Client) -> None:
    async def again(name: str) -> int:
        headers = {"idempotency-key": name}
        return (await admin("POST", "/admin/organizations", {**BODY, "name": name}, headers=headers)).status

    assert [await again("a"), await again("a")] == [201, 201]
    admin.around.clock.ns += answers.KEPT_MS * 1_000_000
    assert await again("a") == 409  # forgotten: the name is taken


async def test_another_process_and_the_next_start_answer_what_the_first_did(admin: Client) -> None:
    headers = {"idempotency-key": "one"}
    first = await admin("POST", "/admin/organizations", BODY, headers=headers)
    user_id = await admin.user(first.body["org_id"])
    key = await admin("POST", f"/admin/users/{user_id}/api-keys", {}, headers={"idempotency-key": "key"})
    async with serving(Surroundings(admin.around.vault)) as other:
        second = await other("POST", "/admin/organizations", BODY, headers=headers)
        assert (second.status, second.body, second.headers["etag"]) == (201, first.body, first.headers["etag"])
        different = await other("POST", "/admin/organizations", {**BODY, "name": "B"}, headers=headers)
        assert different.status == 409
        repeated = await other("POST", f"/admin/users/{user_id}/api-keys", {}, headers={"idempotency-key": "key"})
        assert repeated.status == 409
        assert key.body["key_id"] in repeated.error["message"]
    kept = await admin.around.vault.read(lambda connection: connection.execute(repeatable_answer.select()).all())
    assert len(kept) == 2
    assert key.body["api_key"] not in str(kept)


async def test_who_died_before_answering_is_given_up_after_a_minute(admin: Client) -> None:
    """Until then nobody does it a second time."""
    headers = {"idempotency-key": "one"}
    begun = VaultAnswers(admin.around.vault)
    await admin.organization("Other")
    key, asked = sha256(b"admin one").digest(), sha256(b"organizations ...").digest()
    now_ms = admin.around.clock.ns // 1_000_000
    assert await begun.begin(key, asked, now_ms=now_ms, gives_up_ms=1) is None
    waits = await admin("POST", "/admin/organizations", BODY, headers=headers)
    assert (waits.status, waits.error["param"]) == (409, "Idempotency-Key")
    admin.around.clock.ns += idempotency.GIVEN_UP_MS * 1_000_000
    assert (await admin("POST", "/admin/organizations", BODY, headers=headers)).status == 201


async def test_of_many_processes_that_begin_at_once_one_begins(admin: Client) -> None:
    many = [VaultAnswers(admin.around.vault) for _ in range(8)]
    began = await asyncio.gather(*(each.begin(b"k" * 32, b"f" * 32, now_ms=1, gives_up_ms=60_000) for each in many))
    assert began.count(None) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
async def test_a_key_that_is_none_is_refused(admin: Client, key: str) -> None:
    answer = await admin("POST", "/admin/organizations", BODY, headers={"idempotency-key": key})
    assert (answer.status, answer.error["param"]) == (400, "Idempotency-Key")
