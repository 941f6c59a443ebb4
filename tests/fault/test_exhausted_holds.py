"""Providers that go on beyond the limit that their calls were held for: the stream is cut where its hold is used up, or the hold grows."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fault.test_hang_ups import recorded, wait_for_rest
from tests.support.commands import Shell
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, begin, call, question

LIMIT = 5
LEAST_OF_RESPONSES = 16
"""OpenAI takes no lower limit there."""
TOKEN_NANOS = 1_000_000
"""A thousand dollars for a million: a token is a tenth of a cent."""
BYTES_PER_TOKEN_MAX = 128
ENTRIES = {"oa": ("openai", "/v1"), "an": ("anthropic", ""), "go": ("google", "/v1beta"), "ol": ("ollama", "")}
REPORTS_ON_ITS_WAY = "go"
SURFACES = ("chat", "messages", "responses", "completions", "own", "generate", "gemini", "passthrough")
MODEL = "babbler"
BABBLES = "ignore_limit; output_tokens=2000; stall_after=600; stall_s=30"
"""What is cut is cut long before the silence ends."""


def configuration(url: str) -> str:
    model = f"{{name: {MODEL}, prices: {{input: 0, output: 1000}}}}"
    entries = "".join(
        f"""
  {name}: {{type: {kind}, api_key: k-0123456789, base_url: "{url}{path}", models: [{model}], drain_on_hangup: false}}"""
        for name, (kind, path) in ENTRIES.items()
    )
    return f"providers:{entries}\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("gateway"), config=configuration(simulator.base_url))
    started.start()
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.process.output
    assert '"internal fault"' not in started.process.output


def asked(surface: str, entry: str, simulate: str, *, stream: bool = True, **more: Any) -> tuple[str, dict[str, Any]]:
    """Path and body of a question with the limit."""
    model, text = f"{entry}/{MODEL}", f"Hello [[simulate: {simulate}]]"
    said = {"model": model, "stream": stream} | more
    match surface:
        case "chat" | "messages":
            path = CHAT if surface == "chat" else MESSAGES
            return path, question(text, model=model, stream=stream, max_tokens=LIMIT) | more
        case "responses":
            return "/v1/responses", said | {"input": text, "max_output_tokens": LEAST_OF_RESPONSES}
        case "completions":
            return "/v1/completions", said | {"prompt": text, "max_tokens": LIMIT}
        case "own":
            return "/v1/ai/completions", said | {"prompt": text, "max_tokens": LIMIT}
        case "generate":
            return "/api/v1/ai/generate", said | {"prompt": text, "max_tokens": LIMIT}
        case "gemini":
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            config = {"maxOutputTokens": LIMIT}
            body = {"contents": [{"parts": [{"text": text}]}], "generationConfig": config} | more
            return f"/v1beta/models/{model}:{verb}", body
        case _:
            return f"/passthrough/{entry}/chat/completions", question(
                text, model=MODEL, stream=stream, max_tokens=LIMIT
            )


def entries_of(surface: str) -> tuple[str, ...]:
    return ("oa",) if surface == "passthrough" else tuple(ENTRIES)


async def settled(gateway: GatewayProcess, key: NewKey) -> tuple[Any, dict[str, Any]]:
    """The key's only call in the vault, and the user's figures."""
    figures = await asyncio.to_thread(wait_for_rest, gateway, key)
    (row,) = await asyncio.to_thread(recorded, gateway, key, 1)
    assert (figures["held_nanos"], figures["total_usage_nanos"]) == (0, row.cost)
    return row, figures


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_stream_is_cut_where_its_hold_is_used_up_and_says_so(
    gateway: GatewayProcess, simulator: SimulatorProcess, surface: str
) -> None:
    simulator.reset()

    async def one(entry: str) -> tuple[str, NewKey, Answer]:
        key = await asyncio.to_thread(gateway.new_key, organization={"monthly_budget_usd": 10})
        path, body = asked(surface, entry, BABBLES)
        return entry, key, await call(gateway.port, path, body, key=key.api_key)

    for entry, key, answer in await asyncio.gather(*map(one, entries_of(surface))):
        assert answer.status == 200, bytes(answer.body)
        text = bytes(answer.body)
        assert not any(
            end in text for end in (b"[DONE]", b"message_stop", b"response.completed", b"x-gateway-cost-usd")
        )
        if surface == "passthrough":
            assert not answer.complete  # its bytes are its provider's own, so it breaks off
        else:
            last = json.loads(text.rstrip().rpartition(b"data: ")[2])
            assert "was cut" in json.dumps(last), last
        row, _ = await settled(gateway, key)
        assert (row.outcome, row.fault, row.source) == ("ERROR", "BUDGET_EXCEEDED", "estimated")
        limit = LEAST_OF_RESPONSES if surface == "responses" else LIMIT
        assert row.amount_held == limit * TOKEN_NANOS
        # Not before it is certain: a token has at most so many bytes, and the simulator's have four.
        by_bytes = -(-row.output_tokens * 4 // BYTES_PER_TOKEN_MAX)
        certain = row.output_tokens if entry == REPORTS_ON_ITS_WAY else by_bytes
        assert certain > limit
        assert abs(row.cost - certain * TOKEN_NANOS) <= TOKEN_NANOS
        assert row.cost > row.amount_held
    assert {each["outcome"] for each in simulator.calls()} == {"cancelled_by_client"}


@pytest.mark.parametrize("entry", ENTRIES)
async def test_a_hold_is_enlarged_and_the_stream_goes_on_to_its_end(gateway: GatewayProcess, entry: str) -> None:
    key = gateway.new_key(organization={"monthly_budget_usd": 10})
    path, body = asked("chat", entry, "ignore_limit; output_tokens=400; pace=2000", budget={"on_exhausted": "top_up"})
    answer = await call(gateway.port, path, body, key=key.api_key)
    assert answer.finished
    assert answer.cost_nanos == 400 * TOKEN_NANOS
    row, _ = await settled(gateway, key)
    assert (row.outcome, row.source, row.output_tokens, row.cost) == ("SUCCESS", "provider", 400, 400 * TOKEN_NANOS)
    assert row.amount_held > LIMIT * TOKEN_NANOS
    if entry == REPORTS_ON_ITS_WAY:
        assert row.amount_held >= row.cost


@pytest.mark.parametrize("limit", ["organization", "caller"])
@pytest.mark.parametrize("entry", ["oa", "go"])
async def test_a_hold_grows_to_the_last_of_the_money_and_then_the_stream_is_cut(
    gateway: GatewayProcess, entry: str, limit: str
) -> None:
    """It is doubled until that is more than is left, and then made of all that is."""
    affordable = 130
    babbles = "ignore_limit; output_tokens=20000; pace=" + {"oa": "8000", "go": "400"}[entry]
    usd = affordable * TOKEN_NANOS / 1e9
    key = gateway.new_key(organization={"monthly_budget_usd": usd if limit == "organization" else 10})
    budget = {"on_exhausted": "top_up"} | ({"max_cost_per_request": usd} if limit == "caller" else {})
    path, body = asked("chat", entry, babbles, budget=budget)
    answer = await call(gateway.port, path, body, key=key.api_key)
    assert answer.error_code == "BUDGET_EXCEEDED"
    assert not answer.finished
    row, _ = await settled(gateway, key)
    assert row.amount_held == affordable * TOKEN_NANOS
    assert row.amount_held < row.cost


@pytest.mark.parametrize("simulate", ["output_tokens=5", "output_tokens=5; ignore_limit", 'text="' + " " * 500 + '"'])
@pytest.mark.parametrize("entry", ENTRIES)
async def test_an_answer_within_its_limit_is_never_cut(gateway: GatewayProcess, entry: str, simulate: str) -> None:
    """Not even one of few long tokens."""
    key = gateway.new_key(organization={"monthly_budget_usd": 10})
    path, body = asked("chat", entry, f"{simulate}; pace=1000")
    answer = await call(gateway.port, path, body, key=key.api_key)
    assert answer.finished, bytes(answer.body)


async def test_what_nobody_limits_is_not_cut_and_a_whole_answer_is_recorded_in_full(gateway: GatewayProcess) -> None:
    unlimited, limited = gateway.new_key(), gateway.new_key(organization={"monthly_budget_usd": 10})
    babbles = "ignore_limit; output_tokens=400; pace=4000"
    path, body = asked("chat", "go", babbles)
    answer = await call(gateway.port, path, body, key=unlimited.api_key)
    assert answer.finished
    path, body = asked("chat", "oa", babbles, stream=False)
    whole = await call(gateway.port, path, body, key=limited.api_key)
    assert whole.finished
    assert whole.cost_nanos == 400 * TOKEN_NANOS
    row, _ = await settled(gateway, limited)
    assert row.cost - row.amount_held == (400 - LIMIT) * TOKEN_NANOS


async def test_choices_use_one_hold_up_together(gateway: GatewayProcess) -> None:
    key = gateway.new_key(organization={"monthly_budget_usd": 10})
    path, body = asked("chat", "oa", BABBLES, n=3)
    answer = await call(gateway.port, path, body, key=key.api_key)
    assert answer.error_code == "BUDGET_EXCEEDED"
    row, _ = await settled(gateway, key)
    assert row.amount_held == 3 * LIMIT * TOKEN_NANOS < row.cost


async def test_a_process_that_is_killed_leaves_the_enlarged_hold_to_be_settled(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    gateway = GatewayProcess(tmp_path, config=configuration(simulator.base_url))
    gateway.start()
    key = gateway.new_key(organization={"monthly_budget_usd": 10})
    path, body = asked("gemini", "go", "ignore_limit; output_tokens=400; pace=200; stall_after=60; stall_s=30")
    body["budget"] = {"on_exhausted": "top_up"}
    await begin(gateway.port, path, body, key=key.api_key)
    until = time.monotonic() + PATIENCE_S
    while (held := gateway.admin(f"/users/{key.user_id}/usage")["held_nanos"]) < 30 * TOKEN_NANOS:
        assert time.monotonic() < until, held
        await asyncio.sleep(0.02)
    gateway.kill()
    gateway.start()
    figures = gateway.admin(f"/users/{key.user_id}/usage")
    assert (figures["held_nanos"], figures["total_usage_nanos"]) == (0, held)
    (row,) = await asyncio.to_thread(recorded, gateway, key, 1)
    assert (row.source, row.cost, row.amount_held) == ("worst_case", held, held)
    proved = Shell(tmp_path)("verify", "ledger", "--json")
    assert proved.code == 0, proved.out
    assert gateway.stop() == 0


async def test_neither_word_of_another_kind_is_taken(gateway: GatewayProcess) -> None:
    _, body = asked("chat", "oa", "output_tokens=5", budget={"on_exhausted": "perhaps"})
    status, _, told = http(f"{gateway.base_url}{CHAT}", key=gateway.api_key, body=body)
    assert (status, told["error"]["code"], told["error"]["param"]) == (400, "INVALID_REQUEST", "budget.on_exhausted")
