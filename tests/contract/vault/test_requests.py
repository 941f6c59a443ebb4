"""A call comes back out of the vault exactly as it was recorded, and a scope's calls come newest first."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.vault.calls import NOON_NS, SECOND_NS, both, reset_of, scopes_of, settled_call, write_segment
from tests.contract.vault.conftest import Ask

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ScopeId
from onevault.core.money import Nanos
from onevault.core.ports import ModelUsage
from onevault.core.records import AttemptRecord, Caller, Outcome, Settled
from onevault.core.usage import Usage, UsageSource
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.requests import VaultRequests
from onevault.stores.sql.usage import VaultUsage

_text = st.text(st.characters(codec="utf-8"), max_size=30)
_word = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
_count = st.integers(0, 2**40)
_money = st.integers(0, 10**18).map(Nanos)
_moment = st.integers(0, 4 * 10**18)
_attempt = st.builds(
    AttemptRecord,
    provider=_word,
    deployment=_text,
    model=_text,
    started_ns=_moment,
    latency_ms=_count,
    first_event_ms=st.none() | _count,
    status=st.none() | st.integers(100, 599),
    fault=_text,
    provider_text=_text,
)
_caller = st.builds(Caller, _word, _word, _word, _word)
_settled = st.builds(
    Settled,
    call_id=st.just(""),
    at_ns=_moment,
    started_ns=_moment,
    caller=_caller,
    scopes=st.lists(_word.map(ScopeId), max_size=3, unique=True).map(tuple),
    time_zone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York"]),
    held=st.booleans(),
    amount_held=_money,
    cost=st.integers(0, 10**12).map(Nanos),
    tokens_held=_count,
    usage=st.builds(Usage, *([_count] * 14), tier=_text, cache_read_audio_tokens=_count, input_video_tokens=_count),
    usage_source=st.sampled_from(UsageSource),
    outcome=st.sampled_from(Outcome),
    fault=_text,
    fault_message=_text,
    request_type=_text,
    dialect=_text,
    stream=st.booleans(),
    model_asked=_text,
    provider=st.just("") | _word,
    model=_text,
    price_version=_text,
    route_reason=_text,
    latency_ms=_count,
    attempts=st.lists(_attempt, max_size=3).map(tuple),
    excluded=st.lists(st.tuples(_text, _text), max_size=3).map(tuple),
    request_ip=st.just("") | st.ip_addresses().map(str),
    user_agent=_text,
    end_user=_text,
    metadata=st.dictionaries(_text, _text, max_size=3),
)


def test_any_settlement_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    numbers = count()

    @settings(max_examples=60, deadline=None)
    @given(record=_settled)
    def comes_back(record: Settled) -> None:
        # Hypothesis repeats itself; a call id must not, for the first settlement of a call is the one that counts.
        record = msgspec.structs.replace(record, call_id=f"{next(numbers):032x}")
        write_segment(tmp_path / "journal", 1, [record])
        assert runner.run(requests.find(record.call_id)) == record

    with asyncio.Runner() as runner:
        vault = Vault(tmp_path)
        vault.bring_up()
        requests = VaultRequests(vault, Loader(vault, tmp_path / "journal"))
        comes_back()
        runner.run(vault.close())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def requests(vault: Vault, journal: Path) -> VaultRequests:
    return VaultRequests(vault, Loader(vault, journal))


async def test_a_call_that_ended_a_moment_ago_is_found(requests: VaultRequests, journal: Path) -> None:
    write_segment(journal, 1, both([1]))
    assert await requests.find(f"{1:032x}") == settled_call(1)
    write_segment(journal, 1, both([2]))
    assert await requests.find(f"{2:032x}") == settled_call(2)
    assert await requests.find("unknown' OR 1=1 --") is None


async def test_the_digest_of_a_call_is_that_of_its_record(requests: VaultRequests, journal: Path, ask: Ask) -> None:
    write_segment(journal, 1, both([1]))
    found = await requests.find(f"{1:032x}")
    digest = sha256(msgspec.msgpack.encode(found)).digest()
    for table in ("api_request_s", "api_request_detail_s", "api_request_attempt_s"):
        assert await ask(f"SELECT hash_diff FROM gateway.{table}") == [(digest,)]


@pytest.mark.parametrize("scope", ["key:key_1", "user:user_1", "org:org_1"])
async def test_recent_calls_of_a_scope_come_newest_first_and_page_by_page(
    vault: Vault, journal: Path, requests: VaultRequests, scope: str
) -> None:
    # Calls of the same moment (groups of four) must neither repeat nor be left out at the edge of a page.
    records = [
        settled_call(number, settled_ns=NOON_NS + (number // 4) * SECOND_NS, started_ns=NOON_NS) for number in range(60)
    ]
    write_segment(journal, 1, records)
    await Loader(vault, journal).flush()
    expected = {record.call_id for record in records if scope in scopes_of(record.caller)}
    seen: list[Settled] = []
    before = None
    while page := await requests.recent(ScopeId(scope), limit=5, before=before):
        assert len(page) <= 5
        seen += page
        before = page[-1].call_id
    assert [record.call_id for record in seen] == list(dict.fromkeys(record.call_id for record in seen))
    assert {record.call_id for record in seen} == expected
    assert [record.at_ns for record in seen] == sorted((record.at_ns for record in seen), reverse=True)
    assert all(
        record == settled_call(int(record.call_id, 16), settled_ns=record.at_ns, started_ns=NOON_NS) for record in seen
    )


@pytest.mark.parametrize("scope", ["key:unknown", "tenant:default", "", "key", "key:' OR 1=1 --"])
async def test_a_scope_without_calls_has_none(requests: VaultRequests, journal: Path, scope: str) -> None:
    write_segment(journal, 1, both([1]))
    await requests.find("nothing")
    assert await requests.recent(ScopeId(scope), limit=10, before=None) == []


async def test_going_on_from_an_unknown_call_is_refused(requests: VaultRequests) -> None:
    with pytest.raises(Fault) as refusal:
        await requests.recent(ScopeId("key:key_1"), limit=10, before="unknown")
    assert (refusal.value.kind, refusal.value.param) == (FaultKind.INVALID_REQUEST, "before")


QUERIES = (
    "SELECT load_date, api_request_hk FROM gateway.api_request_l WHERE user_hk = x'00' "
    "AND load_date <= '2026-11-21' ORDER BY load_date DESC, api_request_hk DESC LIMIT 10",
    "SELECT * FROM gateway.v_api_request_current WHERE api_request_hk = x'00'",
    "SELECT * FROM gateway.model_usage WHERE scope = 'a' AND month_label = '2026-11'",
    "SELECT change_id FROM gateway.change_s WHERE change_id > 7",
    "SELECT user_hk FROM gateway.user_s WHERE email_folded = 'a'",
    "SELECT api_key_hk FROM gateway.api_key_s WHERE sha256 = x'00'",
    "SELECT * FROM gateway.v_user_history WHERE user_hk = x'00'",
)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_recent_calls_and_usage_are_read_through_an_index_on_postgresql(vault: Vault) -> None:
    def plans(connection: object) -> list[str]:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # type: ignore[attr-defined] # empty tables are cheap to scan
        connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")  # type: ignore[attr-defined]
        texts = [query.replace("x'00'", "'\\x00'::bytea") for query in QUERIES]
        return [
            " ".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}"))  # type: ignore[attr-defined]
            for text in texts
        ]

    for plan in await vault.read(plans):
        assert "Index Cond" in plan
        assert "Seq Scan" not in plan
        assert "Sort" not in plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_recent_calls_and_usage_are_read_through_an_index(vault: Vault) -> None:
    def plans(connection: object) -> list[str]:
        return [
            " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))  # type: ignore[attr-defined]
            for query in QUERIES
        ]

    for plan in await vault.read(plans):
        assert "SEARCH" in plan
        assert "TEMP B-TREE" not in plan
        assert not any(f"SCAN {name}" in plan for name in ("h", "s", "d", "l", "api_request", "model_usage", "user_s"))


async def test_usage_by_model_is_summed_per_scope_and_month(
    vault: Vault, journal: Path, requests: VaultRequests
) -> None:
    last_month_ns = NOON_NS - 25 * 24 * 3600 * SECOND_NS
    write_segment(
        journal,
        1,
        [
            settled_call(0),
            settled_call(5),
            settled_call(10, provider="anthropic", model="claude-sonnet-5", cost=Nanos(9_000_000)),
            settled_call(15, started_ns=last_month_ns),
            settled_call(20, held=False, provider="", cost=Nanos(0)),
            settled_call(1),
            reset_of("key:key_0", NOON_NS + 100 * SECOND_NS),
        ],
    )
    await requests.find("nothing")
    usage = VaultUsage(vault)
    assert await usage.by_model(ScopeId("key:key_0"), "2026-11") == [
        ModelUsage("anthropic", "claude-sonnet-5", 1, 100, 10, Nanos(9_000_000)),
        ModelUsage("openai", "gpt-4o-mini", 2, 200, 5, Nanos(2_000_005)),
    ]
    assert await usage.by_model(ScopeId("key:key_0"), "2026-10") == [
        ModelUsage("openai", "gpt-4o-mini", 1, 100, 15, Nanos(1_000_015))
    ]
    assert await usage.by_model(ScopeId("key:unknown"), "2026-11") == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_postgresql_cannot_keep_of_a_call_is_replaced_and_holds_nothing_up(
    requests: VaultRequests, journal: Path, ask: Ask
) -> None:
    odd = settled_call(
        1,
        end_user="a\x00b",
        model_asked="\x00",
        metadata={"\x00": "\\u0000\x00"},
        request_ip="fe80::1%eth0",
        user_agent="{}, \\N \t\n",
        cost=Nanos(8_388_608_000_000_001),
    )
    write_segment(journal, 1, [odd, *both([2])])
    found = await requests.find(odd.call_id)
    kept = msgspec.structs.replace(
        odd,
        end_user="a\u2400b",
        model_asked="\u2400",
        metadata={"\u2400": "\\u0000\u2400"},
        request_ip="fe80::1",
    )
    assert found == kept
    assert await requests.find(f"{2:032x}") == settled_call(2)
    digest = sha256(msgspec.msgpack.encode(found)).digest()
    assert (digest,) in await ask("SELECT hash_diff FROM gateway.api_request_s")
    costs = await ask("SELECT customer_cost::text FROM gateway.api_request_s ORDER BY customer_cost DESC LIMIT 1")
    assert costs == [("8388608.000000001",)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_settlements_of_every_shape_come_back_from_postgresql(requests: VaultRequests, journal: Path) -> None:
    shapes = [
        settled_call(number, request_ip=address, provider=provider, time_zone="Asia/Kathmandu", attempts=attempts)
        for number, (address, provider, attempts) in enumerate(
            [("", "", ()), ("192.0.2.1", "x", ()), ("::ffff:192.0.2.1", "größe", settled_call(1).attempts * 3)]
        )
    ]
    write_segment(journal, 1, shapes)
    assert [await requests.find(shape.call_id) for shape in shapes] == shapes
