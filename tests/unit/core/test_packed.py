"""Users and keys as bytes: what is packed comes back as it was, and is found where it belongs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevault.core.identity import ApiKey, LimitSet, Status, User
from onevault.core.packed import KEYS, USERS, Form, Packed, Records, key_brief, start_of_text, user_brief
from onevault.core.recent import Recent

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(0, 2**63 - 1)
LISTS = st.none() | st.lists(TEXTS, max_size=2).map(tuple)
TARGETS = st.none() | st.dictionaries(TEXTS, st.builds(LimitSet, daily_limit=st.none() | NUMBERS), max_size=2)
OF_NAME: dict[str, st.SearchStrategy[Any]] = {
    "sha256": st.binary(min_size=32, max_size=32),
    "status": st.sampled_from(Status),
    "test": st.booleans(),
    "allowed_models": LISTS,
    "allowed_providers": LISTS,
    "allowed_addresses": LISTS,
    "provider_limits": TARGETS,
    "model_limits": TARGETS,
    "created_at_ms": NUMBERS,
    "version": NUMBERS,
}


def entities(struct: type[Any]) -> st.SearchStrategy[Any]:
    """Any value in every field, new fields included."""
    fields = {}
    for field in msgspec.structs.fields(struct):
        usual = (st.none() | NUMBERS) if field.type == int | None else TEXTS
        fields[field.name] = OF_NAME.get(field.name, usual)
    return st.builds(struct, **fields)


@given(user=entities(User), key=entities(ApiKey))
def test_what_is_packed_comes_back_as_it_was(user: User, key: ApiKey) -> None:
    assert USERS.unpack(USERS.pack(user)) == user
    assert KEYS.unpack(KEYS.pack(key)) == key
    assert dict(Packed(USERS, [USERS.pack(user)])) == {user.user_id: user}
    assert dict(Packed(KEYS, [KEYS.pack(key)])) == {key.key_id: key}
    short, name = user_brief(USERS.pack(user)), key_brief(KEYS.pack(key))
    assert (short.email, short.team_id, short.status) == (user.email, user.team_id, user.status)
    assert (name.prefix, name.name, name.status) == (key.prefix, key.name, key.status)


@given(users=st.lists(entities(User), max_size=30), keys=st.lists(entities(ApiKey), max_size=30), after=TEXTS)
def test_a_list_of_records_is_a_dictionary_in_order(users: list[User], keys: list[ApiKey], after: str) -> None:
    plain = {user.user_id: user for user in users}
    half = len(users) // 2
    records = Records({user.user_id: USERS.pack(user) for user in users[:half]}.values(), start=USERS.start, plain=True)
    for user in users[half:]:
        records.put(USERS.pack(user))
    assert [USERS.unpack(record) for record in records] == [plain[each] for each in sorted(plain)]
    for user_id in (*plain, after):
        found = records.find(start_of_text(user_id))
        assert (None if found is None else USERS.unpack(found)) == plain.get(user_id)
    since = [USERS.unpack(record) for record in records.since(start_of_text(after))]
    assert since == [plain[each] for each in sorted(plain) if each >= after]
    for user_id in (*list(plain)[::2], after):
        records.drop(start_of_text(user_id))
        plain.pop(user_id, None)
    assert {USERS.unpack(record).user_id for record in records} == set(plain)

    by_user = Records(start=KEYS.texts)
    for key in keys:
        by_user.put(KEYS.pack(key))
    for user_id in {key.user_id for key in keys}:
        own = {key.key_id: key for key in keys if key.user_id == user_id}
        found_keys = [KEYS.unpack(record) for record in by_user.beginning(start_of_text(user_id))]
        assert found_keys == [own[each] for each in sorted(own)]


def test_what_was_packed_just_now_is_not_packed_again() -> None:
    user = User(user_id="u", org_id="o", email="a@x.test")
    assert USERS.pack(user) is USERS.pack(user)
    assert USERS.pack(msgspec.structs.replace(user, org_id="p")) != USERS.pack(user)


class Older(msgspec.Struct, kw_only=True):
    """A user of a version that knew less, in another order, and something that is gone."""

    user_id: str
    org_id: str
    status: Status = Status.ACTIVE
    shoe_size: int = 44
    email: str


def test_records_of_another_version_are_packed_anew() -> None:
    form: Form[Any] = Form(Older, digest=None, texts=("user_id", "org_id"))  # type: ignore[type-var]
    older = form.pack(Older(user_id="u", org_id="o", email="a@x.test", status=Status.SUSPENDED))
    (record,) = USERS.repack([older], form.fields)
    assert USERS.unpack(record) == User(user_id="u", org_id="o", email="a@x.test", status=Status.SUSPENDED)
    assert USERS.repack([record], USERS.fields) == [record]


@pytest.mark.parametrize(
    ("form", "entity"),
    [
        (USERS, User(user_id="u\0", org_id="o", email="")),
        (USERS, User(user_id="u", org_id="\0o", email="")),
        (KEYS, ApiKey(key_id="k\0", user_id="u", sha256=b"1" * 32, prefix="")),
        (KEYS, ApiKey(key_id="k", user_id="u", sha256=b"1" * 31, prefix="")),
    ],
)
def test_what_could_not_be_found_again_is_not_packed(form: Form[Any], entity: Any) -> None:
    with pytest.raises(ValueError, match=r"NUL|32 bytes"):
        form.pack(entity)


def test_looking_for_what_no_record_has_finds_nothing() -> None:
    records = Records([USERS.pack(User(user_id="u", org_id="o", email=""))], start=USERS.start, plain=True)
    assert [records.find(start_of_text(text)) for text in ("u\0o", "", "\ud800", "u\0")] == [None] * 4


@given(st.lists(st.integers(0, 12), max_size=60))
def test_of_the_values_used_last_at_least_half_are_there_and_never_more_than_all(used: list[int]) -> None:
    recent: Recent[int, str] = Recent(8)
    for number in used:
        if recent.get(number) is None:
            recent.keep(number, str(number))
        assert len(recent) <= 8
    last = list(dict.fromkeys(reversed(used)))[:4]
    assert [recent.get(number) for number in reversed(last)] == [str(number) for number in reversed(last)]
