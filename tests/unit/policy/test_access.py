"""Who a key stands for: all three must be active, all limits hold, and changes are followed one at a time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevault.core.directory import Snapshot
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey, Limit, Metric, Organization, Principal, Status, Team, Tenant, User, Window
from onevault.core.keys import key_sha256
from onevault.policy.access import Access, Refusal, check, principals
from onevault.policy.limits import (
    NO_DEFAULTS,
    DefaultLimits,
    key_scope,
    organization_scope,
    team_scope,
    tenant_scope,
    user_scope,
)

TEXT = "gw_live_" + "a" * 40
ORG = Organization(org_id="o", tenant_id="t", name="Acme", time_zone="Europe/Berlin")
USER = User(user_id="u", org_id="o", email="a@acme.test")
KEY = ApiKey(key_id="k", user_id="u", sha256=key_sha256(TEXT), prefix="gw_live_aaaa")
NOW_MS = 1_000


def snapshot(*entities: Tenant | Organization | Team | User | ApiKey, version: int = 1) -> Snapshot:
    return Snapshot(
        version,
        {each.org_id: each for each in entities if isinstance(each, Organization)},
        {each.user_id: each for each in entities if isinstance(each, User)},
        {each.key_id: each for each in entities if isinstance(each, ApiKey)},
        {each.team_id: each for each in entities if isinstance(each, Team)},
        {each.tenant_id: each for each in entities if isinstance(each, Tenant)},
    )


TEAM = Team(team_id="g", org_id="o", name="Research")
TENANT = Tenant(tenant_id="t")


def changed(entity: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(entity, version=entity.version + 1, **fields)


def test_a_principal_is_all_three_with_every_scope() -> None:
    key = changed(KEY, test=True, expires_at_ms=9, allowed_models=("m", "n"))
    assert principals(snapshot(ORG, USER, key)) == {
        KEY.sha256: Principal(
            tenant_id="t",
            org_id="o",
            user_id="u",
            key_id="k",
            test=True,
            time_zone="Europe/Berlin",
            scopes=(key_scope("k"), user_scope("u"), organization_scope("o"), tenant_scope("t")),
            limits=(),
            expires_at_ms=9,
            allowed_models=frozenset({"m", "n"}),
        )
    }


MONEY, REQUESTS, TOKENS = Metric.MONEY, Metric.REQUESTS, Metric.TOKENS
OF_ALL = (
    ("max_cost_per_request", MONEY, Window.NOW),
    ("daily_token_limit", TOKENS, Window.DAY),
    ("monthly_token_limit", TOKENS, Window.MONTH),
    ("daily_request_limit", REQUESTS, Window.DAY),
    ("monthly_request_limit", REQUESTS, Window.MONTH),
    ("requests_per_minute", REQUESTS, Window.MINUTE),
    ("tokens_per_minute", TOKENS, Window.MINUTE),
    ("concurrent_requests", Metric.CONCURRENCY, Window.NOW),
)
LIMITS: list[tuple[type, str, Metric, Window]] = [
    *(
        (kind, field, metric, window)
        for kind in (Tenant, Organization)
        for field, metric, window in (
            ("monthly_budget", MONEY, Window.MONTH),
            ("daily_budget", MONEY, Window.DAY),
            ("total_budget", MONEY, Window.TOTAL),
            *OF_ALL,
        )
    ),
    *(
        (kind, field, metric, window)
        for kind in (Team, User, ApiKey)
        for field, metric, window in (
            ("monthly_limit", MONEY, Window.MONTH),
            ("daily_limit", MONEY, Window.DAY),
            ("total_limit", MONEY, Window.TOTAL),
            *OF_ALL,
        )
    ),
]
OF_OTHERS = ("fallback_daily_limit", "provider_limits", "model_limits")
"""What is no limit above every call."""
SCOPES = {
    Tenant: tenant_scope("t"),
    Organization: organization_scope("o"),
    Team: team_scope("g"),
    User: user_scope("u"),
    ApiKey: key_scope("k"),
}


@pytest.mark.parametrize(("kind", "field", "metric", "window"), LIMITS)
@pytest.mark.parametrize("maximum", [0, 7])
def test_each_limit_of_each_stands_above_the_call(
    kind: type, field: str, metric: Metric, window: Window, maximum: int
) -> None:
    everybody = (TENANT, ORG, TEAM, changed(USER, team_id="g"), KEY)
    entities = [changed(each, **{field: maximum}) if type(each) is kind else each for each in everybody]
    (found,) = principals(snapshot(*entities)).values()
    assert isinstance(found, Principal)
    assert found.limits == (Limit(SCOPES[kind], metric, window, maximum),)
    assert found.has_budget is (metric is MONEY)


def test_every_limit_that_an_entity_can_set_is_in_the_table() -> None:
    told = {(kind, field) for kind, field, _, _ in LIMITS}
    words = ("budget", "limit", "per_minute", "per_request", "concurrent")
    named = {
        (kind, field)
        for kind in SCOPES
        for field in kind.__struct_fields__
        if any(word in field for word in words) and field not in OF_OTHERS
    }
    assert told == named


def test_defaults_hold_only_where_nothing_is_set() -> None:
    defaults = DefaultLimits(
        key_requests_per_minute=1,
        key_concurrent_requests=2,
        user_daily_requests=3,
        user_monthly_requests=4,
        user_monthly_budget=5,
    )
    (bare,) = principals(snapshot(ORG, USER, KEY), defaults).values()
    assert isinstance(bare, Principal)
    assert sorted(limit.maximum for limit in bare.limits) == [1, 2, 3, 4, 5]
    user = changed(USER, daily_request_limit=0, monthly_request_limit=40, monthly_limit=50)
    key = changed(KEY, requests_per_minute=10, concurrent_requests=20)
    (own,) = principals(snapshot(ORG, user, key), defaults).values()
    assert isinstance(own, Principal)
    assert sorted(limit.maximum for limit in own.limits) == [0, 10, 20, 40, 50]


@pytest.mark.parametrize(
    ("entity", "status", "told"),
    [
        (KEY, Status.REVOKED, "This API key is revoked."),
        (KEY, Status.SUSPENDED, "This API key is suspended."),
        (KEY, Status.DELETED, "This API key is deleted."),
        (USER, Status.SUSPENDED, "The user of this API key is suspended."),
        (USER, Status.DELETED, "The user of this API key is deleted."),
        (ORG, Status.SUSPENDED, "The organization of this API key is suspended."),
        (ORG, Status.DELETED, "The organization of this API key is deleted."),
    ],
)
def test_whatever_is_not_active_refuses_the_key_with_its_reason(entity: Any, status: Status, told: str) -> None:
    access = Access(snapshot(ORG, USER, KEY))
    assert access.authenticate(TEXT, now_ms=NOW_MS).key_id == "k"
    access.apply(changed(entity, status=status))
    with pytest.raises(Fault) as refusal:
        access.authenticate(TEXT, now_ms=NOW_MS)
    assert (refusal.value.kind, refusal.value.message) == (FaultKind.UNAUTHENTICATED, told)


@pytest.mark.parametrize("missing", [ORG, USER])
def test_a_key_whose_owner_is_not_there_is_refused(missing: Any) -> None:
    access = Access(snapshot(*(each for each in (ORG, USER, KEY) if each is not missing)))
    assert isinstance(access.find(KEY.sha256), Refusal)
    access.apply(missing)
    assert isinstance(access.find(KEY.sha256), Principal)


@pytest.mark.parametrize(
    ("credential", "told"),
    [
        (None, "An API key is needed"),
        ("", "An API key is needed"),
        ("sk-other", "not an API key of this gateway"),
        ("' OR 1=1 --", "not an API key of this gateway"),
        ("gw_live_" + "b" * 40, "not known here"),
        ("gw_test_" + "a" * 40, "not known here"),
    ],
)
def test_a_stranger_is_refused(credential: str | None, told: str) -> None:
    with pytest.raises(Fault, match=told) as refusal:
        Access(snapshot(ORG, USER, KEY)).authenticate(credential, now_ms=NOW_MS)
    assert refusal.value.kind is FaultKind.UNAUTHENTICATED
    assert credential is None or not credential or credential not in refusal.value.message


@pytest.mark.parametrize(("expires_at_ms", "lets_in"), [(None, True), (1_001, True), (1_000, False), (0, False)])
def test_a_key_ends_at_its_moment(expires_at_ms: int | None, lets_in: bool) -> None:
    access = Access(snapshot(ORG, USER, changed(KEY, expires_at_ms=expires_at_ms)))
    if lets_in:
        assert check(access.find(KEY.sha256), NOW_MS).key_id == "k"
    else:
        with pytest.raises(Fault, match="expired"):
            check(access.find(KEY.sha256), NOW_MS)


def test_an_older_version_never_undoes_a_newer_one() -> None:
    access = Access(snapshot(ORG, USER, KEY))
    access.apply(changed(KEY, status=Status.REVOKED))
    access.apply(KEY)
    assert isinstance(access.find(KEY.sha256), Refusal)


def test_other_defaults_hold_from_the_next_call() -> None:
    access = Access(snapshot(ORG, USER, KEY))
    assert check(access.find(KEY.sha256), NOW_MS).limits == ()
    access.set_defaults(DefaultLimits(user_monthly_budget=5))
    assert len(check(access.find(KEY.sha256), NOW_MS).limits) == 1


def test_a_principal_is_resolved_once_between_changes() -> None:
    access = Access(snapshot(ORG, USER, KEY))
    assert access.find(KEY.sha256) is access.find(KEY.sha256)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(Status),
        st.one_of(st.none(), st.integers(0, 3)),
        st.booleans(),
    ),
    max_size=30,
)


@given(CHANGES)
def test_following_changes_ends_where_resolving_everything_does(
    changes: list[tuple[int, Status, int | None, bool]],
) -> None:
    newest: list[Any] = [
        ORG,
        msgspec.structs.replace(ORG, org_id="o2"),
        USER,
        msgspec.structs.replace(USER, user_id="u2", org_id="o2"),
        KEY,
        msgspec.structs.replace(KEY, key_id="k2", user_id="u2", sha256=b"2" * 32),
    ]
    access = Access(snapshot(*newest))
    for which, status, per_minute, used_between in changes:
        newest[which] = changed(newest[which], status=status, requests_per_minute=per_minute)
        access.apply(newest[which])
        if used_between:
            access.find(KEY.sha256)
            access.find(b"2")
    expected = principals(snapshot(*newest), NO_DEFAULTS)
    assert {sha256: access.find(sha256) for sha256 in expected} == expected


def test_a_change_of_one_organization_reaches_each_of_its_10_000_keys() -> None:
    keys = [
        msgspec.structs.replace(KEY, key_id=str(number), sha256=number.to_bytes(32, "big")) for number in range(10_000)
    ]
    access = Access(snapshot(ORG, USER, *keys))
    for key in keys:
        access.find(key.sha256)
    organization = ORG
    for budget in range(5):
        organization = changed(organization, monthly_budget=budget)
        access.apply(organization)
        for key in keys:
            found = access.find(key.sha256)
            assert isinstance(found, Principal)
            assert found.limits[-1].maximum == budget


PEERS = [
    (("192.0.2.0/24",), "192.0.2.255", True),
    (("192.0.2.0/24",), "192.0.3.0", False),
    (("192.0.2.7/32", "198.51.100.0/24"), "198.51.100.1", True),
    (("192.0.2.0/24",), "::ffff:192.0.2.7", True),
    (("0.0.0.0/0",), "2001:db8::1", False),
    (("::/0",), "192.0.2.7", False),
    (("2001:db8::/32",), "2001:db8:ffff::1", True),
    (("2001:db8::/32",), "2001:db9::1", False),
    (("fe80::/10",), "fe80::1%eth0", True),
    (("0.0.0.0/0", "::/0"), "", False),
    (("0.0.0.0/0", "::/0"), "a socket", False),
    (None, "", True),
]


@pytest.mark.parametrize(("networks", "address", "may"), PEERS)
def test_a_key_is_taken_from_its_networks_alone(networks: tuple[str, ...] | None, address: str, may: bool) -> None:
    access = Access(snapshot(ORG, USER, changed(KEY, allowed_addresses=networks)))
    if may:
        assert access.authenticate(TEXT, now_ms=NOW_MS, address=address).key_id == "k"
        return
    with pytest.raises(Fault) as refusal:
        access.authenticate(TEXT, now_ms=NOW_MS, address=address)
    assert refusal.value.kind is FaultKind.FORBIDDEN


def test_a_bad_key_is_not_told_that_it_comes_from_elsewhere() -> None:
    access = Access(snapshot(ORG, USER, changed(KEY, allowed_addresses=("192.0.2.0/24",), expires_at_ms=NOW_MS)))
    with pytest.raises(Fault) as refusal:
        access.authenticate(TEXT, now_ms=NOW_MS, address="198.51.100.1")
    assert refusal.value.kind is FaultKind.UNAUTHENTICATED


def test_a_change_of_a_team_or_the_tenant_reaches_a_key_that_is_in_use() -> None:
    access = Access(snapshot(ORG, TEAM, changed(USER, team_id="g"), KEY))
    assert check(access.find(KEY.sha256), NOW_MS).limits == ()
    for entity, scope in (
        (changed(TEAM, monthly_limit=1), team_scope("g")),
        (changed(TENANT, monthly_budget=1), tenant_scope("t")),
    ):
        access.apply(entity)
        assert scope in {limit.scope for limit in check(access.find(KEY.sha256), NOW_MS).limits}
    access.apply(msgspec.structs.replace(TEAM, version=3, status=Status.SUSPENDED))
    assert access.find(KEY.sha256) == Refusal("The team of this API key is suspended.")


def test_keys_that_replace_each_other_count_in_one_scope() -> None:
    successor = changed(KEY, key_id="k2", sha256=b"2" * 32, counts_as="k", daily_limit=1)
    found = principals(snapshot(ORG, USER, KEY, successor))[successor.sha256]
    assert isinstance(found, Principal)
    assert (found.key_id, found.scopes[0], found.limits[0].scope) == ("k2", key_scope("k"), key_scope("k"))
